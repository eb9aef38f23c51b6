"""Columns of a table: every value as text, the missing ones marked; and notes on what was odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError, WhylightError
from whylight.shown import shown

_SORTED = 10_000  # values; of more there are no groups
MISSING = frozenset({"", "na", "n/a", "nan", "null", "<na>", "nat"})  # not "none": people may wear none


@dataclass(frozen=True)
class Note:
    """Something about the data that a reader of the figures must know.

    Attributes:
        what: a short name for programs: "missing", "unmatched", "duplicates", "threshold", "label", "group" …
        text: a sentence.
        count: how many rows, files or values it is about.
        warn: whether figures may mislead because of it.
    """

    what: str
    text: str
    count: int = 0
    warn: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a table: the different values as text, and which of them each row has.

    Attributes:
        name: its heading.
        values: the different values, numbers by size, others by alphabet; of very many, as they come.
        codes: (n,) int32, places in `values`; −1 where the value is missing.
    """

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int32]

    def take(self, rows: NDArray[Any]) -> Column:
        """The same for some rows."""
        return Column(self.name, self.values, self.codes[rows])


@dataclass
class Table:
    """Columns of the same rows, and what was odd about them.

    Attributes:
        rows: how many.
        columns: by name.
        notes: what was odd.
        places: (rows,) which row of the first table each is.
        total: how many rows that table had.
    """

    rows: int
    columns: dict[str, Column]
    notes: list[Note]
    places: NDArray[np.int64]
    total: int

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            known = ", ".join(map(shown, list(self.columns)[:20])) or "none"
            raise DataError(f"column {shown(name)!r}: there is none in the table; it has {known}")
        return self.columns[name]


def column(name: str, values: Any) -> Column:
    """Values of any kind as text, with the missing ones marked.

    >>> found = column("age", ["20", "", "3", "20"])
    >>> found.values, found.codes.tolist()
    (('3', '20'), [1, -1, 0, 1])
    """
    pd = pandas()

    series = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values), dtype=_kind(values))
    codes, different = pd.factorize(series, use_na_sentinel=True)
    texts = [_text(one) for one in different]
    kept = list(dict.fromkeys(one for one in texts if one.casefold() not in MISSING))
    if len(kept) <= _SORTED:
        kept.sort(key=_order)
    place = {one: i for i, one in enumerate(kept)}
    new = np.array([*(place.get(one, -1) for one in texts), -1], np.int32)  # the last one is that of the code −1
    return Column(name, tuple(kept), new[codes])


def _kind(values: Any) -> Any:
    return object if np.asarray(values).dtype.kind in "OUS" else None


def _text(value: Any) -> str:
    """A value as a table would have it: 1.0 from a column with gaps is the 1 that was written."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _order(text: str) -> tuple[int, float, str]:
    number = as_number(text)
    return (1, 0.0, text) if number is None else (0, number, text)


def as_number(text: str) -> float | None:
    """The finite number that a text is; None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def pandas() -> Any:
    """The package pandas, which reads tables.

    Raises:
        WhylightError: if it is missing.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise WhylightError(
            "table: the package pandas is missing; install the extra: pip install 'whylight[audit]'"
        ) from None
    return pd
