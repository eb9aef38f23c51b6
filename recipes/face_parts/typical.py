"""The typical face of `faces.features.typical`: where FaceMesh's landmarks lie in adults who look straight into the camera.

    python recipes/face_parts/typical.py            # prints the table, and where YuNet has its five points

Pictures: FairFace's under WHYLIGHT_DATA. Faces are found by YuNet and laid on `PORTRAIT` by their eyes alone. Kept are adults on
whom FaceMesh is sure, whose nose tip is within 0.1 eye distances of the middle, and for whom both networks have the nose in the
same place. The table holds medians, and the mean of each landmark and its mirror image.
"""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.faces.align import PORTRAIT, crop, to_crop
from whylight.faces.detect import detector
from whylight.faces.facemesh import FaceMesh
from whylight.faces.features.geometry import FIVE, Frame
from whylight.faces.features.typical import MIRROR

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("WHYLIGHT_DATA", ROOT / ".." / "shared" / "data")).resolve()
MINORS = {"0-2", "3-9", "10-19"}
NOSE_TIP = 1


def main() -> None:
    mesh = FaceMesh.load(DATA / "weights" / "facemesh.pth")
    find = detector("yunet", weights=DATA / "weights" / "yunet_n_320.onnx").find
    with (DATA / "fairface" / "labels.csv").open(newline="") as file:
        adults = [row["file"] for row in csv.DictReader(file) if row["age"] not in MINORS]
    kept: list[NDArray[np.float64]] = []
    five: list[NDArray[np.float64]] = []
    for name in sorted(adults):
        picture = Image.open(DATA / "fairface" / name).convert("RGB")
        faces = find(picture)
        if not faces or not {*FIVE} <= {*faces[0].points}:
            continue
        points = faces[0].points
        eyes = {name: points[name] for name in ("right_eye", "left_eye")}
        made = crop(picture, replace(faces[0], points=eyes), PORTRAIT)
        found = mesh.landmarks(made)
        frame = Frame.of(*found.eyes)
        face = frame.to_face(found.points[:, :2])
        told = frame.to_face(to_crop(made, [points[name] for name in FIVE]))
        same = float(np.abs(face[NOSE_TIP] - told[[*FIVE].index("nose")]).max()) < 0.3
        if found.confidence > 0.9 and abs(face[NOSE_TIP, 0]) < 0.1 and same:
            kept.append(face)
            five.append(told)
    middle = np.median(kept, axis=0)
    print(f"# {len(kept)} of {len(adults)} adults")
    rows = []
    for right, left in MIRROR.items():
        if middle[right, 0] <= middle[left, 0]:
            x, y = (middle[right] * (1, 1) + middle[left] * (-1, 1)) / 2
            rows.append(f"({right}, {left}, {0.0 if right == left else x:.2f}, {y:.2f}),")
    for i in range(0, len(rows), 4):
        print("    " + " ".join(rows[i : i + 4]))
    for name, (x, y) in zip(FIVE, np.median(five, axis=0), strict=True):
        print(f'    "{name}": ({x:.2f}, {y:.2f}),')


if __name__ == "__main__":
    main()
