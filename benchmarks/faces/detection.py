"""How many faces each detector finds, how many of its finds are faces, and how long it takes.

    python -m benchmarks.faces.detection [--show FOLDER]

`faces_landmarks`: nine group photographs, 43 faces, most of them 35 to 45 pixels wide. A find is right when it overlaps a face by
IoU 0.4 or more, each face counting once and the surest find first; boxes are compared as each detector draws them. A face is
frontal when the tip of the nose (landmark 30), dropped onto the line from the right eye's centre to the left's, falls between a
quarter and three quarters of it. Nothing was tuned on these pictures: the detectors' constants come from `faces_multi`, `celeba`
and the pictures of `coco128` without people.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw

import whylight
from benchmarks.common.places import DATA, PHOTO
from benchmarks.common.report import Row, cores, record
from whylight.faces.detect import NAMES, detector
from whylight.faces.types import Detector, Face
from whylight.localize import overlap

YUNET = DATA / "weights" / "yunet_n_320.onnx"
IOU = 0.4
FRONTAL = (0.25, 0.75)
GOAL = 80.0  # % of the frontal faces that the default finds


class Known(NamedTuple):
    """A face that is in a picture: its box, the true centres of the eyes, and how far the nose is from one to the other."""

    box: tuple[float, float, float, float]
    right_eye: tuple[float, float]
    left_eye: tuple[float, float]
    nose: float

    @property
    def frontal(self) -> bool:
        return FRONTAL[0] <= self.nose <= FRONTAL[1]


class Hits(NamedTuple):
    """What became of a picture's faces and of a detector's finds."""

    of_faces: list[Face | None]  # the find of each known face
    right: list[bool]  # of each find


def known() -> dict[Path, list[Known]]:
    """The faces of `faces_landmarks`."""
    folder, faces = DATA / "faces_landmarks", {}
    for name, rows in json.loads((folder / "landmarks68.json").read_text()).items():
        faces[folder / name] = [_known(row) for row in rows]
    return faces


def _known(row: dict[str, Any]) -> Known:
    marks = np.array(row["landmarks"], float)  # (68, 2), iBUG order
    right, left, tip = marks[36:42].mean(0), marks[42:48].mean(0), marks[30]
    along = float((tip - right) @ (left - right) / ((left - right) @ (left - right)))
    return Known(tuple(row["box"]), tuple(right), tuple(left), along)


def match(faces: Sequence[Known], finds: Sequence[Face]) -> Hits:
    """Each find, the surest first, gets the face that it overlaps most and that no other has."""
    of_faces: list[Face | None] = [None] * len(faces)
    right = [False] * len(finds)
    for at in sorted(range(len(finds)), key=lambda at: -finds[at].box.score):
        free = [(overlap(finds[at].box, face.box), k) for k, face in enumerate(faces) if of_faces[k] is None]
        best, k = max(free, default=(0.0, -1))
        if best >= IOU:
            of_faces[k], right[at] = finds[at], True
    return Hits(of_faces, right)


def eye_error(face: Known, find: Face) -> float | None:
    """How far the worse of the found eyes is off, in distances between the eyes; None where none were found."""
    if find.eyes is None:
        return None
    apart = math.dist(face.right_eye, face.left_eye)
    return max(math.dist(find.eyes[0], face.right_eye), math.dist(find.eyes[1], face.left_eye)) / apart


def times(finder: Detector, largest: bool) -> tuple[float, float]:
    """Median processor time of all threads together, and the fastest by the clock, for the astronaut at 640 × 480, warm: ms."""
    picture = Image.open(PHOTO).convert("RGB").crop((0, 0, 512, 384)).resize((640, 480))
    spent, clock = [], []
    for _ in range(8):
        start, worked = time.perf_counter(), time.process_time()
        finder.find(picture, largest=largest)
        spent.append(1000 * (time.process_time() - worked))
        clock.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent[1:]), min(clock)


def without_people() -> list[Path]:
    """The pictures of `coco128` in which no person is boxed."""
    with (DATA / "coco128" / "boxes.csv").open(newline="") as file:
        people = {Path(row["file"]).name for row in csv.DictReader(file) if row["label"] == "person"}
    return [path for path in sorted((DATA / "coco128" / "images").iterdir()) if path.name not in people]


def measure(finder: Detector, show: Path | None) -> list[Row]:
    faces, hits, finds = [], [], 0
    right, tried = 0, {}
    for path, there in known().items():
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        look = finder.look(picture)
        result = match(there, look.faces)
        faces += there
        hits += result.of_faces
        right, finds = right + sum(result.right), finds + len(look.faces)
        for name, count in look.tried.items():
            tried[name] = tried.get(name, 0) + count
        if show:
            _draw(picture, there, look.faces, result).save(show / f"{finder.name}_{path.stem}.png")
    frontal = [find is not None for face, find in zip(faces, hits, strict=True) if face.frontal]
    errors = [eye_error(face, find) for face, find in zip(faces, hits, strict=True) if find is not None]
    eyes = [error for error in errors if error is not None]
    found = sum(find is not None for find in hits)
    pictures = without_people()
    false = [path for path in pictures for _ in _of(finder, path)]
    name = f"`{finder.name}`"
    each = "faces that each saw: " + ", ".join(f"{part} {count}" for part, count in tried.items())
    goal = GOAL if finder.name == "haar" else None
    rows = [
        Row(f"{name}: faces found", 100 * found / len(faces), "%", None, "higher", f"{found} of {len(faces)}; {each}"),
        Row(
            f"{name}: frontal faces found",
            *(100 * sum(frontal) / len(frontal), "%", goal, "higher", f"{sum(frontal)} of {len(frontal)}"),
        ),
        Row(f"{name}: precision", 100 * right / max(1, finds), "%", None, "higher", f"{right} of {finds} finds"),
        Row(
            f"{name}: false finds in coco128's {len(pictures)} pictures without people",
            *(
                len(false),
                "",
                None,
                "lower",
                "constants were chosen with these in sight" if finder.name != "cam" else "",
            ),
        ),
    ]
    if eyes:
        near = sum(error <= 0.2 for error in eyes)
        note = f"{len(eyes)} of {found} have eyes; {near} within 0.2; median of the worse eye, in distances between the eyes"
        rows.append(Row(f"{name}: error of the eyes", statistics.median(eyes), "", None, "lower", note))
    for what, largest in (("all faces", False), ("the largest face", True)):
        spent, clock = times(finder, largest)
        note = f"all threads together, whatever else the machine does; by the clock, fastest of 8: {clock:.0f} ms"
        rows.append(Row(f"{name}: 640 × 480, {what}, processor time", spent, "ms", note=note))
    return rows


def _of(finder: Detector, path: Path) -> list[Face]:
    with Image.open(path) as opened:
        return finder.find(opened.convert("RGB"))


def _draw(picture: Image.Image, faces: Sequence[Known], finds: Sequence[Face], hits: Hits) -> Image.Image:
    """Known faces white, right finds green, wrong ones red, eyes as dots; twice as large."""
    shown = picture.resize((2 * picture.width, 2 * picture.height))
    draw = ImageDraw.Draw(shown)
    for face in faces:
        draw.rectangle([2 * value for value in face.box], outline="white")
    for find, right in zip(finds, hits.right, strict=True):
        draw.rectangle([2 * value for value in find.box[:4]], outline="lime" if right else "red", width=2)
        draw.text((2 * find.box.x0, 2 * find.box.y0 - 11), f"{find.box.score:.2g} {find.found_by}", fill="yellow")
        for x, y in find.points.values():
            draw.ellipse([2 * x - 2, 2 * y - 2, 2 * x + 2, 2 * y + 2], fill="cyan")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--show", type=Path, help="draw what was found into this folder")
    parser.add_argument("--only", choices=NAMES, help="print the figures of one detector and record nothing")
    options = parser.parse_args()
    if options.show:
        options.show.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(cores())
    torch.set_num_threads(cores())
    whylight.tune_allocator()
    rows = []
    for name in [options.only] if options.only else NAMES:
        rows += measure(detector(name, weights=YUNET), options.show)
    if options.only:
        for row in rows:
            print(row.name, None if row.value is None else round(row.value, 3), row.unit, row.note)
        return
    record("faces/detection", "Faces: detection", rows, about=" ".join((__doc__ or "").split("\n\n")[2].split()))


if __name__ == "__main__":
    main()
