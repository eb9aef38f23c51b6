"""The lines of a CSV file of boxes."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from whylight.errors import DataError

COLUMNS = ("file", "x0", "y0", "x1", "y1", "label")
Rectangle = tuple[float, float, float, float]


class Row(NamedTuple):
    """One line: a file, the label as it is written ("" where there is none), and a box; `where` names it in messages."""

    where: str
    file: str
    label: str
    box: Rectangle


def read_rows(path: Path, *, labelled: bool, problems: list[str]) -> Iterator[Row]:
    """Read the lines of a CSV file with the columns file, x0, y0, x1, y1, label, in any order; others are passed over.

    Args:
        path: the file.
        labelled: the label is known already, so that the column may be missing.
        problems: gets a sentence for each line that cannot be read.

    Raises:
        DataError: if the file is missing, empty, no text, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: this file of boxes cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file in UTF-8; save it as CSV") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty; it needs a header, {','.join(COLUMNS)}, and a line for each box")
    table = csv.DictReader(text.splitlines(), skipinitialspace=True)
    needed = COLUMNS[:-1] if labelled else COLUMNS
    missing = [name for name in needed if name not in (table.fieldnames or ())]
    if missing:
        hint = "; or give --label CLASS for all of them" if missing == ["label"] else ""
        raise DataError(
            f"{path}, line 1: the header has no {', '.join(missing)}; it must name the columns {','.join(needed)}{hint}"
        )
    for fields in table:
        where = f"{path}, line {table.line_num}"
        try:
            x0, y0, x1, y1 = (float(fields[name]) for name in COLUMNS[1:5])
        except (TypeError, ValueError):
            problems.append(f"{where}: x0, y0, x1, y1 must be four numbers; correct the line")
            continue
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            problems.append(f"{where}: x0, y0, x1, y1 must be finite; correct the line")
        elif not labelled and not (fields["label"] or "").strip():
            problems.append(f"{where}: the label is empty; fill it in, or give --label CLASS")
        else:
            yield Row(where, fields["file"] or "", (fields.get("label") or "").strip(), (x0, y0, x1, y1))
