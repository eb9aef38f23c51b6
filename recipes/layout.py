"""What the recipes share: pictures by source, split by a hash of who or what they show, laid out as an image folder of links."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

DATA = Path(os.environ.get("WHYLIGHT_DATA", Path(__file__).resolve().parents[1] / ".." / "shared" / "data")).resolve()
Shares = Mapping[str, tuple[float, float]]  # of each source, what goes to (train, val); the rest is test


class Picture(NamedTuple):
    path: Path
    source: str
    label: str  # folder below the split: "face/closeup", "face/scene", "no face"
    group: str  # pictures of one group (a person, near-duplicates) stay on one side of the split


def position(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def split_of(picture: Picture, shares: Shares) -> str:
    train, val = shares[picture.source]
    where = position(f"{picture.source}/{picture.group}")
    return "train" if where < train else "val" if where < train + val else "test"


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def listing(folder: str, pattern: str, source: str, label: str, group: Callable[[Path], str]) -> Iterator[Picture]:
    for path in sorted((DATA / folder).glob(pattern)):
        yield Picture(path, source, label, group(path))


def remarks(path: Path) -> dict[str, str]:
    """A list of pictures with a word on each: "source/name<TAB>word" a line."""
    lines = path.read_text().splitlines()
    pairs = [line.split("\t", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {pair[0]: pair[1] for pair in pairs}


def near_duplicates() -> dict[str, str]:
    """For each of faces_multi's pictures that show the same photograph, one name for all of them.

    They were found by difference hash and checked by eye.
    """
    text = (Path(__file__).parent / "face" / "near_duplicates.txt").read_text()
    groups = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: names[0] for names in groups for name in names}


def stem(path: Path) -> str:
    return path.stem


def parent(path: Path) -> str:
    return path.parent.name


def name_of(picture: Picture) -> str:
    path = picture.path
    name = f"{path.parent.name}-{path.name}" if picture.source in ("orl", "celeb5") else path.name
    return f"{picture.source}-{name}"


def lay_out(pictures: Iterable[Picture], shares: Shares, out: Path) -> None:
    """Make the links SPLIT/LABEL/SOURCE-NAME, and print how many of each there are."""
    counts: Counter[str] = Counter()
    for picture in pictures:
        split = split_of(picture, shares)
        link = out / split / picture.label / name_of(picture)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(picture.path)
        counts[f"{split:6}{picture.label:18}{picture.source}"] += 1
    for line, count in sorted(counts.items()):
        print(f"{line:40}{count:6}")
