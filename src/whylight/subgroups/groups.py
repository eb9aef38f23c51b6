"""Groups of rows: by each column, and by every combination of columns up to a depth, counted in one pass each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.shown import plural, shown
from whylight.subgroups.tables.table import Column, Note

VALUES = 100  # that a column of groups may have
MOST_CELLS = 200_000  # groups of one combination of columns
NEAR = 0.9  # of the errors in guessing the label that knowing the group takes away: from here on it is nearly the label itself


@dataclass(frozen=True)
class Cells:
    """The groups by one combination of columns: those that have a row.

    Attributes:
        columns: places of the columns.
        values: (c, d) for each group and column, the place of its value.
        index: (n,) int32, the group of each row; −1 where one of the columns has no value.
    """

    columns: tuple[int, ...]
    values: NDArray[np.int32]
    index: NDArray[np.int32]


def cells(columns: Sequence[Column], which: tuple[int, ...]) -> Cells:
    """The groups by a combination of columns; by none, everybody.

    Raises:
        DataError: if there are too many.
    """
    if not which:
        n = len(columns[0].codes)
        return Cells((), np.zeros((1, 0), np.int32), np.zeros(n, np.int32))
    sizes = [len(columns[i].values) for i in which]
    code = columns[which[0]].codes.astype(np.int64)
    gone = code < 0
    for i, size in zip(which[1:], sizes[1:], strict=True):
        one = columns[i].codes
        gone |= one < 0
        code *= size
        code += one
    code[gone] = -1
    every = int(np.prod([float(size) for size in sizes]))
    if every <= 4 * len(code) + 1024:
        there = np.flatnonzero(np.bincount(code + 1, minlength=every + 1)[1:])
        place = np.full(every + 1, -1, np.int32)
        place[there] = np.arange(len(there), dtype=np.int32)
        index = place[code]  # the code −1 takes the last place, which is −1
    else:
        there = np.unique(code[~gone])
        index = np.where(gone, -1, np.searchsorted(there, code)).astype(np.int32)
    if len(there) > MOST_CELLS:
        names = ", ".join(shown(columns[i].name) for i in which)
        raise DataError(
            f"groups: {names} together make {len(there):,} groups; at most {MOST_CELLS:,} are told. Lower the depth"
        )
    values = np.stack(np.unravel_index(there, sizes), axis=1).astype(np.int32)
    return Cells(which, values, index)


def combinations(columns: int, depth: int) -> Iterator[tuple[int, ...]]:
    """Which columns go together: none, each, every two … up to `depth`.

    >>> list(combinations(3, 2))
    [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    """
    for size in range(min(depth, columns) + 1):
        yield from itertools.combinations(range(columns), size)


def check(columns: Sequence[Column], depth: int) -> list[Note]:
    """Refuse columns that are no groups, and say what is odd about the others.

    Raises:
        DataError: if there is no column, one is named twice, has no value or too many, or the depth is under 1.
    """
    if not columns:
        raise DataError("groups: none named; name the columns that rows are grouped by")
    if depth < 1:
        raise DataError(f"depth: {depth} given; 1 takes each column by itself, 2 also every two together")
    names = [one.name for one in columns]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise DataError(f"groups: {shown(twice[0])} is named twice")
    notes: list[Note] = []
    for one in columns:
        name, n = shown(one.name), len(one.codes)
        if len(one.values) > VALUES:
            raise DataError(
                f"groups: {name} has {len(one.values):,} different values; at most {VALUES} make groups. Cut it into bands first"
            )
        counts = np.bincount(one.codes + 1, minlength=len(one.values) + 1)
        gone = int(counts[0])
        if gone == n:
            raise DataError(f"groups: {name} has no value in any row")
        if gone:
            notes.append(
                Note(
                    "missing",
                    f"{gone:,} of {n:,} rows without a value of {name}: in no group by it, and among everybody.",
                    gone,
                )
            )
        alone = int((counts[1:] == 1).sum())
        if alone:
            text = f"{name}: {plural(alone, 'group')} of one row, of which nothing can be said."
            notes.append(Note("small", text, alone))
        if int((counts[1:] > 0).sum()) == 1:
            notes.append(
                Note("group", f"{name} has the same value in every row: there is nobody to compare with.", n, True)
            )
    return notes


def near_label(column: Column, label: NDArray[np.int32], classes: int, name: str) -> Note | None:
    """A warning where knowing the group is next to knowing the label.

    Measured by Goodman and Kruskal's lambda (Measures of association for cross classifications, JASA 1954): of the errors in
    guessing the label, the share that knowing the group takes away.
    """
    inside = column.codes >= 0
    size = len(column.values)
    table = np.bincount(column.codes[inside] * np.int64(classes) + label[inside], minlength=size * classes).reshape(
        size, classes
    )
    best, n = int(table.sum(0).max(initial=0)), int(table.sum())
    if n == best or (table.max(1).sum() - best) / (n - best) < NEAR:
        return None
    group = shown(column.name)
    if column.name == name:
        return Note(
            "label",
            f"{group} is the label itself: each of its groups is one class, so a gap between them is one between kinds of error.",
            n,
            True,
        )
    return Note(
        "label",
        f"{group} is nearly the label itself ({shown(name)}): a gap between its groups is mostly one between kinds of error.",
        n,
        True,
    )
