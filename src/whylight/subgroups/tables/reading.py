"""Tables from files, DataFrames and arrays: read, joined by a column they share, everything odd counted."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.shown import plural, shown
from whylight.subgroups.tables.table import Column, Note, Table, column, pandas

NAMED = 3  # of many files so many are named
_BOM = "\ufeff"
_PLACE = "\0place"  # no CSV file has such a heading

Frame = Any  # a pandas DataFrame, whose package is not always there
Source = str | os.PathLike[str] | Mapping[str, Any] | Any


def read(sources: Source | Sequence[Source], wanted: Iterable[str], *, key: str = "file") -> Table:
    """Read the columns that are wanted, from one table or from several that are joined by a column they share.

    Args:
        sources: CSV files, pandas DataFrames, or mappings of names to arrays; one, or a list, of which the first says what rows
            there are.
        wanted: names of columns.
        key: the column by which several are joined; of one table it tells rows that are there twice.

    Returns:
        The columns wanted. Rows that the other tables lack are left out and counted, likewise
        rows that are there twice in every column.

    Raises:
        DataError: if a file cannot be read as a table, a column is missing or is in two tables, or no row of two tables matches.
        WhylightError: if pandas is missing.
    """
    given = list(sources) if isinstance(sources, list | tuple) else [sources]
    if not given:
        raise DataError("table: none given; name a CSV file, a DataFrame or a mapping of arrays")
    names = list(dict.fromkeys(wanted))
    frames = [_frame(one, [*names, key], key) for one in given]
    total = len(frames[0])
    labels = [_name(one, i) for i, one in enumerate(given)]
    notes: list[Note] = []
    for i, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        if len(frames) > 1 and key not in frame.columns:
            raise DataError(
                f"{label}: no column {shown(key)!r} to join it by; name the column that all tables share (key={key!r})"
            )
        if i == 0:
            frame[_PLACE] = np.arange(total)
        if key in frame.columns:
            frames[i] = _once(frame, key, label, notes, joined=i > 0)
    first, rest = frames[0], list(zip(frames[1:], labels[1:], strict=True))
    places, keep = _join(first, rest, key, labels[0], notes)
    found: dict[str, Column] = {}
    for name in names:
        where = [i for i, frame in enumerate(frames) if name in frame.columns]
        if not where:
            have = ", ".join(dict.fromkeys(shown(one) for frame in frames for one in frame.attrs["all"]))
            raise DataError(f"{labels[0]}: no column {shown(name)!r}; there are {have}")
        if len(where) > 1 and name != key:
            raise DataError(
                f"column {shown(name)!r}: it is in {labels[where[0]]} and in {labels[where[1]]}; name it differently in one"
            )
        found[name] = column(name, frames[where[0]][name]).take(places[where[0]])
    return Table(keep, found, notes, frames[0][_PLACE].to_numpy()[places[0]], total)


def _name(source: Source, place: int) -> str:
    return shown(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"table {place + 1}"


def _frame(source: Source, wanted: Sequence[str], key: str) -> Frame:
    pd = pandas()
    if isinstance(source, str | os.PathLike):
        return _csv(Path(source), set(wanted), key)
    if isinstance(source, pd.DataFrame):
        frame = source
    elif isinstance(source, Mapping):
        lengths = {name: len(np.asarray(one)) for name, one in source.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"table: columns of unequal length: {', '.join(f'{shown(k)} {n}' for k, n in lengths.items())}"
            )
        frame = pd.DataFrame({str(name): np.asarray(one) for name, one in source.items()})
    else:
        raise DataError(f"table: {type(source).__name__} given; name a CSV file, a DataFrame or a mapping of arrays")
    if len(frame) == 0:
        raise DataError("table: it has no rows")
    if len(set(frame.columns)) < len(frame.columns):
        raise DataError("table: two columns have the same name")
    kept = frame.loc[:, [one for one in frame.columns if one in wanted]].reset_index(drop=True)
    kept.attrs["all"] = [str(one) for one in frame.columns]
    return kept


def _csv(path: Path, wanted: set[str], key: str) -> Frame:
    pd = pandas()
    name = shown(path)
    head: list[str] = []
    try:
        first = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        head = [str(one).strip().removeprefix(_BOM) for one in first.iloc[0]]
        twice = sorted({one for one in head if head.count(one) > 1 and one in wanted})
        if twice:
            raise DataError(f"{name}: two columns are called {shown(twice[0])!r}; rename one")
        use = [i for i, one in enumerate(head) if one in wanted]
        frame = (
            pd.read_csv(
                path,
                header=None,
                skiprows=1,
                usecols=use,
                dtype={i: str if head[i] == key else "category" for i in use},
                keep_default_na=False,
                encoding="utf-8-sig",
            )
            if use
            else pd.DataFrame()
        )
        _check_widths(path, len(head))
    except pd.errors.EmptyDataError:
        raise DataError(f"{name}: it has no rows{'' if head else ', nor a heading'}") from None
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, csv.Error, ValueError) as error:
        raise DataError(
            f"{name}: cannot be read as a CSV table in UTF-8: {str(error).strip().splitlines()[0]}"
        ) from error
    frame.columns = [head[i] for i in use]
    frame.attrs["all"] = head
    if use and len(frame) == 0:
        raise DataError(f"{name}: it has a heading and no rows")
    return frame


def _check_widths(path: Path, most: int) -> None:
    """Refuse a row with more values than the heading: where only some columns are read, pandas drops them.

    Raises:
        DataError: naming the first.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        for row in lines:
            if len(row) > most and any(row[most:]):
                raise DataError(
                    f"{shown(path)}: line {lines.line_num:,} has {len(row):,} values, the heading {most}; put a value that "
                    "holds a comma in quotes"
                )


def _once(frame: Frame, key: str, label: str, notes: list[Note], *, joined: bool) -> Frame:
    """The frame without rows that say the same twice; a key with two contents cannot be joined."""
    again = frame[key].duplicated().to_numpy()
    if not again.any():
        return frame
    again = again & (frame[key].astype(str).str.strip() != "").to_numpy()
    same = frame.duplicated(subset=[one for one in frame.columns if one != _PLACE]).to_numpy() & again
    said = f"{label}: {plural(int(same.sum()), 'row')} left out that another row of the same {shown(key)} repeats."
    if same.any():
        notes.append(Note("duplicates", said, int(same.sum())))
    other = again & ~same
    if other.any():
        said = (
            f"{label}: {plural(int(other.sum()), 'row')} with a {shown(key)} that is there before, with other values, such as "
            f"{shown(frame[key].iloc[int(other.argmax())])}"
        )
        if joined:
            raise DataError(f"{said}; leave one row for each")
        said += ": counted as they are; name that column as the identity to count them as one."
        notes.append(Note("duplicates", said, int(other.sum()), True))
    kept = frame.loc[~same].reset_index(drop=True)
    kept.attrs = frame.attrs
    return kept


def _join(
    first: Frame, rest: list[tuple[Frame, str]], key: str, label: str, notes: list[Note]
) -> tuple[list[NDArray[np.int64]], int]:
    """For each table, which of its rows belongs to each row that all have; and how many these are."""
    pd = pandas()
    if not rest:
        return [np.arange(len(first))], len(first)
    own = first[key].astype(str).str.strip()
    keep, places = np.ones(len(first), bool), []
    for frame, other in rest:
        theirs = pd.Index(frame[key].astype(str).str.strip())
        at = theirs.get_indexer(own)
        lost, unused = int((at < 0).sum()), len(theirs) - int((at >= 0).sum())
        if lost == len(own):
            raise DataError(
                f"{other}: none of its {len(theirs):,} values of {shown(key)} is in {label}, such as {shown(theirs[0])!r} there "
                f"and {shown(own.iloc[0])!r} here; spell them alike"
            )
        _tell_lost(notes, own, at < 0, lost, label, other, key)
        missed = ~theirs.isin(own)
        _tell_lost(notes, theirs.to_series().reset_index(drop=True), missed, unused, other, label, key)
        keep &= at >= 0
        places.append(at)
    if not keep.any():
        raise DataError(f"{label}: no value of {shown(key)} is in all tables; spell them alike")
    return [np.flatnonzero(keep), *(at[keep] for at in places)], int(keep.sum())


def _tell_lost(notes: list[Note], own: Any, lost: Any, count: int, here: str, there: str, key: str) -> None:
    if count > 0:
        some = ", ".join(shown(one) for one in own[np.asarray(lost)].head(NAMED)) + (", …" if count > NAMED else "")
        text = f"{plural(count, 'row')} of {here} left out: {shown(key)} is not in {there} ({some})."
        notes.append(Note("unmatched", text, count, True))
