"""The pictures of a job: which are meant, where each one's results go, and what tells whether it is still the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from whylight import images
from whylight.errors import ImageError, WhylightError
from whylight.jobs.events import Watch
from whylight.jobs.names import root_of, stems
from whylight.jobs.results import Results, Stamp, stamp
from whylight.shown import shown


@dataclass(frozen=True)
class Picture:
    """One picture of a job.

    Attributes:
        path: as it was named.
        key: its absolute path.
        stem: place of its results below the results folder, without method, label and suffix.
        stamp: as it was before anything was read; None where there is no file.
    """

    path: Path
    key: str
    stem: str
    stamp: Stamp | None


@dataclass(frozen=True)
class Pictures:
    """All pictures of a job, in order, and the folder that they are mirrored from."""

    all: list[Picture]
    root: str
    unread: list[tuple[str, WhylightError]]  # folders that could not be looked into

    def tell(self, watch: Watch) -> None:
        """Name the folders that could not be looked into."""
        for folder, error in self.unread:
            watch.failed(folder, error)


def find(inputs: Sequence[str], out: Path | None, open_results: Callable[[Path], Results]) -> Pictures:
    """List the pictures behind files, folders and globs, without what earlier runs wrote among them.

    Raises:
        ImageError: if an input does not exist, or holds no picture but results.
    """
    unread: list[tuple[str, WhylightError]] = []
    paths = images.walk(inputs, lambda folder, error: unread.append((str(folder), error)))
    if not paths:
        raise unread[0][1]
    if out is not None:
        paths = _without_results(paths, {os.path.abspath(entry) for entry in inputs}, out, open_results)
    if not paths:
        raise ImageError(f"{shown(', '.join(inputs))}: holds only results of earlier runs; give the pictures")
    root = root_of(inputs)
    places = stems(paths, root)
    found = []
    for path in paths:
        key = os.path.abspath(path)
        found.append(Picture(path, key, places[key], stamp(key) if path.is_file() else None))
    return Pictures(found, root, unread)


def _without_results(
    paths: list[Path], named: set[str], out: Path, open_results: Callable[[Path], Results]
) -> list[Path]:
    """Leave out what earlier runs wrote where the results lie among the pictures, except what was named outright."""
    inside = os.path.abspath(out) + os.sep
    if not any(os.path.abspath(path).startswith(inside) for path in paths):
        return paths
    with open_results(out) as results:
        return [path for path in paths if os.path.abspath(path) in named or not results.owns(os.path.abspath(path))]
