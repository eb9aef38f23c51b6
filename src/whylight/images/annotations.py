"""Boxes that people drew: read a CSV file of them, and name everything that is wrong with it, all at once."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from whylight.errors import DataError, ImageError
from whylight.images import size_of
from whylight.shown import shown

COLUMNS = ("file", "x0", "y0", "x1", "y1", "label")
SHOWN = 10  # problems that are spelled out
SLACK = 1.0  # pixels by which a box may reach over the rim, by rounding; it is cut there

Rectangle = tuple[
    float, float, float, float
]  # x0, y0, x1, y1, half-open, in pixels of the upright picture at its own size


class Row(NamedTuple):
    """One line: a file, the label as it is written ("" where there is none), and a box; `where` names it in messages."""

    where: str
    file: str
    label: str
    box: Rectangle


class Drawn(NamedTuple):
    """One box of a picture, and its label."""

    label: str
    box: Rectangle


def read_boxes(file: str | os.PathLike[str], root: str | os.PathLike[str]) -> dict[str, list[Drawn]]:
    """Read the boxes of the pictures in a folder from a CSV file.

    Args:
        file: the columns file, x0, y0, x1, y1, label, in any order; others are passed over. One box a line, several a picture.
        root: the folder of the pictures. A picture's name counts from there, or else from the file's own folder; lines about
            pictures outside `root` are left out.

    Returns:
        For each picture, by its name relative to `root` with forward slashes, its boxes in the order of the file.

    Raises:
        DataError: naming each line that is wrong, what is wrong with it and what to do: a missing column, no boxes, a picture that
            does not exist or cannot be read, a box that is inverted, empty or outside its picture.
    """
    file = Path(file)
    top = os.path.abspath(root)
    problems: list[str] = []
    found: dict[str, list[Drawn]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    outside = 0
    for row in read_rows(file, labelled=False, problems=problems):
        place = next((place for base in (Path(root), file.parent) if _is_file(place := base / row.file)), None)
        if place is None:
            problems.append(
                f"{row.where}: there is no file {shown(row.file)} in {shown(root)}, nor beside the CSV; add it, or remove the line"
            )
            continue
        name = os.path.relpath(os.path.abspath(place), top).replace(os.sep, "/")
        if name.startswith("../"):
            outside += 1
            continue
        try:
            size = sizes[name] = sizes.get(name) or size_of(place)
        except ImageError as error:
            problems.append(f"{row.where}: {error}")
            continue
        if (box := fitted(row, size, problems)) is not None:
            found.setdefault(name, []).append(Drawn(row.label, box))
    if problems:
        rest = len(problems) - SHOWN
        more = [f"and {rest} more"] if rest > 0 else []
        raise DataError(
            "\n  ".join([f"{shown(file)}: these boxes cannot be used as they stand:", *problems[:SHOWN], *more])
        )
    if not found:
        count = "one box is of a file" if outside == 1 else f"{outside} boxes are of files"
        reason = f"its {count} outside {shown(root)}" if outside else "it holds no boxes, only a header"
        raise DataError(f"{shown(file)}: {reason}; give the CSV that belongs to these pictures")
    return found


def read_rows(file: Path, *, labelled: bool, problems: list[str]) -> Iterator[Row]:
    """Read the lines of a CSV file with the columns file, x0, y0, x1, y1, label, in any order; others are passed over.

    Args:
        file: the file.
        labelled: the label is known already, so that the column may be missing.
        problems: gets a sentence for each line that cannot be read.

    Raises:
        DataError: if the file is missing, empty, no text, or lacks a column.
    """
    name = shown(file)
    try:
        text = file.read_bytes().decode("utf-8-sig", errors="surrogateescape")  # as the names of files come, too
    except OSError as error:
        raise DataError(f"{name}: this file of boxes cannot be read: {error.strerror}") from error
    if "\0" in text or not text.partition("\n")[0].replace("\t", " ").strip().isprintable():
        raise DataError(f"{name}: not a text file in UTF-8; save it as CSV")
    if not text.strip():
        raise DataError(f"{name}: the file is empty; it needs a header, {','.join(COLUMNS)}, and a line for each box")
    table = csv.DictReader(text.splitlines(), skipinitialspace=True)
    needed = COLUMNS[:-1] if labelled else COLUMNS
    missing = [column for column in needed if column not in (table.fieldnames or ())]
    if missing:
        hint = "; or give --label CLASS for all of them" if missing == ["label"] else ""
        raise DataError(
            f"{name}, line 1: the header has no {', '.join(missing)}; it must name the columns {','.join(needed)}{hint}"
        )
    for fields in _lines(table, name):
        where = f"{name}, line {table.line_num}"
        try:
            x0, y0, x1, y1 = (float(fields[column]) for column in COLUMNS[1:5])
        except (TypeError, ValueError):
            problems.append(f"{where}: x0, y0, x1, y1 must be four numbers; correct the line")
            continue
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            problems.append(f"{where}: x0, y0, x1, y1 must be finite; correct the line")
        elif not labelled and not (fields["label"] or "").strip():
            problems.append(f"{where}: the label is empty; fill it in")
        else:
            yield Row(where, fields["file"] or "", (fields.get("label") or "").strip(), (x0, y0, x1, y1))


def fitted(row: Row, size: tuple[int, int], problems: list[str]) -> Rectangle | None:
    """A row's box, cut at the rim of its picture of (width, height) pixels; None, and a new problem, where it is wrong."""
    x0, y0, x1, y1 = row.box
    box = "({}) of {}".format(", ".join(f"{value:g}" for value in row.box), shown(row.file))
    if not (x0 < x1 and y0 < y1):
        problems.append(
            f"{row.where}: the box {box} is inverted or empty: x0, y0 is the upper left corner, and x1, y1 the first pixel "
            "outside at the lower right (not width and height)"
        )
        return None
    width, height = size
    cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if max(-x0, -y0, x1 - width, y1 - height) > SLACK or cut[0] >= cut[2] or cut[1] >= cut[3]:
        problems.append(
            f"{row.where}: the box {box} reaches out of the picture, which has {width} × {height} pixels: boxes are in "
            "pixels of the upright picture at its own size"
        )
        return None
    return cut


def _lines(table: csv.DictReader[str], name: str) -> Iterator[dict[str, str]]:
    try:
        yield from table
    except csv.Error as error:
        raise DataError(f"{name}, line {table.line_num}: not a line of a CSV file ({error}); correct it") from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
