"""A results folder: one run at a time in it, nothing written outside of it, what a killed run left half-written swept up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.atomic import named_errors, replacing
from whylight.errors import WhylightError, WriteError
from whylight.jobs.lock import only_run
from whylight.schema import is_inside
from whylight.shown import shown

ERRORS = "errors.jsonl"
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{16}\.part")  # as `atomic.replacing` calls them


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have a folder to oneself while the block runs; half-written files of killed runs are taken away first."""
    with only_run(folder):
        sweep(folder)
        yield


@contextmanager
def alone_beside(file: Path, held: Path | None) -> Iterator[None]:
    """Keep other runs out of the folder of a file that is about to be written, unless it is the folder `held` already."""
    folder = file.resolve().parent
    if held is not None and held.resolve() == folder:
        yield
        return
    with only_run(folder):
        sweep(folder, deep=False)
        yield


def sweep(folder: Path, *, deep: bool = True) -> None:
    """Delete what killed runs left half-written, at any depth or there alone. Only who holds the folder's lock may."""
    for here, below, names in os.walk(folder):
        if not deep:
            below.clear()
        for name in names:
            if _HALF_WRITTEN.fullmatch(name):
                Path(here, name).unlink(missing_ok=True)


def check_folder(out: Path) -> None:
    """Complain about a folder that cannot be written, without making it yet.

    Raises:
        WhylightError: naming what is in the way.
    """
    there = next(path for path in (out, *out.absolute().parents) if path.exists() or path.is_symlink())
    if not there.is_dir():
        raise WhylightError(f"--out {shown(out)}: {shown(there)} is a file, not a folder; choose another name")
    if not os.access(there, os.W_OK | os.X_OK):
        raise WhylightError(f"--out {shown(out)}: no permission to write in {shown(there)}; choose another folder")


def place_in(folder: Path, name: str) -> Path:
    """Where a file of a results folder lies; what a store or job says never leads out of the folder, not through a link either.

    Raises:
        WriteError: if it would.
    """
    path = folder / name
    root = os.path.realpath(folder)
    if not is_inside(name) or os.path.commonpath([root, os.path.realpath(path.parent)]) != root:
        raise WriteError(f"{shown(path)}: leads out of {shown(folder)}; take away the link or the line that says so")
    return path


def put(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of a results folder, whole or not at all, sub-folders made; a link in its place is replaced, not followed.

    Raises:
        WriteError: if it cannot be written, or would lie outside of the folder.
    """
    path = place_in(folder, name)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        with replacing(path) as file:
            file.write(data)
    return path
