"""Find one, erase it, look again, against one pass: how many faces each finds where there are several.

    python -m benchmarks.localization.sequential [--choose] [--every K] [--threads N]

The bundled `face` model on the pictures of `faces_multi` with two faces or more. A face is found when a box overlaps it by IoU 0.3
or more, no box for two faces; every other box is a false one. Both ways use `locate`'s own maps: one pass those of its default,
averaged over copies of the picture, of which it keeps every connected part; sequential location its own, of a single pass, look
after look. At most 100 boxes a picture for both. The threshold is one for all pictures: of one pass that with which it finds most
faces, and beside it the defaults of both ways; of sequential location its default.
Options were chosen on one half of the pictures, by a hash of their names, but not without knowing earlier figures of the other
half. The classifier was trained on many of these pictures, but knows no box.

`--choose` prints what can be chosen: thresholds of both ways, on the half for it. `--every` takes a part of the pictures.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch

import whylight
from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record
from whylight.boxes.match import overlaps
from whylight.localize import boxes_of
from whylight.localize.erase import DEFAULT as DEFAULT_ERASER
from whylight.localize.erase import Eraser
from whylight.localize.locator import default_locator
from whylight.localize.sequential import spot_locator

LEAST, MOST = 0.3, 100  # IoU of a face that is found; boxes a picture
SHARES = tuple(np.arange(0.2, 0.91, 0.05).round(2).tolist())
GOAL = 1.5

Rectangle = tuple[float, float, float, float]
Finder = Callable[[Path], whylight.Location]


class Group(NamedTuple):
    """A picture of several faces."""

    path: Path
    faces: list[Rectangle]
    tuned: bool  # whether thresholds and options were chosen on it


class Tally(NamedTuple):
    """What was found in some pictures."""

    found: int  # faces
    faces: int
    boxes: int
    looks: int
    seconds: float
    pictures: int
    ends: Counter[str]

    @property
    def recall(self) -> float:
        """Percentage of the faces that are found."""
        return 100 * self.found / self.faces

    @property
    def precision(self) -> float:
        """Percentage of the boxes that are right."""
        return 100 * self.found / max(1, self.boxes)

    @property
    def false(self) -> float:
        """Boxes a picture that are none's."""
        return (self.boxes - self.found) / self.pictures

    @property
    def words(self) -> str:
        return (
            f"{self.found} of {self.faces} faces, {self.recall:.1f} %; {self.precision:.1f} % of the boxes are right, "
            f"{self.false:.2f} false ones a picture; {self.looks / self.pictures:.1f} looks, {self.seconds:.2f} s"
        )


def groups() -> list[Group]:
    """The pictures with two faces or more, by name."""
    folder, drawn = DATA / "faces_multi", defaultdict[Path, list[Rectangle]](list)
    with (folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
            drawn[folder / row["file"]].append((x0, y0, x1, y1))
    return [Group(path, drawn[path], half(path.name)) for path in sorted(drawn) if len(drawn[path]) > 1]


def half(name: str) -> bool:
    """Whether a picture is one of those that choices are made on: depends on its name alone."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def hits(boxes: Sequence[Sequence[float]], faces: Sequence[Rectangle]) -> int:
    """How many faces are found: each box, the first ones first, takes the face it overlaps most among those that are left."""
    if not boxes:
        return 0
    shares = overlaps(np.array([box[:4] for box in boxes], dtype=float), np.array(faces, dtype=float))
    count = 0
    for row in shares:
        best = int(row.argmax())
        if row[best] >= LEAST:
            shares[:, best] = 0
            count += 1
    return count


def tally(find: Finder, pictures: Sequence[Group]) -> Tally:
    found = boxes = looks = 0
    ends: Counter[str] = Counter()
    start = time.perf_counter()
    for picture in pictures:
        location = find(picture.path)
        found += hits(location.boxes, picture.faces)
        boxes += len(location.boxes)
        looks += len(location.steps)
        ends[location.stopped] += 1
    seconds = (time.perf_counter() - start) / len(pictures)
    return Tally(found, sum(len(one.faces) for one in pictures), boxes, looks, seconds, len(pictures), ends)


def one_pass(model: whylight.Classifier, pictures: Sequence[Group], shares: Sequence[float]) -> list[Tally]:
    """One map a picture, cut at each share: what `locate` does with each as its threshold."""
    method, sums = default_locator(model).method, np.zeros((len(shares), 2), dtype=int)
    start = time.perf_counter()
    for picture in pictures:
        heat = whylight.explain(model, picture.path, method=method, target="face").heatmap()
        for column, share in enumerate(shares):
            boxes = boxes_of(heat, share)[:MOST]
            sums[column] += hits(boxes, picture.faces), len(boxes)
    seconds, faces = (time.perf_counter() - start) / len(pictures), sum(len(one.faces) for one in pictures)
    return [
        Tally(int(right), faces, int(boxes), len(pictures), seconds, len(pictures), Counter()) for right, boxes in sums
    ]


def sequentially(model: whylight.Classifier, eraser: Eraser = DEFAULT_ERASER, threshold: float | None = None) -> Finder:
    def find(path: Path) -> whylight.Location:
        found = whylight.locate(
            model,
            path,
            "face",
            sequential=True,
            max_objects=MOST,
            threshold=threshold,
            eraser=eraser,
            min_probability=0,
        )
        assert isinstance(found, whylight.Location)
        return found

    return find


def choose(model: whylight.Classifier, pictures: Sequence[Group]) -> None:
    """Print what thresholds do, on the half for choices."""
    mine = [picture for picture in pictures if picture.tuned]
    for share, one in zip(SHARES, one_pass(model, mine, SHARES), strict=True):
        print(f"one pass, threshold {share:.2f}: {one.words}", flush=True)
    for share in (0.3, 0.4, 0.5, 0.6):
        print(
            f"sequential, threshold {share:.2f}: {tally(sequentially(model, threshold=share), mine).words}", flush=True
        )


def together(parts: Sequence[Tally]) -> Tally:
    """The tally of several sets of pictures."""
    pictures = sum(one.pictures for one in parts)
    ends: Counter[str] = Counter()
    for one in parts:
        ends += one.ends
    return Tally(
        sum(one.found for one in parts),
        sum(one.faces for one in parts),
        sum(one.boxes for one in parts),
        sum(one.looks for one in parts),
        sum(one.seconds * one.pictures for one in parts) / pictures,
        pictures,
        ends,
    )


def compared(where: str, one: tuple[float, Tally], others: Sequence[tuple[float, Tally]], ours: Tally) -> list[Row]:
    """One pass, at the threshold it finds most with and at the defaults of both ways, beside sequential location."""
    ends = ", ".join(f"{count} × {end}" for end, count in ours.ends.most_common())
    passes = [(f"one pass at {share:.2f}", tally) for share, tally in (one, *others)]
    rows = []
    for name, tally in (*passes, ("sequential", ours)):
        looks = f"{tally.looks / tally.pictures:.1f} looks; {ends}" if tally is ours else "one look"
        counts = f"{tally.found} of {tally.faces} in {tally.pictures} pictures"
        rows += [
            Row(f"Faces found, {name}, {where}", tally.recall, "%", better="higher", note=counts),
            Row(f"Boxes that are right, {name}, {where}", tally.precision, "%", better="higher"),
            Row(f"False boxes a picture, {name}, {where}", tally.false),
            Row(f"Seconds a picture, {name}, {where}", tally.seconds, "s", note=looks),
        ]
    for (name, tally), goal in zip(passes, (GOAL, None, None), strict=True):  # to beat a bad threshold is no feat
        ratio = ours.found / max(1, tally.found)
        rows.append(Row(f"Faces found, sequential over {name}, {where}", ratio, "×", goal, "higher"))
    return rows


def rows_of(model: whylight.Classifier, pictures: Sequence[Group]) -> list[Row]:
    chosen, unseen = ([one for one in pictures if one.tuned == mine] for mine in (True, False))
    defaults = [locator.threshold_for(model) for locator in (default_locator(model), spot_locator(model))]
    known = dict(zip((*SHARES, *defaults), one_pass(model, chosen, (*SHARES, *defaults)), strict=True))
    share = max(SHARES, key=lambda one: known[one].found)
    best, *plain = one_pass(model, unseen, (share, *defaults))
    print(f"one pass at {share:.2f}, the half held out: {best.words}", flush=True)
    ours = tally(sequentially(model), unseen)
    print(f"sequential, the half held out: {ours.words}", flush=True)
    erasers = {}
    for eraser in get_args(Eraser):
        erasers[eraser] = tally(sequentially(model, eraser), chosen)
        print(f"sequential, {eraser}, the half for choices: {erasers[eraser].words}", flush=True)
    rows = compared("the half held out", (share, best), list(zip(defaults, plain, strict=True)), ours)
    rows += compared(
        "all pictures",
        (share, together([best, known[share]])),
        [(usual, together([one, known[usual]])) for usual, one in zip(defaults, plain, strict=True)],
        together([ours, erasers[DEFAULT_ERASER]]),
    )
    for eraser, one in erasers.items():
        name = f"Faces found, erased by {eraser}{', the default' if eraser == DEFAULT_ERASER else ''}, the half for choices"
        rows.append(Row(name, one.recall, "%", better="higher", note=one.words))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--choose", action="store_true", help="print what thresholds do, on the half for choices, and stop"
    )
    parser.add_argument("--every", type=int, default=1, metavar="K", help="every K-th picture only")
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    whylight.tune_allocator()
    model, pictures = whylight.load("face", device="cpu"), groups()[:: options.every]
    if options.choose:
        choose(model, pictures)
        return
    about = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" {options.threads} threads."
    if options.every > 1:
        about += f" A part only: one of {options.every} pictures."
    record("localization/sequential", "Find one, erase it, look again", rows_of(model, pictures), about=about)


if __name__ == "__main__":
    main()
