"""Which pictures are meant: those behind files, folders and globs."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from whylight.errors import ImageError
from whylight.images import kinds
from whylight.images.files import missing, why
from whylight.images.limits import named

SUFFIXES: frozenset[str] = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".pgm", ".ppm", ".pnm", ".pbm", ".avif", ".heic", ".heif", ".hif"),
    }
)
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, PNM, AVIF or HEIC"

_FILE, _FOLDER, _LINK = "file", "folder", "link to a folder"
OnError = Callable[[Path, ImageError], None]
OnSkip = Callable[[Path], None]


def walk(
    inputs: Sequence[str | os.PathLike[str]], on_error: OnError | None = None, on_skip: OnSkip | None = None
) -> list[Path]:
    """List the pictures behind files, folders (searched recursively) and globs: sorted, each once.

    In folders and globs only names with one of `SUFFIXES` count, and hidden names do not. A file named outright is kept
    whatever it is called, so that a broken one is reported later and not lost here. Links to folders are not followed
    below an input, so none can lead round in a circle.

    Args:
        inputs: files, folders and globs.
        on_error: called for each folder that cannot be read, or is gone by then, with its path and an ImageError that
            names it; the others are searched all the same, and the list may be empty then. Default: the error is raised.
        on_skip: called with each file, not hidden, that is passed over since its name does not end as a picture's.

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
        for path in _Search(on_error, on_skip).expand(os.fsdecode(entry)):
            found.setdefault(os.path.abspath(path), path)
    return sorted(found.values())


class _Search:
    """The search behind one input."""

    def __init__(self, on_error: OnError | None, on_skip: OnSkip | None) -> None:
        self._on_error = on_error
        self._passed: list[str] = []
        self._on_skip = on_skip
        self._failed: set[str] = set()

    def expand(self, entry: str) -> list[Path]:
        try:
            os.stat(entry)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            if glob.has_magic(entry) and not isinstance(error, ValueError):
                return self._told(entry, list(self._glob(entry)), "no picture matches")
            if isinstance(error, FileNotFoundError):
                raise named(entry, missing(entry)) from None
            reason = why(error) if isinstance(error, OSError) else error
            raise named(entry, f"this cannot be read: {reason}") from None
        if os.path.isdir(entry):
            return self._told(entry, list(self._below(entry)), "no picture in this folder")
        return [Path(entry)]

    def _told(self, entry: str, pictures: list[Path], nothing: str) -> list[Path]:
        if not pictures and not (self._failed and self._on_error):
            there = kinds.words(self._passed)
            raise named(
                entry, f"{nothing} ({FORMATS}, told by the name's ending){f'; it holds {there}' if there else ''}"
            )
        return pictures

    def _below(self, folder: str) -> Iterator[Path]:
        """The pictures in a folder and in all folders below it."""
        waiting = [folder]
        while waiting:
            here = self._listed(waiting.pop())
            yield from (Path(path) for path, kind in here if kind == _FILE and self._is_meant(path))
            waiting += [path for path, kind in here if kind == _FOLDER and not _is_hidden(path)]

    def _glob(self, pattern: str) -> Iterator[Path]:
        """The pictures that match, and those below folders that do.

        Python's own `glob` does not say what it cannot read, and follows links round in circles.
        """
        start, parts = _split(pattern)
        for path in self._matches(start, parts):
            if os.path.isdir(path):
                yield from self._below(path)
            elif not pattern.endswith(os.sep) and self._is_meant(path):
                yield Path(path)

    def _is_meant(self, path: str) -> bool:
        if _is_picture(path):
            return True
        if not _is_hidden(path):
            self._passed.append(path)
            if self._on_skip is not None:
                self._on_skip(Path(path))
        return False

    def _matches(self, folder: str, parts: list[str], *, is_deep: bool = False) -> Iterator[str]:
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._matches(folder, rest or ["*"], is_deep=True)
            for path, kind in self._listed(folder, is_sought=False):
                if kind == _FOLDER and not _is_hidden(path):
                    yield from self._matches(path, parts)
            return
        if not glob.has_magic(part):
            path = os.path.join(folder, part)
            if os.path.lexists(path):
                yield from self._matches(path, rest) if rest else [path]
            return
        fits = re.compile(fnmatch.translate(os.path.normcase(part))).match
        for path, kind in self._listed(folder, is_sought=False):
            name = os.path.basename(path)
            if (
                (kind != _LINK or not is_deep)
                and fits(os.path.normcase(name))
                and (part.startswith(".") or not _is_hidden(name))
            ):
                if not rest:
                    yield path
                elif os.path.isdir(path):
                    yield from self._matches(path, rest)

    def _listed(self, folder: str, *, is_sought: bool = True) -> list[tuple[str, str]]:
        """The path and the kind of all that is in a folder; one that is only looked through may be closed to us."""
        try:
            with os.scandir(folder or os.curdir) as entries:
                return sorted((os.path.join(folder, entry.name), _kind(entry)) for entry in entries)
        except OSError as error:
            problem = named(folder or os.curdir, f"this folder cannot be read: {why(error)}")
        if self._on_error is None and is_sought:
            raise problem
        if self._on_error is not None and folder not in self._failed:
            self._on_error(Path(folder), problem)
        self._failed.add(folder)
        return []


def _split(pattern: str) -> tuple[str, list[str]]:
    """A pattern's folder up to the first part that is one, and the parts from there on.

    >>> _split("photos/20*/**/a?.jpg"), _split("*.png")
    (('photos', ['20*', '**', 'a?.jpg']), ('', ['*.png']))
    """
    drive, rest = os.path.splitdrive(pattern)
    parts = re.split(r"[\\/]+" if os.altsep else "/+", rest)
    first = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    start = os.sep.join(parts[:first]) or (os.sep if first else "")
    return drive + start, [part for part in parts[first:] if part] or ["*"]


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if not entry.is_dir():
            return _FILE
        return _LINK if entry.is_symlink() else _FOLDER
    except OSError:  # a link that leads round in a circle: whoever reads it is told
        return _FILE


def _is_hidden(path: str) -> bool:
    return os.path.basename(path).startswith(".")


def _is_picture(path: str) -> bool:
    return not _is_hidden(path) and os.path.splitext(path)[1].lower() in SUFFIXES
