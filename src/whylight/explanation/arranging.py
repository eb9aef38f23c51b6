"""Which explanation goes where in a grid: what differs among them lies on its rows and columns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from PIL import Image

from whylight.errors import WhylightError
from whylight.explanation.explanation import Explanation
from whylight.render.fit import fit
from whylight.shown import shown

Axis = Literal["picture", "model", "target", "method"]  # from what groups rows to what lies on columns
AXES: tuple[Axis, ...] = get_args(Axis)
Place = tuple[int, int, int, int]  # on each of them


@dataclass(frozen=True)
class One:
    """An explanation in a grid, where it lies, and its picture, small."""

    explanation: Explanation
    place: Place
    small: Image.Image


@dataclass(frozen=True)
class Arrangement:
    """Explanations by place.

    Attributes:
        cells: those of each place.
        words: for each axis, what is written on its places, in order.
        named: whether places on the target axis are classes; else they are each picture's first, second, … class.
        columns: the axis on columns.
        rows: the axes on rows, outer ones first: those that vary.
    """

    cells: dict[Place, One]
    words: dict[Axis, list[str]]
    named: bool
    columns: Axis
    rows: tuple[Axis, ...]

    def varies(self, axis: Axis) -> bool:
        """Whether there is more than one of it."""
        return len(self.words[axis]) > 1

    def words_of(self, axis: Axis, place: int) -> str:
        """What is written where it is not plain which axis is meant."""
        return f"model {self.words[axis][place]}" if axis == "model" else self.words[axis][place]

    def row_places(self) -> list[tuple[int, ...]]:
        """The places of the rows that hold anything, on `rows`."""
        found = {tuple(place[AXES.index(axis)] for axis in self.rows) for place in self.cells}
        return [place for place in product(*(range(len(self.words[axis])) for axis in self.rows)) if place in found]

    def at(self, row: tuple[int, ...], column: int) -> One | None:
        """What lies in a row and column."""
        where = {**dict(zip(self.rows, row, strict=True)), self.columns: column}
        a, b, c, d = (where.get(axis, 0) for axis in AXES)
        return self.cells.get((a, b, c, d))


def arrange(explanations: Sequence[Explanation], tile: int, columns: Axis | None = None) -> Arrangement:
    """Find out what differs, and lay it on rows and columns.

    Args:
        explanations: at least one.
        tile: pixels of a small picture's longer side.
        columns: what lies on columns; default: the method, else the target, the model, the picture, whichever varies.

    Raises:
        WhylightError: if there is no such axis.
    """
    if columns is not None and columns not in AXES:
        raise WhylightError(f"columns: expected one of {', '.join(AXES)}, got {columns!r}")
    smalls = _smalls(explanations, tile)
    pictures = _numbered(
        [(ex.source, small.size, small.tobytes()) for ex, small in zip(explanations, smalls, strict=True)]
    )
    models = _numbered([ex.model for ex in explanations])
    labels = _labels(explanations)
    groups: dict[tuple[int, int, str], list[str]] = {}
    for ex, picture, model, label in zip(explanations, pictures, models, labels, strict=True):
        group = groups.setdefault((picture, model, ex.method), [])
        if label not in group:
            group.append(label)
    # Classes asked for by name are the same everywhere; each picture's most probable ones are not, nor are two models'.
    named = len(set(labels)) <= max(map(len, groups.values()))
    targets = (
        _numbered(labels)
        if named
        else [
            groups[picture, model, ex.method].index(label)
            for ex, picture, model, label in zip(explanations, pictures, models, labels, strict=True)
        ]
    )
    methods = _repeats_told(
        [(picture, model, target) for picture, model, target in zip(pictures, models, targets, strict=True)],
        [ex.method for ex in explanations],
    )
    places = list(zip(pictures, models, targets, _numbered(methods), strict=True))
    words: dict[Axis, list[str]] = {
        "picture": _picture_words(explanations, pictures),
        "model": [shown(one) or "unnamed" for one in dict.fromkeys(ex.model for ex in explanations)],
        "target": list(dict.fromkeys(labels)) if named else [f"target {one + 1}" for one in range(max(targets) + 1)],
        "method": [shown(one) for one in dict.fromkeys(methods)],
    }
    cells = {place: One(ex, place, small) for place, ex, small in zip(places, explanations, smalls, strict=True)}
    varying = [axis for axis in AXES if len(words[axis]) > 1]
    across = columns or (varying[-1] if varying else "method")
    return Arrangement(cells, words, named, across, tuple(axis for axis in varying if axis != across))


def _smalls(explanations: Sequence[Explanation], tile: int) -> list[Image.Image]:
    """Small pictures; one that several explanations share is made once."""
    made: dict[int, Image.Image] = {}
    for ex in explanations:
        if id(ex.picture) not in made:
            made[id(ex.picture)] = fit(ex.picture, tile)
    return [made[id(ex.picture)] for ex in explanations]


def _numbered(values: Sequence[object]) -> list[int]:
    """Each value's number, in the order in which they first come."""
    order: dict[object, int] = {}
    return [order.setdefault(value, len(order)) for value in values]


def _labels(explanations: Sequence[Explanation]) -> list[str]:
    """Names of classes; where one model has several of a name, each with its index."""
    indices: dict[tuple[str, str], set[int | None]] = {}
    for ex in explanations:
        indices.setdefault((ex.model, ex.label), set()).add(ex.target)
    unclear = {label for (_, label), found in indices.items() if len(found) > 1}
    return [shown(f"{ex.label} [{ex.target}]" if ex.label in unclear else ex.label) for ex in explanations]


def _repeats_told(groups: Sequence[tuple[int, int, int]], methods: Sequence[str]) -> list[str]:
    """Names of methods; one that comes again for the same question (with other options, say) is numbered."""
    count: Counter[tuple[tuple[int, int, int], str]] = Counter()
    told = []
    for group, method in zip(groups, methods, strict=True):
        count[group, method] += 1
        told.append(method if count[group, method] == 1 else f"{method} ({count[group, method]})")
    return told


def _picture_words(explanations: Sequence[Explanation], pictures: Sequence[int]) -> list[str]:
    """Names of pictures, with their folders where two have the same, with numbers where that is not enough."""
    sources = list(dict(zip(pictures, (ex.source for ex in explanations), strict=True)).values())
    folders: dict[str, set[str]] = {}
    for source in sources:
        folders.setdefault(os.path.basename(source), set()).add(source)
    seen: Counter[str] = Counter()
    words = []
    for source in sources:
        base = os.path.basename(source)
        name = base if base and len(folders[base]) == 1 else source
        seen[name] += 1
        words.append(shown(name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return words
