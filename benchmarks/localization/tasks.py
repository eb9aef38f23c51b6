"""What `supervised.py` compares on: pictures with boxes, and the runs that were taught by boxes or by labels."""

from __future__ import annotations

import csv
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.places import DATA, ROOT
from whylight.train import TrainConfig, train

sys.path[:0] = [str(ROOT / "recipes"), str(ROOT / "recipes" / "face")]
import layout  # noqa: E402
import prepare  # noqa: E402 - the face model's own split

ARCH = "torchvision/mobilenet_v2"

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Task:
    """Pictures with boxes: which are trained on, which tell; and the classes' names."""

    name: str
    train: list[Path]
    val: list[Path]
    test: list[Path]
    boxes: dict[Path, list[Rectangle]]
    label: str
    background: str
    negatives: dict[str, list[Path]]  # pictures without the object, by split


def drawn(folder: Path) -> dict[Path, list[Rectangle]]:
    """All boxes of an annotation file, by picture."""
    found: dict[Path, list[Rectangle]] = defaultdict(list)
    with (folder / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            x0, y0, x1, y1 = (float(row[key]) for key in ("x0", "y0", "x1", "y1"))
            found[folder / row["file"]].append((x0, y0, x1, y1))
    return found


def without_people() -> list[Path]:
    """COCO's pictures without a person."""
    with (DATA / "coco128" / "boxes.csv").open(newline="") as file:
        people = {row["file"] for row in csv.DictReader(file) if row["label"] == "person"}
    return [path for path in sorted((DATA / "coco128" / "images").iterdir()) if f"images/{path.name}" not in people]


def walkers() -> Task:
    boxes = drawn(DATA / "pennfudan")
    pictures = sorted(boxes)
    test = pictures[2::3]
    learnt = [path for path in pictures if path not in test]
    coco = without_people()
    negatives = {"train": coco[::2], "val": coco[1::8]}
    return Task("Penn-Fudan", learnt, [], test, boxes, "person", "no person", negatives)


def faces() -> Task:
    boxes = drawn(DATA / "faces_multi")
    left_out = layout.remarks(prepare.HERE / "excluded.txt")
    by_split: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for picture in prepare.pictures():
        if f"{picture.source}/{picture.path.name}" not in left_out:
            by_split[picture.source, layout.split_of(picture, prepare.SHARES)].append(picture.path)
    parts = {part: [p for p in by_split["faces_multi", part] if p in boxes] for part in ("train", "val", "test")}
    negatives = {part: by_split["coco128", part] for part in ("train", "val")}
    return Task("Faces", parts["train"], parts["val"], parts["test"], boxes, "face", "no face", negatives)


def link(paths: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        target = folder / f"{path.parent.parent.name}-{path.name}"
        if not target.exists():
            target.symlink_to(path)


def lay_out(task: Task, folder: Path) -> Path:
    """The training pictures and a file of their boxes, as `whylight train --boxes` takes them."""
    val = task.val or task.train[::6]
    parts = {"train": [path for path in task.train if path not in val], "val": val}
    lines = ["file,label,x0,y0,x1,y1"]
    for part, paths in parts.items():
        link([*paths, *task.negatives[part]], folder / part)
        for path in paths:
            name = f"{part}/{path.parent.parent.name}-{path.name}"
            lines += [f"{name},{task.label}," + ",".join(f"{value:g}" for value in box) for box in task.boxes[path]]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return folder


def taught_by_boxes(task: Task, weights: Path, size: int, epochs: int, batch: int, lr: float, scratch: Path) -> Path:
    """Train with boxes, unless that was done before; return the run's folder."""
    run = scratch / f"{task.label}-boxes"
    if not (run / "model.safetensors").exists():
        data = lay_out(task, scratch / f"{task.label}-pictures")
        config = TrainConfig(
            data=str(data), boxes=str(data / "boxes.csv"), background=task.background, out=str(run), arch=ARCH,
            weights=str(weights), fold_bn=True, size=size, output_stride=16, unfreeze=8, epochs=epochs, batch=batch,
            lr=lr, weight_decay=0.02, rotate=3, shear=0, zoom=0.35, shift=0.12, colour=0.35, grey=0.1, blur=0.1, seed=1,
        )  # fmt: skip
        timed(config)
    return run


def taught_by_labels(task: Task, weights: Path, size: int, scratch: Path) -> Path:
    """Train the classifier of walkers on labels alone, unless that was done before; return the run's folder."""
    run = scratch / f"{task.label}-labels"
    if not (run / "model.safetensors").exists():
        data = scratch / f"{task.label}-classes"
        crops = {name: sorted((DATA / "inria" / name).iterdir()) for name in ("positive", "negative")}
        val = task.train[::6]
        link([path for path in task.train if path not in val], data / "train" / task.label / "scene")
        link(val, data / "val" / task.label / "scene")
        link(task.negatives["train"], data / "train" / task.background)
        link(task.negatives["val"], data / "val" / task.background)
        for name, label in (("positive", task.label), ("negative", task.background)):
            link([p for k, p in enumerate(crops[name]) if k % 8], data / "train" / label / "crop")
            link(crops[name][::8], data / "val" / label / "crop")
        config = TrainConfig(
            data=str(data), out=str(run), arch=ARCH, weights=str(weights), fold_bn=True, size=size, output_stride=16,
            unfreeze=8, epochs=4, batch=16, lr=3e-4, weight_decay=0.02, rotate=5, zoom=0.25, colour=0.35, grey=0.15,
            background=task.background, local=1.0, paste=0.5, repeat=((f"{task.label}/scene/*", 3),),
            centre_head=True, calibrate=True, seed=1,
        )  # fmt: skip
        timed(config)
    return run


def timed(config: TrainConfig) -> None:
    start = time.perf_counter()
    result = train(config, progress=True)
    print(f"  {Path(config.out).name}: {time.perf_counter() - start:.0f} s; {result.scores['val']}", flush=True)
