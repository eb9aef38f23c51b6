"""What is known, on disk line by line: a killed run goes on, and memory does not grow with what the records hold.

Two layouts share this one mechanism: `Results` (each record tells its own files, picture and settings) and `Store` (a head with
the settings, then keys and records).
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from whylight.atomic import named_errors
from whylight.errors import WhylightError, WhylightWarning
from whylight.jsontext import dumps, loads
from whylight.shown import shown

Key = tuple[str, ...]
Record = dict[str, Any]


class Lines:
    """A file of JSON lines that is only ever appended to; of two records with the same key the later counts.

    Each line is written out at once, so that a kill loses no more than what was in flight; a line cut short by it is taken off
    before the next is written. Records stay on disk: only where each begins is held in memory. A line that is not ours is left
    where it is, and said. Who adds lines must be the only one to do so: see `lock.only_run`.

    Args:
        path: the file; its folder is made with the first record.

    Raises:
        WhylightError: if the file cannot be read, or is a link or no file at all.
        WriteError: from `add`, if a line cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[Key, int] = {}
        self._whole = 0  # bytes up to the end of the last whole line
        self._strange: list[int] = []  # numbers of lines that are not ours
        self._reader: IO[bytes] | None = None
        self._writer: IO[bytes] | None = None  # opened for the first line: a run that fails early leaves nothing behind
        self.before_first: Callable[[], object] = lambda: None  # called before that

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
        found = self.entry(loads(self._reader.readline()))
        assert found is not None  # it was ours when it was indexed, and we alone write
        return found[1]

    def put(self, key: Key, value: Any) -> None:
        """Write a line down, at once."""
        line = dumps(value, compact=self.compact).encode() + b"\n"
        with named_errors(self.path):
            file = self._writer = self._writer or self._opened()
            file.write(line)
            file.flush()
        self._keep(key, self._whole)
        self._whole += len(line)

    def close(self) -> None:
        """Close the file; records are safe without it."""
        for file in (self._reader, self._writer):
            if file is not None:
                with named_errors(self.path):
                    file.close()
        self._reader = self._writer = None

    # What a layout says for itself.

    compact = False
    head: Record | None = None  # the first line, where there is one

    def check_head(self, head: Any) -> None:
        """Refuse a file whose first line is another's."""

    def entry(self, value: Any) -> tuple[Key, Record] | None:
        """Key and record of a line; None where it is not ours."""
        raise NotImplementedError

    def _keep(self, key: Key, place: int) -> None:
        self._places[key] = place

    # Reading.

    def _index(self) -> None:
        try:
            with _open(self.path) as file:
                if self.head is not None and not self._read_head(file.readline()):
                    return
                for number, line in enumerate(file, start=1 if self.head is None else 2):
                    if not line.endswith(b"\n"):
                        break
                    self._take(line, number)
                    self._whole += len(line)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise WhylightError(f"{shown(self.path)}: cannot be read: {error.strerror}") from error
        if self._strange:
            more = len(self._strange) - 1
            which = f"line {self._strange[0]}" + (f" and {more:,} more were" if more else " was")
            said = f"{shown(self.path)}: {which} not written by whylight, and left out; what stood there is done again"
            warnings.warn(said, WhylightWarning, stacklevel=2)

    def _read_head(self, line: bytes) -> bool:
        if not line.endswith(b"\n"):  # killed while the head was written, or nothing there at all
            return False
        self.check_head(_value(line))
        self._whole = len(line)
        return True

    def _take(self, line: bytes, number: int) -> None:
        found = self.entry(_value(line))
        if found is None:
            self._strange.append(number)
        else:
            self._keep(found[0], self._whole)

    def _opened(self) -> IO[bytes]:
        self.before_first()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = _open(self.path, writing=True)
        os.truncate(file.fileno(), self._whole)
        if self.head is not None and not self._whole:
            line = dumps(self.head, compact=True).encode() + b"\n"
            file.write(line)
            self._whole = len(line)
        return file


def _open(path: Path, *, writing: bool = False) -> IO[bytes]:
    """Open a store's file, which must be a file of its folder: through a link, somebody else's would be read or written.

    Raises:
        WhylightError: if it is a link, a pipe or a device.
        OSError: if it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND if writing else os.O_RDONLY
    if path.is_symlink():
        raise WhylightError(
            f"{shown(path)}: is a link, not a file of this folder; take it away, or choose another --out"
        )
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise WhylightError(f"{shown(path)}: is not a file; take it away, or choose another --out")
    return os.fdopen(file, "ab" if writing else "rb")


def _value(line: bytes) -> Any:
    try:
        return loads(line)
    except ValueError:
        return None
