"""Records of what was written for pictures: each tells its files, its picture, and the question and settings it answers."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import TypedDict  # what pydantic reads before Python 3.12

from whylight.atomic import named_errors, replacing
from whylight.jobs.lines import Key, Lines, Record
from whylight.schema import Place, Schema, Text


class Stamp(TypedDict):
    """A file's place, its size, and when it last changed."""

    path: Text
    bytes: int
    mtime_ns: int


class Written(TypedDict):
    """What every record of results holds, whatever was written."""

    file: Place
    map: Place | None
    method: Text
    asked: Text | None
    settings: dict[Any, Any]
    stamp: Stamp


def stamp(path: str) -> Stamp:
    """What tells whether a file is still the one that was explained: its place, its size, and when it last changed.

    Contents are not compared: that would read every picture again, which is most of what a re-run wants to spare.
    """
    facts = os.stat(path)
    return {"path": os.path.abspath(path), "bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}


class Results(Lines):
    """`explanations.jsonl` of a results folder, or another such file: a line for each result; see `Lines`.

    Results with other settings may lie in the same folder. One that was made again replaces the earlier line when the run closes.

    Args:
        folder: the results folder.
        name: of the file in it.
        schema: what a record must hold, the keys of `Written` among them.
        files: the files of a record besides its `file` and `map`, relative to the folder.
        part: what tells a record from others that share its file; () where none does. Those that share one and were made with
            other settings are forgotten with the first of the new ones: the file shows them no longer.

    Raises:
        WhylightError: if the file cannot be read.
        WriteError: if it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        schema: Schema,
        files: Callable[[Record], list[str]] | None = None,
        part: Callable[[Record], Key] = lambda record: (),
    ) -> None:
        super().__init__(folder / name)
        self.folder = folder
        self._schema, self._more, self._part = schema, files, part
        self._answers: dict[Key, Key] = {}  # of picture, question and settings: the latest result
        self._bare: dict[str, Key] = {}  # results by the name of their file without its suffix
        self._stands_for: dict[Key, Key] = {}
        self._of_file: dict[str, set[Key]] = {}
        self._holds: dict[Key, tuple[str, ...]] = {}  # the files of each result
        self._held: Counter[str] = Counter()  # and how many have each
        self._superseded = False
        self._latest: Record = {}
        self._owned: set[str] | None = None  # all files, once somebody asks
        self._index()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wrote = self._writer is not None
        if wrote and self._superseded:
            self._rewrite()
        super().__exit__(kind, error, trace)

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
        key = self._answers.get(_answer(now["path"], method, asked, settings))
        record = self.get(key) if key is not None else None
        if record is None or record["stamp"] != dict(now):
            return None
        return record if all(os.path.isfile(self.folder / name) for name in self.files(record)) else None

    def answers(self, record: Record) -> Iterator[Record]:
        """The results that a new one stands for: of the same question, picture and settings, and under the same name."""
        found = _answer(record["stamp"]["path"], record["method"], record["asked"], record["settings"])
        for key in dict.fromkeys((self._answers.get(found), self._key(record))):
            if key is not None and (one := self.get(key)) is not None:
                yield one

    def forget(self, record: Record) -> None:
        """Leave a result out from now on; its line goes when the run closes, if anything else was written."""
        if self.get(key := self._key(record)) == record:
            self._forget(key)

    def holders(self, name: str) -> int:
        """How many results have a file of this name: those of a grid share it, and a map may be of one explanation drawn twice."""
        return self._held[name.casefold()]

    def files(self, record: Record) -> list[str]:
        """All files of a record, relative to the folder."""
        more = self._more(record) if self._more is not None else []
        return [record["file"], *([record["map"]] if record["map"] else []), *more]

    def owner(self, name: str) -> Record | None:
        """The record whose files have this name, whatever the suffix, on a file system that may not tell case.

        The raw map beside `a.png` and the one beside `a.jpg` would be the same file.
        """
        key = self._bare.get(_without_suffix(name))
        return self.get(key) if key is not None else None

    def owns(self, path: str) -> bool:
        """Whether a file is one of the results."""
        if self._owned is None:
            self._owned = {name.casefold() for record in self.records() for name in self.files(record)}
        return Path(os.path.relpath(path, self.folder)).as_posix().casefold() in self._owned

    def records(self) -> Iterator[Record]:
        """The latest record of each result, in the order in which they were written."""
        for key in list(self):
            record = self.get(key)
            assert record is not None
            yield record

    def add(self, record: Record) -> None:
        """Write a record down, at once."""
        self._latest = record
        self.put(self._key(record), record)

    def entry(self, value: Any) -> tuple[Key, Record] | None:
        """Key and record of a line; None where it is not ours."""
        if not self._schema.fits(value):
            return None
        self._latest = value
        return self._key(value), value

    def _key(self, record: Record) -> Key:
        return record["file"].casefold(), *self._part(record)

    def _keep(self, key: Key, place: int) -> None:
        record = self._latest
        answer = _answer(record["stamp"]["path"], record["method"], record["asked"], record["settings"])
        there = self._of_file.setdefault(key[0], set())
        for one in [one for one in there if one == key or self._stands_for[one][-1] != answer[-1]]:
            self._forget(one)  # the same one too, so that it comes last, as its line does
        super()._keep(key, place)
        there.add(key)
        self._answers[answer] = self._bare[_without_suffix(record["file"])] = key
        if record["map"]:
            self._bare[_without_suffix(record["map"])] = key
        self._stands_for[key] = answer
        self._holds[key] = tuple(name.casefold() for name in self.files(record))
        self._held.update(self._holds[key])

    def _forget(self, key: Key) -> None:
        self._superseded = True
        del self._places[key]
        self._of_file[key[0]].discard(key)
        answer = self._stands_for.pop(key)
        if self._answers.get(answer) == key:
            del self._answers[answer]
        for name in self._holds.pop(key):
            self._held[name] -= 1
            if self._bare.get(_without_suffix(name)) == key:
                del self._bare[_without_suffix(name)]

    def _rewrite(self) -> None:
        """Leave out the lines that a later one stands for; those that are not ours stay."""
        kept = set(self._places.values())
        with named_errors(self.path), self.path.open("rb") as old, replacing(self.path) as new:
            place = 0
            for number, line in enumerate(old, start=1):
                if place in kept or number in self._strange:
                    new.write(line)
                place += len(line)


def _without_suffix(name: str) -> str:
    return os.path.splitext(name)[0].casefold()


def _answer(path: str, method: str, asked: str | None, settings: Mapping[str, Any]) -> Key:
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return path, method, "top" if asked is None else f"={asked}", fingerprint
