"""What an output folder holds already: a line of JSON for each explanation. A second run does only what is missing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from whylight.atomic import named_errors, replacing
from whylight.errors import WhylightError

Record = dict[str, Any]
NAME = "explanations.jsonl"


def stamp(path: str) -> dict[str, Any]:
    """What tells whether a file is still the one that was explained: its place, its size, and when it last changed.

    Contents are not compared: that would read every picture again, which is most of what a re-run wants to spare.
    """
    facts = os.stat(path)
    return {"path": os.path.abspath(path), "bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}


class Ledger:
    """`explanations.jsonl` of an output folder, or another such file: read once, then appended to line by line.

    Each line is written out at once, so that a kill loses no more than what was in flight; a line cut short by a kill
    is taken off before the next is written. A result that was made again replaces the earlier line when the run
    closes. Who adds lines must be the only one to do so: see `lock.only_run`.

    Args:
        folder: the output folder.
        name: of the file in it.

    Raises:
        WhylightError: if the file cannot be read.
        WriteError: if it cannot be written.
    """

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.folder = folder
        self.path = folder / name
        self._by_file: dict[str, Record] = {}  # one record a file: the latest
        self._by_name: dict[str, Record] = {}  # the same by the name without its suffix
        self._done: dict[tuple[str, str, str | None, str], Record] = {}
        self._others: list[str] = []  # lines that are not ours stay, and what they stood for is done again
        self._superseded = False
        self._whole = 0  # bytes up to the end of the last whole line
        self._file: IO[str] | None = (
            None  # opened for the first line, so that a run that fails early leaves nothing behind
        )
        try:
            self._read()
        except OSError as error:
            raise WhylightError(f"{self.path}: cannot be read: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with named_errors(self.path):
                self._file.close()
            if self._superseded:
                self._rewrite()

    def done(
        self, now: Mapping[str, Any], method: str, asked: str | None, settings: Mapping[str, Any]
    ) -> Record | None:
        """The record of a result that need not be made again: the same picture, question and settings, the files there.

        Args:
            now: the picture's `stamp` as it is now.
            method: method name.
            asked: the target as it was asked for; None for the top class.
            settings: all else that the result depends on.
        """
        record = self._done.get(_key(now["path"], method, asked, settings))
        if record is None or record["stamp"] != dict(now):
            return None
        files = [record["file"], *([record["map"]] if record["map"] else [])]
        return record if all((self.folder / name).is_file() for name in files) else None

    def owner(self, name: str) -> Record | None:
        """The record whose files have this name, whatever the suffix, on a file system that may not tell case.

        The raw map beside `a.png` and the one beside `a.jpg` would be the same file.
        """
        return self._by_name.get(_bare(name))

    def owns(self, path: str) -> bool:
        """Whether a file is one of the results."""
        place = os.path.relpath(path, self.folder)
        return not place.startswith("..") and place.casefold() in self._by_file

    def records(self) -> list[Record]:
        """The latest record of each result, in the order in which they were written."""
        return list(self._by_file.values())

    def add(self, record: Record) -> None:
        """Write a record down, at once."""
        line = json.dumps(_plain(record), ensure_ascii=False, allow_nan=False)
        with named_errors(self.path):
            file = self._file = self._file or self._opened()
            file.write(line + "\n")
            file.flush()
        self._keep(record)

    def _read(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        self._whole = data.rfind(b"\n") + 1
        for line in data[: self._whole].splitlines():
            record = _parsed(line)
            if record is not None:
                self._keep(record)
            else:
                self._others.append(line.decode(errors="replace"))

    def _opened(self) -> IO[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            os.truncate(self.path, self._whole)
        return self.path.open("a", encoding="utf-8")

    def _keep(self, record: Record) -> None:
        before = self._by_file.pop(record["file"].casefold(), None)
        if before is not None:
            self._superseded = True
            self._done.pop(_key_of(before), None)
        self._by_file[record["file"].casefold()] = self._by_name[_bare(record["file"])] = record
        self._done[_key_of(record)] = record

    def _rewrite(self) -> None:
        with named_errors(self.path), replacing(self.path) as file:
            file.writelines(f"{line}\n".encode() for line in self._others)
            for record in self._by_file.values():
                file.write(json.dumps(_plain(record), ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _bare(name: str) -> str:
    return os.path.splitext(name)[0].casefold()


def _key(path: str, method: str, asked: str | None, settings: Mapping[str, Any]) -> tuple[str, str, str | None, str]:
    return path, method, asked, json.dumps(settings, sort_keys=True)


def _key_of(record: Record) -> tuple[str, str, str | None, str]:
    return _key(record["stamp"]["path"], record["method"], record["asked"], record["settings"])


def _parsed(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    needed = {"file", "map", "method", "asked", "settings", "stamp"}
    ours = isinstance(record, dict) and needed <= record.keys() and isinstance(record["stamp"], dict)
    return record if ours and "path" in record["stamp"] else None


def _plain(record: Record) -> Record:
    """JSON has no NaN and no infinity: such a score becomes null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in record.items()
    }
