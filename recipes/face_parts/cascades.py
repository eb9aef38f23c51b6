"""What `faces.features.partcascades` asks of each cascade: where the part lies in a find, how wide finds are, how many votes.

    python recipes/face_parts/cascades.py           # prints what each number of votes finds and how far off it is

Pictures: every other one of CelebA's under WHYLIGHT_DATA; the others are for `benchmarks/faces/parts.py`. Faces are found by
YuNet and laid on `PORTRAIT` by their eyes; the true places are FaceMesh's, a smile is what CelebA's attribute calls one.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from whylight.faces.align import PORTRAIT, crop
from whylight.faces.detect import detector
from whylight.faces.facemesh import FaceMesh
from whylight.faces.features.geometry import Frame, by_eyes
from whylight.faces.features.outlines import middle, outlines
from whylight.faces.features.partcascades import FEATURES, SMILE, PartCascades

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("WHYLIGHT_DATA", ROOT / ".." / "shared" / "data")).resolve()
PICTURES = 400
VOTES = (1, 3, 5, 8, 12, 20, 30, 45, 60, 75, 90)


def main() -> None:
    mesh = FaceMesh.load(DATA / "weights" / "facemesh.pth")
    find = detector("yunet", weights=DATA / "weights" / "yunet_n_320.onnx").find
    cascades = PartCascades(DATA / "cascades")
    features = {name: feature._replace(votes=1) for name, feature in (*FEATURES.items(), ("smile", SMILE))}
    with (DATA / "celeba" / "attributes.csv").open(newline="") as file:
        smiles = {row["file"]: row["Smiling"] == "1" for row in csv.DictReader(file)}
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)  # votes, corners of the find, true and typical place
    for path in sorted((DATA / "celeba" / "images").glob("*.jpg"))[::2][:PICTURES]:
        picture = Image.open(path).convert("RGB")
        faces = find(picture, largest=True)
        if not faces or faces[0].eyes is None:
            continue
        right, left = faces[0].eyes
        made = crop(picture, replace(faces[0], points={"right_eye": right, "left_eye": left}), PORTRAIT)
        seen = mesh.landmarks(made)
        if seen.confidence < 0.9:
            continue
        frame, grey = Frame.of(*made.eyes), np.asarray(made.picture.convert("L"))
        true, typical = outlines(seen.points[:, :2]), outlines(by_eyes(frame))
        for name, feature in features.items():
            part = "mouth" if name == "smile" else name
            here = frame.to_face(np.array([middle(true[part]), middle(typical[part])]))
            finds = cascades._look(grey, frame, feature, middle(typical[part]))
            best = max(finds, key=lambda one: one.votes, default=None)
            corners = frame.to_face(best.corners) if best else np.full((4, 2), np.nan)
            votes = best.votes if best else 0
            rows[name].append((votes, *corners.min(0), *corners.max(0), *here.ravel(), smiles[path.name]))
    for name, values in rows.items():
        show(name, np.array(values, float))


def show(name: str, rows: np.ndarray) -> None:
    votes, low, high, true, typical, smiling = (
        rows[:, 0],
        rows[:, 1:3],
        rows[:, 3:5],
        rows[:, 5:7],
        rows[:, 7:9],
        rows[:, 9],
    )
    inside = np.nanmedian(((true - low) / (high - low))[votes >= 5], axis=0)
    width = np.nanquantile((high - low)[votes >= 5, 0], (0.05, 0.5, 0.95))
    usual = np.linalg.norm(typical - true, axis=1)
    print(f"{name}: lies at {inside.round(2).tolist()} of a find; widths {width.round(2).tolist()} (5, 50, 95 %)")
    for least in VOTES:
        found = votes >= least
        off = np.linalg.norm((low + inside * (high - low) - true)[found], axis=1)
        line = (
            f"  {least:3} votes: found in {found.mean():.2f}, off by {np.median(off):.3f}, > 0.2 in {(off > 0.2).mean():.3f}"
            f" (geometry in the same: {(usual[found] > 0.2).mean():.3f})"
        )
        if name == "smile":
            line += f"; {smiling[found].mean():.2f} of them smile, {found[smiling == 1].mean():.2f} of the smiles"
        print(line)


if __name__ == "__main__":
    main()
