"""Labelled pictures on disk: a folder for each class, split as it comes or as it is cut here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from whylight.errors import DataError
from whylight.images import SUFFIXES

SPLITS = ("train", "val", "test")
SPLIT_LIKE = frozenset({*SPLITS, "training", "valid", "validation", "testing"})  # never the name of a class


class Item(NamedTuple):
    """One picture: where it is, its class number, its name `CLASS/…` for patterns and messages, and boxes where it has some.

    A box is (class number, x0, y0, x1, y1), half-open, in pixels of the picture.
    """

    path: Path
    label: int
    name: str
    boxes: tuple[tuple[float, ...], ...] = ()


class Flip(NamedTuple):
    """A training picture whose label was changed: its name, its class number before and after."""

    name: str
    was: int
    now: int


@dataclass(frozen=True)
class Data:
    """Pictures by split. `given` says whether the tree came with its own split, `flips` whose training labels were changed."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, list[Item]]
    given: bool
    flips: tuple[Flip, ...] = ()

    def counts(self, split: str) -> list[int]:
        """How many pictures each class has in a split."""
        labels = [item.label for item in self.splits[split]]
        return [labels.count(label) for label in range(len(self.classes))]

    def fingerprint(self, marks: dict[Path, str]) -> str:
        """A hash of all names, contents (`check`'s marks) and boxes: tells whether the data changed since a run began."""
        lines = [
            f"{s} {i.name} {marks[i.path]}" + (f" {i.boxes}" if i.boxes else "")
            for s, items in self.splits.items()
            for i in items
        ]
        return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def find(root: str | os.PathLike[str]) -> Data:
    """List an image-folder tree, its split included if it has one.

    Raises:
        DataError: the folder is missing or laid out in no known way.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    folders = _folders(root)
    given = "train" in folders
    if given and "val" not in folders:
        raise DataError(
            f"{root}: has train/ but no val/. Add val/, or put the classes at the top and let them be split"
        )
    if given and (others := [name for name in folders if name not in SPLITS]):
        raise DataError(
            f"{root}: has train/ and val/, and beside them {', '.join(others)}: move these away or into a split"
        )
    if not folders:
        raise DataError(
            f"{root}: expected one folder for each class (or train/ and val/ with such folders), found none"
        )
    present = [split for split in SPLITS if split in folders] if given else ["train"]
    roots = {split: root / split if given else root for split in present}
    classes = tuple(sorted({name for where in roots.values() for name in _folders(where)}))
    if wrong := [name for name in classes if name.lower() in SPLIT_LIKE]:
        raise DataError(
            f"{root}: {', '.join(wrong)} would be taken for classes. A tree with its own split has train/ and val/, and "
            "test/ if you like, each with a folder for each class: rename the folders so. Without a split, the folders of "
            "the classes lie at the top"
        )
    return Data(root, classes, {split: list(_items(where, classes)) for split, where in roots.items()}, given)


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _items(root: Path, classes: tuple[str, ...]) -> Iterator[Item]:
    for label, name in enumerate(classes):
        for folder, below, files in os.walk(root / name, followlinks=True):
            below.sort()
            for file in sorted(files):
                path = Path(folder, file)
                if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                    yield Item(path, label, path.relative_to(root).as_posix())


def split(data: Data, groups: dict[Path, str], val_share: float, test_share: float, seed: int) -> Data:
    """Cut one tree into train, val and (if asked) test: stratified by class, equal pictures kept together.

    Args:
        data: a tree without a split of its own.
        groups: for each picture a mark that equal pictures share (a hash of its content).
        val_share, test_share: shares of each class.
        seed: decides which pictures go where.
    """
    parts: dict[str, list[Item]] = {"train": [], "val": [], **({"test": []} if test_share else {})}
    for label in range(len(data.classes)):
        items = [item for item in data.splits["train"] if item.label == label]
        marks = sorted(
            {groups[item.path] for item in items},
            key=lambda m: hashlib.sha256(f"{seed}/{m}".encode(errors="surrogateescape")).digest(),
        )
        if len(marks) < 2 + bool(test_share):
            raise DataError(f"{data.root}/{data.classes[label]}: {len(marks)} different pictures are too few to split")
        n_val = max(1, round(len(marks) * val_share))
        n_test = max(1, round(len(marks) * test_share)) if test_share else 0
        if n_val + n_test >= len(marks):
            raise DataError(f"val_share {val_share} and test_share {test_share} leave nothing to train on")
        side = {m: "val" if i < n_val else "test" if i < n_val + n_test else "train" for i, m in enumerate(marks)}
        for item in items:
            parts[side[groups[item.path]]].append(item)
    return Data(data.root, data.classes, parts, given=False)
