"""The pictures of a job: which are meant, where each one's results go, and what tells whether it is still the same."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whylight import images
from whylight.errors import ImageError, WhylightError
from whylight.images import kinds
from whylight.images.files import blaming
from whylight.images.sources import Named, read_all
from whylight.jobs.events import Watch
from whylight.jobs.folder import ERRORS
from whylight.jobs.job import NAME, STANDARD_INPUT
from whylight.jobs.names import root_of, stems
from whylight.jobs.results import Results, Stamp, stamp
from whylight.shown import shown

_DIGITS = 16  # of a piped picture's SHA-256, by which it is named
# What jobs write beside their pictures, wherever that lies.
_OURS = frozenset({NAME, ERRORS, "explanations.jsonl", "boxes.jsonl", "faces.jsonl", "pictures.jsonl", "face.json"})


@dataclass(frozen=True)
class Picture:
    """One picture of a job.

    Attributes:
        path: as it was named; of one that was piped in, a name by its content.
        key: its absolute path, or that name.
        stem: place of its results below the results folder, without method, label and suffix.
        stamp: as it was before anything was read; None where there is no file.
        data: what was piped in; None for a file.
    """

    path: Path
    key: str
    stem: str
    stamp: Stamp | None
    data: Named | None = None

    @property
    def source(self) -> Path | bytes:
        """What is decoded."""
        return self.path if self.data is None else self.data


@dataclass(frozen=True)
class Pictures:
    """All pictures of a job, in order, and the folder that they are mirrored from."""

    all: list[Picture]
    root: str
    unread: list[tuple[str, WhylightError]]  # folders that could not be looked into
    skipped: tuple[str, str] = ("", "")  # where files were found that are no pictures, and how many of which kinds

    def tell(self, watch: Watch) -> None:
        """Name the folders that could not be looked into, and what was found in the others beside pictures."""
        for folder, error in self.unread:
            watch.failed(folder, error)
        if self.skipped[1]:
            watch.skipped(*self.skipped)


def find(inputs: Sequence[str], out: Path | None, open_results: Callable[[Path], Results]) -> Pictures:
    """List the pictures behind files, folders, globs and standard input, without what earlier runs wrote among them.

    Raises:
        ImageError: if an input does not exist, or holds no picture but results.
    """
    unread: list[tuple[str, WhylightError]] = []
    beside: dict[str, str] = {}
    if inputs.count(STANDARD_INPUT) > 1:
        raise ImageError(f"{STANDARD_INPUT}: stands for one picture that is piped in; give it once")
    piped = [piped_in()] if STANDARD_INPUT in inputs else []
    named = [entry for entry in inputs if entry != STANDARD_INPUT]
    paths = images.walk(
        named,
        lambda folder, error: unread.append((str(folder), error)),
        lambda path: beside.update({os.path.abspath(path): str(path)}),
    )
    if not paths and not piped:
        raise unread[0][1]
    if out is not None:
        paths = _without_results(paths, {os.path.abspath(entry) for entry in named}, out, open_results)
    if not paths and not piped:
        raise ImageError(f"{shown(', '.join(inputs))}: holds only results of earlier runs; give the pictures")
    root = root_of(named) if named else os.getcwd()
    places = stems([*paths, *(Path(one.name) for one in piped)], root)
    found = [_piped(one, places[one.name]) for one in piped]
    for path in paths:
        key = os.path.abspath(path)
        found.append(Picture(path, key, places[key], stamp(key) if path.is_file() else None))
    return Pictures(found, root, unread, (_where(named), kinds.words(_strange(beside, paths, out))))


def piped_in() -> Named:
    """The picture on standard input, under a name that tells its content: what is piped in again is known again.

    Raises:
        ImageError: nothing is piped in, or too much.
    """
    how = f"cat photo.jpg | whylight explain {STANDARD_INPUT}"
    stream = None if sys.stdin is None else sys.stdin.buffer
    if stream is None or stream.isatty():
        raise ImageError(f"{STANDARD_INPUT}: nothing is piped in; it stands for a picture on standard input: {how}")
    with blaming(STANDARD_INPUT):
        data = read_all(stream)
    if not data:
        raise ImageError(f"{STANDARD_INPUT}: what was piped in is empty; {how}")
    return Named.of(data, f"stdin-{hashlib.sha256(data).hexdigest()[:_DIGITS]}")


def _piped(data: Named, stem: str) -> Picture:
    return Picture(Path(data.name), data.name, stem, {"path": data.name, "bytes": len(data), "mtime_ns": 0}, data)


def _where(inputs: Sequence[str]) -> str:
    """The folders and globs among the inputs, in words."""
    some = [entry for entry in inputs if not os.path.isfile(entry)]
    more = f" and {len(some) - 3} more" if len(some) > 3 else ""
    return ", ".join(f"{entry.rstrip(os.sep)}{os.sep}" if os.path.isdir(entry) else entry for entry in some[:3]) + more


def _strange(beside: dict[str, str], paths: Sequence[Path], out: Path | None) -> list[str]:
    """Files among the pictures that are neither asked for nor written by a job."""
    asked = {os.path.abspath(path) for path in paths}
    inside = None if out is None else os.path.abspath(out) + os.sep
    return [
        told
        for path, told in beside.items()
        if path not in asked and os.path.basename(path) not in _OURS and (inside is None or not path.startswith(inside))
    ]


def _without_results(
    paths: list[Path], named: set[str], out: Path, open_results: Callable[[Path], Results]
) -> list[Path]:
    """Leave out what earlier runs wrote where the results lie among the pictures, except what was named outright."""
    inside = os.path.abspath(out) + os.sep
    if not any(os.path.abspath(path).startswith(inside) for path in paths):
        return paths
    with open_results(out) as results:
        return [path for path in paths if os.path.abspath(path) in named or not results.owns(os.path.abspath(path))]
