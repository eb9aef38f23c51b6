"""The pictures of a run as a table: from files, folders and globs, or from a manifest in CSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from whylight.errors import DataError, ImageError
from whylight.images import walk
from whylight.mapstore.arrow import arrow
from whylight.shown import plural, shown

PICTURE, PROBLEM = "picture", "problem"
MANIFESTS = (".csv", ".parquet")
_USUAL = ("file", "picture", "path", "image", "filename")  # columns with pictures' names, where none is named


class Listing(NamedTuple):
    """The pictures that were listed.

    Attributes:
        table: a column `picture` (absolute paths), a column `problem` (why one cannot be used; else null), and what else a
            manifest says of them.
        notes: what was odd, in sentences.
    """

    table: Any
    notes: list[str]


def is_manifest(entry: str) -> bool:
    """Whether an input is a table of pictures, by its name."""
    return entry.lower().endswith(MANIFESTS) and os.path.isfile(entry)


def stamp(entry: str) -> list[Any]:
    """What tells whether a manifest is still the one that was read."""
    facts = os.stat(entry)
    return [os.path.abspath(entry), facts.st_size, facts.st_mtime_ns]


def listed(
    entries: Sequence[str],
    *,
    column: str | None = None,
    root: str | None = None,
    on_error: Callable[[Path, ImageError], None] | None = None,
) -> Listing:
    """List pictures.

    Args:
        entries: files, folders, globs and manifests; each picture counts once.
        column: of manifests, the one with the pictures' names; default: the first of the usual names.
        root: the folder that names in manifests begin at, and that none may lead out of; default: each manifest's own.
        on_error: is told of folders that cannot be read.

    Raises:
        DataError: if a manifest cannot be read, or has no such column.
        ImageError: if there is no picture.
    """
    pa, pc = arrow(), arrow("compute")
    manifests = [one for one in entries if is_manifest(one)]
    others = [one for one in entries if one not in manifests]
    tables, notes = [], []
    if others:
        paths = [os.path.abspath(path) for path in walk(others, on_error)]
        tables.append(_table(pa.array(paths, pa.string()), None))
    tables += [_manifest(one, column, root) for one in manifests]
    found = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    if not found.num_rows:
        raise DataError(f"{shown(', '.join(entries))}: holds no picture")
    first = pc.index_in(found[PICTURE], pc.unique(found[PICTURE]))
    kept = _firsts(first)
    if kept is not None:
        notes.append(f"{plural(found.num_rows - len(kept), 'picture')} named more than once, and taken once")
        found = found.take(kept)
    if wrong := found.num_rows - found[PROBLEM].null_count:
        notes.append(f"{plural(wrong, 'name')} cannot be used; each is a failed row with the reason")
    return Listing(found, notes)


def _firsts(codes: Any) -> Any:
    """Places of the first of each code; None where each comes once."""
    import numpy as np

    values = codes.to_numpy()
    _, places = np.unique(values, return_index=True)
    return None if len(places) == len(values) else arrow().array(np.sort(places))


def _table(pictures: Any, problems: Any, more: Any = None) -> Any:
    pa = arrow()
    problems = pa.nulls(len(pictures), pa.string()) if problems is None else problems
    columns = {PICTURE: pictures, PROBLEM: problems}
    for name in more.column_names if more is not None else ():
        columns[name if name not in columns else f"{name}_given"] = more[name]
    return pa.table(columns)


def _manifest(entry: str, column: str | None, root: str | None) -> Any:
    pa, pc = arrow(), arrow("compute")
    try:
        if entry.lower().endswith(".csv"):
            names = arrow("csv").open_csv(entry).schema.names
            # as text: "0012.jpg" and "12" are names, and labels are as they are written
            options = arrow("csv").ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
            )
            table = arrow("csv").read_csv(entry, convert_options=options)
        else:
            table = arrow("parquet").read_table(entry)
    except (pa.ArrowInvalid, OSError) as error:
        why = str(error).splitlines()[0]
        raise DataError(f"{shown(entry)}: cannot be read as a table: {shown(why)}") from None
    names = table.column_names
    name = next((one for one in ((column,) if column else _USUAL) if one in names), None)
    if name is None:
        wanted = f"no column {shown(repr(column))}" if column else f"none of the columns {', '.join(_USUAL)}"
        raise DataError(f"{shown(entry)}: has {wanted}; there are {', '.join(map(shown, names))}. Name it: --column")
    if len(set(names)) < len(names):
        raise DataError(f"{shown(entry)}: two columns have the same name; give each its own")
    given = pc.cast(table[name].combine_chunks(), pa.string())
    base = os.path.abspath(root if root is not None else os.path.dirname(entry) or ".")
    absolute = pc.starts_with(given, "/")
    inside = pc.or_(pc.starts_with(given, base.rstrip("/") + "/"), pc.invert(absolute))
    climbs = pc.match_substring_regex(given, r"(^|/)\.\.(/|$)")
    empty = pc.or_(pc.is_null(given), pc.equal(pc.fill_null(given, ""), ""))
    nul = pc.match_substring(pc.fill_null(given, ""), "\0")
    wrong = pc.fill_null(pc.or_(pc.or_(pc.invert(inside), climbs), nul), False)
    problem = pc.if_else(
        empty,
        "the name is empty",
        pc.if_else(wrong, f"the name leads out of {shown(base)}", pa.scalar(None, pa.string())),
    )
    safe = pc.fill_null(given, "")
    joined = pc.binary_join_element_wise(pa.scalar(base.rstrip("/")), safe, "/")
    pictures = pc.if_else(pc.or_(wrong, pc.or_(pc.fill_null(absolute, False), empty)), safe, joined)
    return _table(pictures, problem, table)
