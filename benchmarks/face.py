"""How good a face model is, and where it looks: accuracy, false faces, pointing, calibration.

    python recipes/face/prepare.py out/face-data                     # once: makes the held-out split
    python benchmarks/face.py face --data out/face-data [--split test] [--method cam] [--json OUT]

Accuracy and calibration are over all pictures of the split. Pointing is over its `faces_multi` pictures with a face of at
least 40 pixels (longer side of the box): the highest point of the map, laid over the original picture (bilinear, half-pixel
centres), must lie in the box of any face, grown by 15 pixels. Boxes are used here and nowhere else.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

import whylight
from whylight.train.evaluate import expected_calibration_error

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("WHYLIGHT_DATA", ROOT / ".." / "shared" / "data")).resolve()
TOLERANCE = 15
SMALLEST = 40


class Box(NamedTuple):
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def side(self) -> float:
        return max(self.x1 - self.x0, self.y1 - self.y0)

    def holds(self, x: float, y: float, grown: float) -> bool:
        return self.x0 - grown <= x < self.x1 + grown and self.y0 - grown <= y < self.y1 + grown


class Seen(NamedTuple):
    """What the model made of one picture."""

    path: Path
    is_face: bool
    probability: float  # of a face
    peak: tuple[int, int] | None  # (x, y) of the placed map's maximum, None where it is blank

    @property
    def source(self) -> str:
        return self.path.name.split("-")[0]

    @property
    def right(self) -> bool:
        return (self.probability > 0.5) == self.is_face


def boxes() -> dict[str, list[Box]]:
    result: dict[str, list[Box]] = defaultdict(list)
    with (DATA / "faces_multi" / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            result[Path(row["file"]).name].append(Box(*(float(row[key]) for key in ("x0", "y0", "x1", "y1"))))
    return result


def look(model: whylight.Model, folder: Path, method: str) -> list[Seen]:
    """Explain every picture of a split."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = []
    for path, (explanation,) in zip(
        paths, whylight.explain_each(model, paths, method=method, target="face", batch_size=16), strict=True
    ):
        placed = explanation.heatmap()  # (H, W) of the original picture
        y, x = divmod(int(placed.argmax()), placed.shape[1])
        seen.append(
            Seen(
                path,
                path.relative_to(folder).parts[0] == "face",
                explanation.probability or 0.0,
                None if explanation.is_blank else (x, y),
            )
        )
    return seen


def mean(values: list[bool]) -> float:
    return sum(values) / len(values)


def pointing(seen: list[Seen], faces: dict[str, list[Box]]) -> dict[str, Any]:
    hits, missed = [], []
    for one in seen:
        boxes = faces.get(one.path.name.removeprefix("faces_multi-"), []) if one.source == "faces_multi" else []
        if not any(box.side >= SMALLEST for box in boxes):
            continue
        peak = one.peak
        hits.append(peak is not None and any(box.holds(*peak, TOLERANCE) for box in boxes))
        if not hits[-1]:
            missed.append(one.path.name)
    return {"pictures": len(hits), "hits": sum(hits), "share": mean(hits) if hits else None, "missed": missed}


def measure(seen: list[Seen], faces: dict[str, list[Box]]) -> dict[str, Any]:
    positive = [one for one in seen if one.is_face]
    negative = [one for one in seen if not one.is_face]
    sources = sorted({(one.is_face, one.source) for one in seen}, reverse=True)
    p = torch.tensor([one.probability for one in seen], dtype=torch.float64)
    right = torch.tensor([one.right for one in seen])
    recall, silence = mean([one.right for one in positive]), mean([one.right for one in negative])
    return {
        "pictures": {"face": len(positive), "no face": len(negative)},
        "accuracy": mean([one.right for one in seen]),
        "balanced_accuracy": (recall + silence) / 2,
        "recall": recall,
        "false_faces": [one.path.name for one in negative if not one.right],
        "missed_faces": [one.path.name for one in positive if not one.right],
        "by_source": {
            f"{'face' if is_face else 'no face'}: {source}": {
                "pictures": sum(o.source == source and o.is_face == is_face for o in seen),
                "right": mean([o.right for o in seen if o.source == source and o.is_face == is_face]),
            }
            for is_face, source in sources
        },
        "calibration_error": expected_calibration_error(torch.maximum(p, 1 - p), right),
        "pointing": pointing(seen, faces),
    }


def show(figures: dict[str, Any], title: str) -> None:
    counts, point = figures["pictures"], figures["pointing"]
    print(f"{title}: {counts['face']} pictures with a face, {counts['no face']} without")
    print(f"  accuracy           {figures['accuracy']:.2%}")
    print(f"  balanced accuracy  {figures['balanced_accuracy']:.2%}")
    for name, row in figures["by_source"].items():
        print(f"    {name:26} {row['right']:8.2%} of {row['pictures']}")
    print(f"  false faces        {len(figures['false_faces'])} of {counts['no face']}")
    print(f"  calibration error  {figures['calibration_error']:.4f} (expected, 15 bins)")
    if point["pictures"]:
        print(f"  pointing           {point['share']:.1%} ({point['hits']} of {point['pictures']}, {TOLERANCE} px)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="face", help="bundled name, run folder or model file")
    parser.add_argument("--data", type=Path, default=ROOT / "out" / "face-data", help="made by recipes/face/prepare.py")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"])
    parser.add_argument("--method", default="cam")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if not (options.data / options.split).is_dir():
        parser.error(f"{options.data / options.split}: no such folder; make it with recipes/face/prepare.py")
    whylight.tune_allocator()
    seen = look(whylight.load(options.model), options.data / options.split, options.method)
    figures = measure(seen, boxes())
    show(figures, f"{options.model}, {options.method}, {options.split}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
