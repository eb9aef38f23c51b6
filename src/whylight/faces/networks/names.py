"""The names that a network's labels stand for, from a text file: one a line, in the order of the labels."""

from __future__ import annotations

import os
from pathlib import Path

from whylight.errors import FaceError

_MOST = 16 * 2**20  # bytes; the 2,622 names of VGG-Face take 37 thousand


def read_names(path: str | os.PathLike[str], count: int | None = None) -> tuple[str, ...]:
    """Read names, one a line, UTF-8; empty lines at the end do not count.

    Args:
        path: the file.
        count: how many there must be; None takes any.

    Raises:
        FaceError: code 5, if the file cannot be read, has an empty line among the names, or another number of them.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MOST:
            raise FaceError(5, f"{path}: {file.stat().st_size} bytes are too many for a list of names")
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise FaceError(5, f"{path}: no such file of names") from error
    except OSError as error:
        raise FaceError(5, f"{path}: the names cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FaceError(5, f"{path}: the names are not UTF-8 text ({error}); save the file as UTF-8") from error
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not lines:
        raise FaceError(5, f"{path}: the file has no names; give one a line, in the order of the labels")
    for number, line in enumerate(lines, 1):
        if not line or not line.isprintable():
            what = "is empty" if not line else f"holds {line!r}, which is no name"
            raise FaceError(5, f"{path}: line {number} {what}; every label needs its name on its own line")
    if count is not None and len(lines) != count:
        which = f"label {len(lines)} has no name" if len(lines) < count else "they belong to another network"
        raise FaceError(5, f"{path}: {len(lines)} names for {count} labels: {which}")
    return tuple(lines)
