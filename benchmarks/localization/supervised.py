"""Boxes from labels against boxes from boxes: how many objects each finds, and the gap.

    python -m benchmarks.localization.supervised [--keep FOLDER] [--only pennfudan|faces] [--threads N]

Both sides start from the same weights of the same backbone (MobileNetV2, a cell of the last grid for 16 pixels) and are
measured on the same pictures, which neither trained on. Weakly supervised: a classifier taught labels only, and boxes around
the hot parts of its maps; the kind of map (CAM, LayerCAM, `locate`'s own) and the one threshold are those with the best F1 on
the training pictures. Supervised: the same backbone with a box head (`whylight train --boxes`). Penn-Fudan: every third picture
by name tests; ImageNet weights; the classifier tells street scenes and INRIA's crops of people from pictures without. Faces: the
bundled `face` model and its own held-out pictures of `faces_multi`. A box is right at IoU 0.5.

`--keep` puts the runs in a folder and takes them from there the next time.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import whylight
from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record
from benchmarks.localization.tasks import Rectangle, Task, faces, taught_by_boxes, taught_by_labels, walkers
from whylight.boxes.match import average_precision, right
from whylight.localize.locator import default_locator
from whylight.localize.supervised import regress
from whylight.methods import Method
from whylight.models.zoo import bundled

SHARES = np.arange(0.1, 0.95, 0.05)  # of a map's maximum, at which boxes are cut out


class Scored(NamedTuple):
    """The boxes found in a picture, the surest first, with how sure."""

    boxes: list[Rectangle]
    scores: list[float]


def kinds(model: whylight.Model) -> dict[str, str | Method]:
    """The maps that boxes from labels are cut out of, by name; the last is what `whylight locate` does by default."""
    return {"cam": "cam", "layercam": "layercam", "locate's": default_locator(model).method}


def from_maps(
    model: whylight.Model, paths: list[Path], label: str, method: str | Method, shares: Iterable[float]
) -> list[list[Scored]]:
    """For each share of the maximum what the maps find in each picture; how sure: the heat times the class's probability."""
    shares = list(shares)
    found: list[list[Scored]] = [[] for _ in shares]
    for (ex,) in whylight.explain_each(model, paths, method=method, target=label):
        for column, share in zip(found, shares, strict=True):
            boxes = ex.boxes(float(share))
            column.append(Scored([box[:4] for box in boxes], [box.score * (ex.probability or 0) for box in boxes]))
    return found


def from_head(model: whylight.Model, paths: list[Path], label: str, threshold: float | None) -> list[Scored]:
    found = (one.boxes(threshold) for one in regress(model, paths, target=label))
    return [Scored([box[:4] for box in boxes], [box.score for box in boxes]) for boxes in found]


def judged(found: list[Scored], wanted: list[list[Rectangle]]) -> tuple[list[float], list[bool], int]:
    """All scores, which of their boxes are right, and how many were to be found."""
    scores, hits = [], []
    for one, boxes in zip(found, wanted, strict=True):
        scores += one.scores
        hits += right(np.array(one.boxes).reshape(-1, 4), np.array(boxes, dtype=float)).tolist()
    return scores, hits, sum(map(len, wanted))


def f1(found: list[Scored], wanted: list[list[Rectangle]]) -> float:
    _, hits, total = judged(found, wanted)
    return 2 * sum(hits) / max(1, len(hits) + total)


def figures(kept: list[Scored], every: list[Scored], wanted: list[list[Rectangle]]) -> dict[str, float]:
    """In per cent. `kept`: the boxes above the threshold; `every`: those below it too, for the average precision."""
    _, hits, total = judged(kept, wanted)
    firsts = [
        bool(one.boxes) and bool(right(np.array(one.boxes[:1]), np.array(boxes, dtype=float))[0])
        for one, boxes in zip(kept, wanted, strict=True)
    ]
    return {
        "drawn boxes found": 100 * sum(hits) / total,
        "boxes that are right": 100 * sum(hits) / max(1, len(hits)),
        "average precision": 100 * average_precision(*judged(every, wanted)),
        "pictures whose best box is right": 100 * sum(firsts) / len(firsts),
    }


def weakly(task: Task, model: whylight.Model) -> tuple[dict[str, float], str]:
    """Figures of boxes from maps on the test pictures, and what was chosen on the training pictures."""
    learnt = [*task.train, *task.val]
    wanted, methods = [task.boxes[path] for path in learnt], kinds(model)
    chosen = max(
        (f1(found, wanted), name, float(share))
        for name, method in methods.items()
        for share, found in zip(SHARES, from_maps(model, learnt, task.label, method, SHARES), strict=True)
    )
    _, name, share = chosen
    found = from_maps(model, task.test, task.label, methods[name], [share])[0]
    return figures(
        found, found, [task.boxes[path] for path in task.test]
    ), f"{name} map, boxes at {share:.2f} of the maximum"


def fully(task: Task, model: whylight.Model) -> tuple[dict[str, float], str]:
    """Figures of boxes from the box head on the test pictures."""
    assert model.box_head is not None
    kept, every = (from_head(model, task.test, task.label, threshold) for threshold in (None, 0.02))
    note = f"boxes with a score from {model.box_head.spec.threshold:.2f} on"
    return figures(kept, every, [task.boxes[path] for path in task.test]), note


def rows_of(task: Task, weak: whylight.Model, full: whylight.Model) -> list[Row]:
    (theirs, chosen), (ours, threshold) = weakly(task, weak), fully(task, full)
    objects = sum(len(task.boxes[path]) for path in task.test)
    rows = []
    for what in ours:
        name = f"{task.name}, {what}"
        rows += [
            Row(f"{name}, weakly supervised", theirs[what], "%", better="higher", note=chosen),
            Row(f"{name}, supervised", ours[what], "%", better="higher", note=threshold),
            Row(
                f"{name}, the gap", ours[what] - theirs[what], "points", 0.0, better="higher",
                note=f"{len(task.test)} pictures, {objects} boxes",
            ),
        ]  # fmt: skip
    return rows


def loaded(run: str | Path) -> whylight.Model:
    model = whylight.load(run, device="cpu")
    assert isinstance(model, whylight.Model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keep", type=Path, help="folder for the runs, taken from there in the next run")
    parser.add_argument("--only", choices=["pennfudan", "faces"])
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()
    whylight.tune_allocator()
    torch.set_num_threads(options.threads)
    imagenet, face = DATA / "weights" / "mobilenet_v2_imagenet.pth", bundled.file_of("face")
    assert face is not None
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        scratch = options.keep or Path(name)
        if options.only != "faces":
            task = walkers()
            weak = loaded(taught_by_labels(task, imagenet, 256, scratch))
            full = loaded(taught_by_boxes(task, imagenet, 256, 22, 8, 5e-4, scratch))
            rows += rows_of(task, weak, full)
        if options.only != "pennfudan":
            task = faces()
            full = loaded(taught_by_boxes(task, face, 320, 5, 8, 5e-4, scratch))
            rows += rows_of(task, loaded("face"), full)
    about = (__doc__ or "").split("\n\n")[2].replace("\n", " ") + f" {options.threads} threads."
    record("localization/supervised", "Boxes from labels, boxes from boxes", rows, about=about)


if __name__ == "__main__":
    main()
