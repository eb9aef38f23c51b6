"""Parts on the disk: written whole under a name that follows from their content, then marked as done."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.jobs.folder import place_in, put
from whylight.jsontext import dumps, loads
from whylight.mapstore.arrow import arrow
from whylight.mapstore.schema import FAILED, Row, table_of
from whylight.schema import Place, Schema

MAPS, DONE, SUCCESS = "maps", "done", "_SUCCESS"
_MARK = re.compile(r"\d{6,}\.json")
_PART = re.compile(r"part-\d{6,}-[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class Mark:
    """That a part is whole.

    Attributes:
        part: its number.
        file: where it lies, in the folder.
        run: the fingerprint of what was asked.
        pictures, failed: how many it has, and how many of them could not be explained.
        maps: how many maps.
        size: bytes of the file.
        seconds: how long it took.
        at: when it was done, in seconds since 1970.
    """

    part: int
    file: Place
    run: str
    pictures: int
    failed: int
    maps: int
    size: int
    seconds: float
    at: float


_SCHEMA = Schema(Mark)


def write(folder: Path, part: int, rows: Sequence[Row], run: str, *, seconds: float, at: float) -> Mark:
    """Write a part, and then its mark.

    Raises:
        WriteError: if they cannot be written.
    """
    data = packed(table_of(rows, run))
    name = f"{MAPS}/part-{part:06d}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    put(folder, name, data)
    failed = sum(row["status"] == FAILED for row in rows)
    pictures = len({row["row"] for row in rows})
    mark = Mark(part, name, run, pictures, failed, len(rows) - failed, len(data), round(seconds, 3), round(at, 3))
    put(folder, f"{DONE}/{part:06d}.json", dumps(vars(mark)).encode() + b"\n")
    return mark


def packed(table: Any) -> bytes:
    """A table as a Parquet file: the same bytes for the same rows."""
    sink = arrow().BufferOutputStream()
    # Repeated words in a dictionary; of maps, which hardly repeat, none.
    words = ["status", "method", "asked", "label", "flat", "units", "scale", "model", "details"]
    arrow("parquet").write_table(table, sink, compression="zstd", use_dictionary=words, store_schema=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def done(folder: Path, run: str) -> dict[int, Mark]:
    """The parts that are whole, by number: marked, of this run, and there."""
    there = {f"{MAPS}/{path.name}": path.stat().st_size for path in _files(folder / MAPS)}
    found = {}
    for path in _files(folder / DONE):
        mark = _read(path)
        if mark is not None and mark.run == run and there.get(mark.file) == mark.size:
            found[mark.part] = mark
    return dict(sorted(found.items()))


def sweep(folder: Path, marks: Mapping[int, Mark]) -> None:
    """Delete the files of parts that no mark names: what a kill left behind, and what was made anew."""
    named = {mark.file for mark in marks.values()}
    for path in _files(folder / MAPS):
        if _PART.fullmatch(path.name) and f"{MAPS}/{path.name}" not in named:
            path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Delete all parts, marks first."""
    take_back(folder)
    for path in [*_files(folder / DONE), *_files(folder / MAPS)]:
        if _MARK.fullmatch(path.name) or _PART.fullmatch(path.name):
            path.unlink(missing_ok=True)


def succeed(folder: Path, marks: Mapping[int, Mark], run: str) -> None:
    """Say that all parts are there."""
    told = {
        "run": run,
        "parts": len(marks),
        "pictures": sum(one.pictures for one in marks.values()),
        "failed": sum(one.failed for one in marks.values()),
        "maps": sum(one.maps for one in marks.values()),
        "bytes": sum(one.size for one in marks.values()),
    }
    put(folder, SUCCESS, dumps(told).encode() + b"\n")


def take_back(folder: Path) -> None:
    """Say so no longer: there is more to do."""
    place_in(folder, SUCCESS).unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> Mark | None:
    """A mark; None where it was cut short, or is none."""
    if not _MARK.fullmatch(path.name):
        return None
    try:
        mark: Mark = _SCHEMA.read(loads(path.read_bytes()))
    except (OSError, ValueError):
        return None
    return mark if path.name == f"{mark.part:06d}.json" else None
