"""How good a model is that says whether something is there, and where it looks: accuracy, false alarms, pointing, calibration.

    python recipes/person/prepare.py out/person-data                 # once: makes the held-out split
    python -m benchmarks.bundled.presence person [--model RUN] [--data out/person-data] [--split test] [--method cam] [--json OUT]

The same with `face`. Accuracy and calibration are over all pictures of the split. Pointing is over its pictures with boxes
(faces: `faces_multi`, with a face of at least 40 pixels; persons: Penn-Fudan): the highest point of the map, laid over the
original picture (bilinear, half-pixel centres), must lie in any box, grown by 15 pixels. Boxes are used here and nowhere else.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

import whylight
from benchmarks.common.places import DATA, ROOT
from whylight.train.scores import expected_calibration_error

TOLERANCE = 15


class Kind(NamedTuple):
    """What is looked for: the model's class, and the pictures on which its place is known."""

    label: str
    source: str
    smallest: float  # longer side of a box, pixels


KINDS = {"face": Kind("face", "faces_multi", 40), "person": Kind("person", "pennfudan", 0)}


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
    there: bool
    probability: float  # of its being there
    peak: tuple[int, int] | None  # (x, y) of the placed map's maximum, None where it is blank

    @property
    def source(self) -> str:
        return self.path.name.split("-")[0]

    @property
    def right(self) -> bool:
        return (self.probability > 0.5) == self.there


def boxes(kind: Kind) -> dict[str, list[Box]]:
    result: dict[str, list[Box]] = defaultdict(list)
    with (DATA / kind.source / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            result[Path(row["file"]).name].append(Box(*(float(row[key]) for key in ("x0", "y0", "x1", "y1"))))
    return result


def look(model: whylight.Model, folder: Path, method: str, label: str) -> list[Seen]:
    """Explain every picture of a split."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = []
    for path, (explanation,) in zip(
        paths, whylight.explain_each(model, paths, method=method, target=label, batch_size=16), strict=True
    ):
        placed = explanation.heatmap()  # (H, W) of the original picture
        y, x = divmod(int(placed.argmax()), placed.shape[1])
        seen.append(
            Seen(
                path,
                path.relative_to(folder).parts[0] == label,
                explanation.probability or 0.0,
                None if explanation.is_blank else (x, y),
            )
        )
    return seen


def mean(values: list[bool]) -> float:
    return sum(values) / len(values)


def pointing(seen: list[Seen], drawn: dict[str, list[Box]], kind: Kind) -> dict[str, Any]:
    hits, missed = [], []
    for one in seen:
        boxes = drawn.get(one.path.name.removeprefix(f"{kind.source}-"), []) if one.source == kind.source else []
        if not any(box.side >= kind.smallest for box in boxes):
            continue
        peak = one.peak
        hits.append(peak is not None and any(box.holds(*peak, TOLERANCE) for box in boxes))
        if not hits[-1]:
            missed.append(one.path.name)
    return {"pictures": len(hits), "hits": sum(hits), "share": mean(hits) if hits else None, "missed": missed}


def measure(seen: list[Seen], drawn: dict[str, list[Box]], kind: Kind) -> dict[str, Any]:
    positive = [one for one in seen if one.there]
    negative = [one for one in seen if not one.there]
    sources = sorted({(one.there, one.source) for one in seen}, reverse=True)
    p = torch.tensor([one.probability for one in seen], dtype=torch.float64)
    right = torch.tensor([one.right for one in seen])
    recall, silence = mean([one.right for one in positive]), mean([one.right for one in negative])
    return {
        "pictures": {"with": len(positive), "without": len(negative)},
        "accuracy": mean([one.right for one in seen]),
        "balanced_accuracy": (recall + silence) / 2,
        "recall": recall,
        "false_alarms": [one.path.name for one in negative if not one.right],
        "missed": [one.path.name for one in positive if not one.right],
        "by_source": {
            f"{'with' if there else 'without'}: {source}": {
                "pictures": sum(o.source == source and o.there == there for o in seen),
                "right": mean([o.right for o in seen if o.source == source and o.there == there]),
            }
            for there, source in sources
        },
        "calibration_error": expected_calibration_error(torch.maximum(p, 1 - p), right),
        "pointing": pointing(seen, drawn, kind),
    }


def show(figures: dict[str, Any], title: str) -> None:
    counts, point = figures["pictures"], figures["pointing"]
    print(f"{title}: {counts['with']} pictures with one, {counts['without']} without")
    print(f"  accuracy           {figures['accuracy']:.2%}")
    print(f"  balanced accuracy  {figures['balanced_accuracy']:.2%}")
    for name, row in figures["by_source"].items():
        print(f"    {name:26} {row['right']:8.2%} of {row['pictures']}")
    print(f"  false alarms       {len(figures['false_alarms'])} of {counts['without']}")
    print(f"  calibration error  {figures['calibration_error']:.4f} (expected, 15 bins)")
    if point["pictures"]:
        print(f"  pointing           {point['share']:.1%} ({point['hits']} of {point['pictures']}, {TOLERANCE} px)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS, help="what is looked for")
    parser.add_argument("--model", help="bundled name, run folder or model file; default: the bundled model")
    parser.add_argument("--data", type=Path, help="made by recipes/KIND/prepare.py; default: out/KIND-data")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"])
    parser.add_argument("--method", default="cam")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    kind, name = KINDS[options.kind], options.model or options.kind
    folder = (options.data or ROOT / "out" / f"{options.kind}-data") / options.split
    if not folder.is_dir():
        parser.error(f"{folder}: no such folder; make it with recipes/{options.kind}/prepare.py")
    whylight.tune_allocator()
    seen = look(whylight.load(name), folder, options.method, kind.label)
    figures = measure(seen, boxes(kind), kind)
    show(figures, f"{name}, {options.method}, {options.split}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
