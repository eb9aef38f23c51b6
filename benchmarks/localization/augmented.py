"""Augmented Grad-CAM: what it costs, and whether its maps find objects better than Grad-CAM's.

    python -m benchmarks.localization.augmented [--quick] [--keep FOLDER]

MobileNetV2 with ImageNet weights, 224 pixels, the method's default options. Boxes: the 250 pictures of `imagenet10/val`, target
the true class; a map's box is that of its largest connected part at or above a share of its maximum, found when it overlaps
a box of the class by IoU 0.5 or more; the share is the best single one for each method. Rotation, shift, scale and the
penalties' weights were chosen on one half, every second picture of each class by file name; the other half had no part in it.

Grad-CAM's maps are placed bilinearly with half-pixel centres; Augmented Grad-CAM's have the picture's size. `--keep` puts the
maps in a folder and takes them from there in the next run, if the method is the same.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import whylight
from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record
from whylight import engine, methods

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHARES = np.arange(0.05, 0.96, 0.01)  # of the maximum, at which boxes are cut out
NAMES = {"gradcam": "Grad-CAM", "augmented-gradcam": "Augmented Grad-CAM"}
GOAL_SECONDS, GOAL_POINTS = 10.0, 3.0

Box = tuple[float, float, float, float]


class Labelled(NamedTuple):
    """A picture, its class and the boxes of that class."""

    path: Path
    wnid: str
    boxes: list[Box]
    tuned: bool  # whether options were chosen on it


def labelled() -> list[Labelled]:
    """The pictures, by class and file name."""
    boxes: dict[tuple[str, str], list[Box]] = defaultdict(list)
    with (DATA / "imagenet10" / "val_boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
            boxes[row["label"], row["file"]].append((x0, y0, x1, y1))
    found, before = [], dict.fromkeys((wnid for wnid, _ in boxes), 0)
    for wnid, name in sorted(boxes):
        found.append(Labelled(DATA / "imagenet10" / name, wnid, boxes[wnid, name], before[wnid] % 2 == 0))
        before[wnid] += 1
    return found


def load(path: Path) -> Tensor:
    """(3, 224, 224), normalised: the pictures have that size already."""
    with Image.open(path) as picture:
        values = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1) / 255
    return (values - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def network() -> whylight.Model:
    """MobileNetV2 as the data folder holds it, in half precision there."""
    state = torch.load(DATA / "weights" / "mobilenet_v2_imagenet.pth", weights_only=True)
    module = torchvision.models.mobilenet_v2()
    module.load_state_dict({name: part.float() if part.is_floating_point() else part for name, part in state.items()})
    return whylight.wrap(module.eval(), size=224, mean=MEAN, std=STD)


def classes() -> dict[str, int]:
    """Class index by synset."""
    lines = (DATA / "weights" / "imagenet_synset_words.txt").read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: index for index, line in enumerate(lines)}


def look(model: whylight.Model, pictures: list[Labelled], method: str, keep: Path | None) -> Tensor:
    """Maps (N, 224, 224) of the pictures' own classes."""
    found, index = [], classes()
    for wnid in dict.fromkeys(picture.wnid for picture in pictures):
        kept = keep / f"{method}-{wnid}.pt" if keep else None
        if kept and kept.exists():
            found.append(torch.load(kept, weights_only=True))
            continue
        x = torch.stack([load(picture.path) for picture in pictures if picture.wnid == wnid])
        maps = engine.maps(model, x, [methods.get(method)], [index[wnid]])[0, 0]  # (n, h, w)
        found.append(interpolate(maps[:, None], size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0])
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(found[-1], kept)
        print(f"  {method}, {wnid}: {len(x)} pictures", flush=True)
    return torch.cat(found)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def hits(maps: Tensor, pictures: list[Labelled], least: float = 0.5) -> np.ndarray:
    """Whether a box is found, at an IoU of at least so much, (pictures, shares)."""
    found = np.zeros((len(pictures), len(SHARES)), dtype=bool)
    for at, (values, picture) in enumerate(zip(maps.numpy(), pictures, strict=True)):
        if values.max() <= 0:
            continue
        for column, share in enumerate(SHARES):
            hot = (values >= share * values.max()).astype(np.uint8)
            parts = cv2.connectedComponentsWithStats(hot, connectivity=8)[2][1:]  # without the background
            x, y, width, height, _ = (float(number) for number in parts[parts[:, cv2.CC_STAT_AREA].argmax()])
            found[at, column] = max(overlap((x, y, x + width, y + height), box) for box in picture.boxes) >= least
    return found


def boxes(model: whylight.Model, keep: Path | None) -> list[Row]:
    """How many boxes each method finds, on all pictures and on those that options were not chosen on."""
    pictures = labelled()
    unseen = np.array([not picture.tuned for picture in pictures])
    found = {method: hits(look(model, pictures, method, keep), pictures) for method in NAMES}
    rows = []
    for words, chosen in (("all 250 pictures", np.ones_like(unseen)), (f"the {unseen.sum()} held out", unseen)):
        best = {}
        for method, name in NAMES.items():
            rate = 100 * found[method][chosen].mean(0)
            best[method] = float(rate.max())
            note = f"at {SHARES[rate.argmax()]:.2f} of the maximum"
            if not chosen.all():
                elsewhere = found[method][~chosen].mean(0).argmax()
                note += f"; {rate[elsewhere]:.1f} % at {SHARES[elsewhere]:.2f}, the best share on the other half"
            rows.append(Row(f"{name}, boxes found, {words}", best[method], "%", better="higher", note=note))
        gain = best["augmented-gradcam"] - best["gradcam"]
        rows.append(
            Row(f"Augmented Grad-CAM's gain over Grad-CAM, {words}", gain, "points", GOAL_POINTS, better="higher")
        )
    return rows


def speed(model: whylight.Model, runs: int) -> list[Row]:
    """Seconds for one picture: the first, which builds the operator, and later ones."""
    method = methods.get("augmented-gradcam")
    x, target = load(labelled()[0].path)[None], classes()[labelled()[0].wnid]
    seconds = []
    for _ in range(1 + runs):
        start = time.perf_counter()
        engine.maps(model, x, [method], [target])
        seconds.append(time.perf_counter() - start)
    what = "Augmented Grad-CAM, 100 copies, MobileNetV2, 224 pixels"
    return [
        Row(f"{what}, first picture", seconds[0], "s", GOAL_SECONDS, note="builds the operator, too"),
        Row(f"{what}, later ones", statistics.median(seconds[1:]), "s", GOAL_SECONDS, note=f"median of {runs}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the time only")
    parser.add_argument("--keep", type=Path, help="folder for maps, taken from there in the next run")
    options = parser.parse_args()
    torch.set_num_threads(cores())
    model = network()
    rows = speed(model, 5)
    if not options.quick:
        rows += boxes(model, options.keep)
    about = __doc__.split("\n\n")[2].replace("\n", " ") + (" Quick run: the time only." if options.quick else "")
    record("localization/augmented", "Augmented Grad-CAM", rows, about=about)


if __name__ == "__main__":
    main()
