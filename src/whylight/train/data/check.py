"""Look at every picture before the first epoch, and name everything that is wrong, all at once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whylight.errors import DataError, ImageError
from whylight.images import decode
from whylight.train.data.folders import Data, Item

SHOWN = 10  # problems of one kind that are spelled out
UNEVEN = 3.0  # the largest class over the smallest, from which on it is worth a word


def check(data: Data, *, boxes: bool = False, step: Callable[[], None] = lambda: None) -> dict[Path, str]:
    """Check that a tree can be trained on.

    Args:
        data: the tree.
        boxes: the pictures have boxes: one class will do, and a class may have boxes without a picture of its own.
        step: called after each picture, for a progress bar.

    Returns:
        For each picture a hash of its decoded pixels, which equal pictures share whatever their file format.

    Raises:
        DataError: with every problem: fewer than two classes, empty classes, unreadable pictures, the same picture in two
            splits, or under two classes.
    """
    problems: list[str] = []
    if len(data.classes) < 2 and not boxes:
        names = ", ".join(data.classes) or "none"
        problems.append(f"at least two classes are needed, and there is {names} only: one folder for each class")
    for split in () if boxes else data.splits:
        where = f"{split}/" if data.given else ""
        if not data.splits[split]:
            problems.append(f"{where or data.root}: no pictures")
        else:  # what is measured on may lack a class that is trained; see `lacking`
            untrained = _absent(data, "train")
            problems += [
                f"{where}{name}: no pictures in this class" for name in _absent(data, split) if name in untrained
            ]

    marks, faults = _marks([item for items in data.splits.values() for item in items], step)
    problems += _some("unreadable", faults)
    places: dict[str, list[tuple[str, Item]]] = defaultdict(list)
    for split, items in data.splits.items():
        for item in items:
            if item.path in marks:
                places[marks[item.path]].append((split, item))
    prefix = {split: f"{split}/" if data.given else "" for split in data.splits}
    twins = [group for group in places.values() if len(group) > 1]
    problems += _some(
        "the same picture in two splits",
        (" = ".join(f"{s}/{i.name}" for s, i in group) for group in twins if len({s for s, _ in group}) > 1),
    )
    problems += _some(
        "the same picture under two classes",
        (
            " = ".join(f"{prefix[s]}{i.name}" for s, i in group)
            for group in twins
            if len({i.label for _, i in group}) > 1
        ),
    )
    if problems:
        raise DataError(f"{data.root}: this data cannot be trained on:\n  " + "\n  ".join(problems))
    return marks


def _marks(items: list[Item], step: Callable[[], None]) -> tuple[dict[Path, str], list[str]]:
    """Hashes of the decoded pictures, and a line for each that cannot be decoded."""
    marks: dict[Path, str] = {}
    faults: list[str] = []
    with ThreadPoolExecutor(4) as pool:  # decoding and hashing let other threads run
        for item, mark in zip(items, pool.map(_mark, (item.path for item in items)), strict=True):
            if isinstance(mark, ImageError):
                faults.append(str(mark))
            else:
                marks[item.path] = mark
            step()
    return marks, faults


def _mark(path: Path) -> str | ImageError:
    try:
        picture = decode(path)
    except ImageError as error:
        return error
    return hashlib.sha256(repr(picture.size).encode() + picture.tobytes()).hexdigest()


def _some(kind: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    shown = [f"{kind}: {line}" for line in lines[:SHOWN]]
    return [*shown, f"{kind}: and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else shown


def lacking(data: Data) -> str | None:
    """A sentence about classes that are trained, and have no pictures to be measured on; None where there are none."""
    parts = [
        f"{split}/ has no pictures of {', '.join(map(repr, absent))}"
        for split in data.splits
        if split != "train" and (absent := _absent(data, split))
    ]
    return f"{'; '.join(parts)}: its figures say nothing about them" if parts else None


def _absent(data: Data, split: str) -> list[str]:
    return [name for name, count in zip(data.classes, data.counts(split), strict=True) if count == 0]


def imbalance(data: Data) -> str | None:
    """A sentence about classes of very different size, or None."""
    counts = data.counts("train")
    if max(counts) < UNEVEN * min(counts):
        return None
    most, least = data.classes[counts.index(max(counts))], data.classes[counts.index(min(counts))]
    return (
        f"uneven classes: {max(counts)} pictures of {most!r}, {min(counts)} of {least!r}. "
        "Watch the balanced accuracy; --balance weighs the loss"
    )
