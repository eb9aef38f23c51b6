"""What is known of each picture, on disk line by line: a killed run goes on, and memory does not grow with the pictures."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from whylight.atomic import named_errors
from whylight.errors import WhylightError

NAME = "pictures.jsonl"
_FORMAT = 1
Key = tuple[str, ...]
Record = dict[str, Any]


def stamp(path: str | os.PathLike[str]) -> str:
    """What tells whether a file is still the one that was measured: its size, and when it last changed. A part of keys.

    Contents are not compared: that would read every picture again.
    """
    try:
        facts = os.stat(path)
    except OSError:
        return "missing"
    return f"{facts.st_size}-{facts.st_mtime_ns}"


class Store:
    """`pictures.jsonl` of a results folder: a header with the settings, then one line for each record.

    Each line is written out at once, so that a kill loses no more than what was in flight; a line cut short by it is
    taken off before the next is written. Records stay on disk; only where each begins is held in memory. Of two with the same
    key the later counts. One process at a time may write.

    Args:
        folder: the results folder; it is made with the first record.
        kind: what is measured, such as `"localization"`.
        settings: all that records depend on besides their key, as plain JSON values.
        overwrite: throw earlier records away.

    Raises:
        WhylightError: if the folder holds records of another kind, or made with other settings, naming the first that differs.
        WriteError: from `add`, if the line cannot be written.
    """

    def __init__(
        self, folder: str | os.PathLike[str], kind: str, settings: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        self.path = Path(folder) / NAME
        self._head = {"whylight": kind, "format": _FORMAT, "settings": json.loads(_line(settings))}
        self._places: dict[Key, int] = {}
        self._whole = 0  # bytes up to the end of the last whole line
        self._reader: IO[bytes] | None = None
        self._writer: IO[bytes] | None = None
        if not overwrite and self.path.is_file():
            try:
                self._index()
            except OSError as error:
                raise WhylightError(f"{self.path}: cannot be read: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def get(self, key: Key) -> Record | None:
        """The record with this key; None where there is none yet."""
        place = self._places.get(key)
        if place is None:
            return None
        if self._reader is None:
            self._reader = self.path.open("rb")
        self._reader.seek(place)
        record: Record = json.loads(self._reader.readline())["record"]
        return record

    def add(self, key: Key, record: Mapping[str, Any]) -> None:
        """Write a record down, at once. NaN and infinity become null."""
        line = _line({"key": key, "record": record}) + b"\n"
        with named_errors(self.path):
            file = self._writer = self._writer or self._opened()
            file.write(line)
            file.flush()
        self._places[key] = self._whole
        self._whole += len(line)

    def close(self) -> None:
        """Close the file; records are safe without it."""
        for file in (self._reader, self._writer):
            if file is not None:
                file.close()
        self._reader = self._writer = None

    def _index(self) -> None:
        with self.path.open("rb") as file:
            head = file.readline()
            if not head.endswith(b"\n"):  # killed while the header was written, or nothing there at all
                return
            self._check(_parsed(head))
            self._whole = len(head)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                entry = _parsed(line)
                if isinstance(entry.get("key"), list) and isinstance(entry.get("record"), dict):
                    self._places[tuple(map(str, entry["key"]))] = self._whole
                self._whole += len(line)

    def _check(self, head: Record) -> None:
        theirs, ours = head.get("settings"), self._head["settings"]
        if not isinstance(theirs, dict) or "whylight" not in head or head.get("format") != _FORMAT:
            raise WhylightError(f"{self.path}: was not written by this whylight evaluate; choose another --out")
        if head["whylight"] != self._head["whylight"]:
            raise WhylightError(
                f"{self.path.parent}: holds results of evaluate {head['whylight']}; choose another --out"
            )
        for name in (*ours, *theirs):
            if ours.get(name) != theirs.get(name):
                raise WhylightError(
                    f"{self.path.parent}: holds results with another setting, {name}: {json.dumps(theirs.get(name))} there, "
                    f"{json.dumps(ours.get(name))} now. Choose another --out, or --overwrite to measure anew"
                )

    def _opened(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._whole:
            os.truncate(self.path, self._whole)
            return self.path.open("ab")
        file = self.path.open("wb")
        head = _line(self._head) + b"\n"
        file.write(head)
        self._whole = len(head)
        return file


def _line(value: Any) -> bytes:
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """The same value as JSON can hold it: no NaN or infinity (null instead), no arrays, no tuples."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers, tensors
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _parsed(line: bytes) -> Record:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
