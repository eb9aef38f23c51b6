"""Which pictures an epoch goes through, and under which labels: repeats, balance between classes, labels flipped on purpose."""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io

from whylight.errors import DataError
from whylight.train.config import Balance
from whylight.train.data.folders import Flip, Item


def flipped(
    items: list[Item], classes: tuple[str, ...], amount: float, seed: int
) -> tuple[list[Item], tuple[Flip, ...]]:
    """Give pictures of each class a wrong label, drawn evenly from the other classes.

    The label is changed in the item itself, the one thing that the loader reads, so every batch carries it.

    Args:
        items: the training pictures.
        classes: the names of the classes.
        amount: how many of each class: below 1 a share, rounded; from 1 on a number.
        seed: decides which pictures, and which labels they get. More of them are the same ones and others beside.

    Returns:
        The pictures in the same order, and what was changed.

    Raises:
        DataError: if a class has fewer pictures than shall be flipped, or there is no other class.
    """
    if not amount:
        return items, ()
    if len(classes) < 2:
        raise DataError("label_noise: with one class there is no wrong label")
    flips: dict[str, Flip] = {}
    for label, name in enumerate(classes):
        own = [item for item in items if item.label == label]
        count = round(amount * len(own)) if amount < 1 else int(amount)
        if count > len(own):
            raise DataError(
                f"label_noise: {count} labels of each class shall be flipped, and {name} has {len(own)} training pictures: "
                "give a smaller number, or a share below 1"
            )
        own.sort(key=lambda item: _digest(seed, item.name))
        for item in own[:count]:
            other = int.from_bytes(_digest(seed, item.name, "to")[:7]) % (len(classes) - 1)
            flips[item.name] = Flip(item.name, label, other + (other >= label))
    changed = [item._replace(label=flips[item.name].now) if item.name in flips else item for item in items]
    return changed, tuple(flips[item.name] for item in items if item.name in flips)


def flips_csv(flips: tuple[Flip, ...], classes: tuple[str, ...]) -> bytes:
    """The table of changed labels: file, label, flipped_to."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "label", "flipped_to"])
    table.writerows((flip.name, classes[flip.was], classes[flip.now]) for flip in flips)
    return text.getvalue().encode(errors="surrogateescape")


def repeated(items: list[Item], repeat: tuple[tuple[str, int], ...]) -> list[Item]:
    """Each picture as often as the patterns say; a pattern that matches nothing is an error."""
    result = list(items)
    for pattern, times in repeat:
        matching = [item for item in items if fnmatch.fnmatch(item.name, pattern)]
        if not matching:
            raise DataError(f"repeat: no training picture is called {pattern!r} (names look like {items[0].name!r})")
        result += matching * (times - 1)
    return result


def balanced(items: list[Item], how: Balance | None, seed: int) -> list[Item]:
    """As many pictures of each class: the excess dropped, or the rare ones repeated; `weight` and None leave them.

    Which ones are dropped, or come once more than the others, depends on the seed and on the pictures' names alone.
    """
    if how not in ("drop", "oversample"):
        return items
    by_class: dict[int, list[Item]] = {}
    for item in sorted(items, key=lambda item: _digest(seed, item.name, "balance")):
        by_class.setdefault(item.label, []).append(item)
    sizes = [len(own) for own in by_class.values()]
    if how == "drop":
        kept = {id(item) for own in by_class.values() for item in own[: min(sizes)]}
        return [item for item in items if id(item) in kept]
    result = list(items)
    for own in by_class.values():
        times, rest = divmod(max(sizes), len(own))
        result += own * (times - 1) + own[:rest]
    return result


def _digest(seed: int, *parts: str) -> bytes:
    return hashlib.sha256("/".join([str(seed), *parts]).encode(errors="surrogateescape")).digest()
