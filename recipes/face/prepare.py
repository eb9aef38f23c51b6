"""Lay out the pictures of the bundled `face` model as an image folder: train/ val/ test/, each with `face` and `no face`.

    python recipes/face/prepare.py OUT            # reads $WHYLIGHT_DATA, default ../shared/data
    python recipes/face/prepare.py OUT --check    # also scan every negative with the YuNet detector, print doubtful ones

Pictures are symbolic links named SOURCE-NAME, so that results can be reported by source. The split is a hash of the
source and the person or picture, never of chance: the same on every machine. Close-ups (one face fills the
picture) and scenes lie in subfolders of `face`, which the recipe's paste augmentation tells apart.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("WHYLIGHT_DATA", HERE.parents[1] / ".." / "shared" / "data")).resolve()


class Picture(NamedTuple):
    path: Path
    source: str
    label: str  # folder below the split: "face/closeup", "face/scene", "no face"
    group: str  # pictures of one group (a person, near-duplicates) stay on one side of the split


# Share of each source that goes to (train, val); the rest is test. Close-ups are plentiful and easy: few are trained on.
SHARES: dict[str, tuple[float, float]] = {
    "celeba": (0.45, 0.08),
    "fairface": (0.60, 0.10),
    "celeb5": (0.60, 0.10),
    "orl": (0.50, 0.10),
    "faces_multi": (0.62, 0.13),
    "faces_landmarks": (0.60, 0.0),
    "imagenet10": (0.72, 0.10),
    "objects_ccby": (0.60, 0.12),
    "coco128": (0.50, 0.12),
    "inria": (0.60, 0.10),
}


def position(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def split_of(picture: Picture) -> str:
    train, val = SHARES[picture.source]
    where = position(f"{picture.source}/{picture.group}")
    return "train" if where < train else "val" if where < train + val else "test"


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def listing(folder: str, pattern: str, source: str, label: str, group: Callable[[Path], str]) -> Iterator[Picture]:
    for path in sorted((DATA / folder).glob(pattern)):
        yield Picture(path, source, label, group(path))


def stem(path: Path) -> str:
    return path.stem


def parent(path: Path) -> str:
    return path.parent.name


def pictures() -> Iterator[Picture]:
    """Every picture that may be used, before the exclusions."""
    identity = {row["file"]: row["identity"] for row in rows(DATA / "celeba" / "identities.csv")}
    near = {name: lines[0] for lines in near_duplicates() for name in lines}
    with_person = {row["file"] for row in rows(DATA / "coco128" / "boxes.csv") if row["label"] == "person"}

    yield from listing("celeba/images", "*.jpg", "celeba", "face/closeup", lambda path: identity[path.name])
    yield from listing("fairface/images", "*.jpg", "fairface", "face/closeup", stem)
    yield from listing("celeb5", "*/*/*", "celeb5", "face/closeup", stem)
    yield from listing("orl", "*/*.pgm", "orl", "face/closeup", parent)
    yield from listing("faces_multi/images", "*.jpg", "faces_multi", "face/scene", lambda p: near.get(p.stem, p.stem))
    yield from listing("faces_landmarks", "*.jpg", "faces_landmarks", "face/scene", stem)
    yield from listing("imagenet10", "*/*/*.JPEG", "imagenet10", "no face", stem)
    yield from listing("objects_ccby/images", "*.jpg", "objects_ccby", "no face", stem)
    yield from listing("inria/negative", "*.jpg", "inria", "no face", lambda path: path.stem.rstrip("ab"))
    for picture in listing("coco128/images", "*.jpg", "coco128", "no face", stem):
        if f"images/{picture.path.name}" not in with_person:
            yield picture


def near_duplicates() -> list[list[str]]:
    """Groups of faces_multi pictures that show the same photograph, found by difference hash and checked by eye."""
    path = HERE / "near_duplicates.txt"
    return [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]


def exclusions() -> dict[str, str]:
    """Pictures left out, with the reason: "source/name<TAB>reason" a line."""
    lines = (HERE / "excluded.txt").read_text().splitlines()
    pairs = [line.split("\t", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {pair[0]: pair[1] for pair in pairs}


def name_of(picture: Picture) -> str:
    path = picture.path
    name = f"{path.parent.name}-{path.name}" if picture.source in ("orl", "celeb5") else path.name
    return f"{picture.source}-{name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true", help="scan the negatives with YuNet and print doubtful ones")
    options = parser.parse_args()

    left_out = exclusions()
    kept = [picture for picture in pictures() if f"{picture.source}/{picture.path.name}" not in left_out]
    counts: Counter[str] = Counter()
    for picture in kept:
        split = split_of(picture)
        link = options.out / split / picture.label / name_of(picture)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(picture.path)
        counts[f"{split:6}{picture.label:14}{picture.source}"] += 1
    for line, count in sorted(counts.items()):
        print(f"{line:36}{count:6}")
    if options.check:
        import yunet

        yunet.report([p.path for p in kept if p.label == "no face"], DATA / "weights" / "yunet_n_320.onnx")


if __name__ == "__main__":
    main()
