"""Where the parts of a face are, against landmarks that people checked; and what the smile cascade takes for a smile.

    python -m benchmarks.faces.parts

The 43 faces of `faces_landmarks`, most of them 35 to 45 pixels wide. A part is right when the centre of its region lies within
20 % of the true eye distance of the true centre: the centre of gravity of the hull of landmarks 36–41 and 42–47 (eyes), 27–35
(nose), 48–59 (lips). Faces are laid on the portrait template by the true eyes, or as the detectors find them; a find belongs to
the face that it overlaps by IoU 0.3 or more, and faces that a detector does not find are not in its figures. No constant was fitted
on these pictures: the typical face is FairFace's, the cascades' constants are from every other picture of CelebA. Smiles: the other
half of CelebA, against its attribute.
"""

from __future__ import annotations

import csv
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, record
from whylight.faces.align import PORTRAIT, crop, to_crop
from whylight.faces.detect import detector
from whylight.faces.facemesh import FaceMesh
from whylight.faces.features.outlines import middle
from whylight.faces.features.partcascades import PartCascades
from whylight.faces.parts import parts_of
from whylight.faces.types import Detector, Face, FaceCrop, FacePart, Point
from whylight.localize import Box, overlap

NEAR = 0.2  # of the eye distance
SAME = 0.3  # IoU of a find and the face it belongs to
LANDMARKS = {"right_eye": (36, 42), "left_eye": (42, 48), "nose": (27, 36), "mouth": (48, 60)}
GROUPS = {"eyes": ("right_eye", "left_eye"), "nose": ("nose",), "mouth": ("mouth",)}
SMILES = 600  # pictures

Divide = Callable[[FaceCrop], dict[str, FacePart]]


class Known(NamedTuple):
    """A face with its landmarks (68, 2) in pixels of the picture."""

    picture: Image.Image
    box: tuple[int, int, int, int]
    landmarks: NDArray[np.float64]

    def eye(self, name: str) -> Point:
        return Point(*self.landmarks[slice(*LANDMARKS[name])].mean(0).tolist())


def known() -> list[list[Known]]:
    """The faces, picture by picture."""
    marked = json.loads((DATA / "faces_landmarks" / "landmarks68.json").read_text())
    pictures = []
    for name, faces in marked.items():
        picture = Image.open(DATA / "faces_landmarks" / name).convert("RGB")
        # A landmark is the number of a pixel, whose centre lies half a pixel further.
        pictures.append([Known(picture, tuple(one["box"]), np.array(one["landmarks"]) + 0.5) for one in faces])
    return pictures


def by_true_eyes(pictures: list[list[Known]]) -> Iterator[tuple[Known, FaceCrop]]:
    for one in (face for faces in pictures for face in faces):
        eyes = {name: one.eye(name) for name in ("right_eye", "left_eye")}
        yield one, crop(one.picture, Face(Box(*one.box, 1.0), "true", "true", eyes), PORTRAIT)


def by_detector(pictures: list[list[Known]], find: Detector) -> Iterator[tuple[Known, FaceCrop]]:
    """Each face that is found, with the crop of the find that overlaps it most."""
    for faces in pictures:
        finds = find.find(faces[0].picture)
        for one in faces:
            best = max(finds, key=lambda face: overlap(face.box, one.box), default=None)
            if best is not None and overlap(best.box, one.box) >= SAME:
                finds.remove(best)
                yield one, crop(one.picture, best, PORTRAIT)


def off(one: Known, made: FaceCrop, parts: dict[str, FacePart]) -> dict[str, float]:
    """How far each part's centre is from the true one, in true eye distances."""
    points = to_crop(made, one.landmarks)
    right, left = to_crop(made, [one.eye("right_eye"), one.eye("left_eye")])
    unit = float(np.linalg.norm(left - right))
    away = {}
    for name, span in LANDMARKS.items():
        hull = cv2.convexHull(points[slice(*span)].astype(np.float32))[:, 0].astype(np.float64)
        true = middle(hull)
        away[name] = float(np.linalg.norm(np.subtract(parts[name].centre, true)) / unit) if name in parts else np.inf
    return away


def figures(
    where: str, crops: list[tuple[Known, FaceCrop]], divide: Divide, source: str, goal: float | None
) -> list[Row]:
    away, told = [], []
    for one, made in crops:
        parts = divide(made)
        away.append(off(one, made, parts))
        told += [parts[name].source != "geometry" for name in LANDMARKS if name in parts]
    rows = []
    for group, names in GROUPS.items():
        values = [row[name] for row in away for name in names]
        right = sum(value <= NEAR for value in values)
        note = f"{right} of {len(values)}; median {statistics.median(values):.3f} eye distances"
        rows.append(Row(f"{group}, {source}, {where}", 100 * right / len(values), "%", goal, "higher", note))
    share = 100 * statistics.mean(told)
    if "cascades" in source:
        rows.append(Row(f"parts that a cascade told, {source}, {where}", share, "%", better="higher"))
    return rows


def smiles(cascades: PartCascades, find: Detector) -> list[Row]:
    with (DATA / "celeba" / "attributes.csv").open(newline="") as file:
        true = {row["file"]: row["Smiling"] == "1" for row in csv.DictReader(file)}
    named, smiling = [], []
    for path in sorted((DATA / "celeba" / "images").glob("*.jpg"))[1::2][:SMILES]:
        picture = Image.open(path).convert("RGB")
        faces = find.find(picture)
        if faces:
            named.append("smile" in parts_of(crop(picture, faces[0], PORTRAIT), cascades=cascades))
            smiling.append(true[path.name])
    both = sum(a and b for a, b in zip(named, smiling, strict=True))
    counts = f"{sum(smiling)} of {len(smiling)} people smile"
    return [
        Row(
            "smiles among the mouths that the cascade calls so",
            100 * both / sum(named),
            "%",
            better="higher",
            note=counts,
        ),
        Row("smiles that the cascade finds", 100 * both / sum(smiling), "%", better="higher"),
    ]


def milliseconds(crops: list[tuple[Known, FaceCrop]], divide: Divide) -> float:
    times = []
    for _, made in crops:
        start = time.perf_counter()
        divide(made)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    torch.set_num_threads(1)  # FaceMesh is small: more threads only wait for each other
    mesh, cascades = FaceMesh.load(DATA / "weights" / "facemesh.pth"), PartCascades(DATA / "cascades")
    haar = detector("haar")
    yunet = detector("yunet", weights=DATA / "weights" / "yunet_n_320.onnx")
    pictures = known()
    placed: dict[str, list[tuple[Known, FaceCrop]]] = {
        "true eyes": [*by_true_eyes(pictures)],
        "found by haar": [*by_detector(pictures, haar)],
        "found by yunet": [*by_detector(pictures, yunet)],
    }

    def only_eyes(made: FaceCrop) -> FaceCrop:
        """Without the other points that the detector may tell."""
        eyes = {name: point for name, point in made.face.points.items() if name.endswith("eye")}
        return replace(made, face=replace(made.face, points=eyes))

    ways: dict[str, tuple[Divide, float | None]] = {
        "FaceMesh": (lambda made: parts_of(made, mesh=mesh, source="landmarks"), 90.0),
        "cascades with nose and mouth": (
            lambda made: parts_of(only_eyes(made), source="haar", cascades=cascades),
            90.0,
        ),
        "cascades of OpenCV": (lambda made: parts_of(only_eyes(made), source="haar"), None),
        "geometry": (lambda made: parts_of(made, source="geometry"), 80.0),
    }
    five: dict[str, tuple[Divide, float | None]] = {
        "five points": (lambda made: parts_of(made, source="landmarks"), 80.0),
        "five points and all cascades": (lambda made: parts_of(made, cascades=cascades), 90.0),
    }
    rows: list[Row] = []
    for where, crops in placed.items():
        print(f"{where}: {len(crops)} faces", flush=True)
        for source, (divide, goal) in (ways | (five if where == "found by yunet" else {})).items():
            rows += figures(f"{where}, {len(crops)} faces", crops, divide, source, goal)
    for source, (divide, _) in ways.items():
        rows.append(Row(f"time of one crop, {source}", milliseconds(placed["true eyes"], divide), "ms"))
    rows += smiles(cascades, haar)
    about = " ".join((__doc__ or "").split("\n\n")[2].split()) + " One thread."
    record("faces/parts", "Parts of the face", rows, about=about)


if __name__ == "__main__":
    main()
