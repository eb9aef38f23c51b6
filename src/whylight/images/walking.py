"""Which pictures are meant: those behind files, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from whylight.errors import ImageError

SUFFIXES: frozenset[str] = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pnm"}
)
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF or PNM"


def walk(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List the pictures behind files, folders (searched recursively) and globs: sorted, each once.

    In folders and globs only names with one of `SUFFIXES` count, and hidden names do not. A file named outright is kept
    whatever it is called, so that a broken one is reported later and not lost here.

    Raises:
        ImageError: an input does not exist, cannot be read, or holds no picture.

    Examples:
        >>> [path.name for path in walk(["examples", "examples/astronaut.jpg"])]
        ['astronaut.jpg']
    """
    if isinstance(inputs, str | os.PathLike):  # a lone string is a sequence too, of letters
        inputs = [inputs]
    found: dict[str, Path] = {}
    for entry in inputs:
        for path in _expand(os.fspath(entry)):
            found.setdefault(os.path.abspath(path), path)
    return sorted(found.values())


def _expand(entry: str) -> list[Path]:
    if os.path.isdir(entry):
        pictures = list(_in_folder(entry))
        if not pictures:
            raise ImageError(f"{entry}: no picture in this folder ({FORMATS}, told by the name's ending)")
        return pictures
    if os.path.exists(entry):
        return [Path(entry)]
    if not glob.has_magic(entry):
        raise ImageError(f"{entry}: {missing(entry)}")
    pictures = []
    for match in glob.glob(entry, recursive=True):
        if os.path.isdir(match):
            pictures += _in_folder(match)
        elif _is_picture(match):
            pictures.append(Path(match))
    if not pictures:
        raise ImageError(f"{entry}: no picture matches ({FORMATS}, told by the name's ending)")
    return pictures


def _in_folder(folder: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(f"{error.filename}: this folder cannot be read: {error.strerror}") from None

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if _is_picture(name))


def _is_picture(name: str) -> bool:
    base = os.path.basename(name)
    return not base.startswith(".") and os.path.splitext(base)[1].lower() in SUFFIXES


def missing(name: str) -> str:
    """Why there is nothing behind a name, and what to do."""
    if name.startswith(("http://", "https://")):
        return "this is a web address; download the picture and give its path"
    return "no such file or folder; check the path"
