"""Records by key, all made with the same settings: what `evaluate` and `calibrate` measured of each picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError
from whylight.jobs.lines import Key, Lines, Record
from whylight.jsontext import dumps, plain
from whylight.schema import Schema
from whylight.shown import shown

NAME = "pictures.jsonl"
_FORMAT = 1


def stamp(path: str | os.PathLike[str]) -> str:
    """What tells whether a file is still the one that was measured: its size, and when it last changed. A part of keys.

    Contents are not compared: that would read every picture again.
    """
    try:
        facts = os.stat(path)
    except OSError:
        return "missing"
    return f"{facts.st_size}-{facts.st_mtime_ns}"


class Store(Lines):
    """`pictures.jsonl` of a results folder: a head with the settings, then one line for each record; see `Lines`.

    Args:
        folder: the results folder; it is made with the first record.
        kind: what is measured, such as `"localization"`.
        settings: all that records depend on besides their key, as plain JSON values.
        overwrite: throw earlier records away.
        schema: what a record must hold; lines with other values are not ours.

    Raises:
        WhylightError: if the folder holds records of another kind, or made with other settings, naming the first that differs.
        WriteError: from `add`, if the line cannot be written.
    """

    compact = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        kind: str,
        settings: Mapping[str, Any],
        *,
        overwrite: bool = False,
        schema: Schema | None = None,
    ) -> None:
        super().__init__(Path(folder) / NAME)
        self.head = {"whylight": kind, "format": _FORMAT, "settings": plain(settings)}
        self._kind, self._schema = kind, schema
        if not overwrite:
            self._index()

    def add(self, key: Key, record: Mapping[str, Any]) -> None:
        """Write a record down, at once. NaN and infinity become null."""
        self.put(key, {"key": key, "record": record})

    def entry(self, value: Any) -> tuple[Key, Record] | None:
        """Key and record of a line; None where it is not ours."""
        if not isinstance(value, dict):
            return None
        key, record = value.get("key"), value.get("record")
        if not isinstance(key, list) or not isinstance(record, dict) or not all(isinstance(one, str) for one in key):
            return None
        return (tuple(key), record) if self._schema is None or self._schema.fits(record) else None

    def check_head(self, head: Any) -> None:
        """Refuse records of another kind, format or settings."""
        theirs = head.get("settings") if isinstance(head, dict) else None
        assert self.head is not None
        ours: dict[str, Any] = self.head["settings"]
        if not isinstance(theirs, dict) or "whylight" not in head or head.get("format") != _FORMAT:
            raise WhylightError(f"{shown(self.path)}: was not written by this whylight evaluate; choose another --out")
        folder = shown(self.path.parent)
        if head["whylight"] != self._kind:
            raise WhylightError(f"{folder}: holds results of evaluate {shown(head['whylight'])}; choose another --out")
        for name in (*ours, *theirs):
            if ours.get(name) != theirs.get(name):
                raise WhylightError(
                    f"{folder}: holds results with another setting, {shown(name)}: {_short(theirs.get(name))} there, "
                    f"{_short(ours.get(name))} now. Choose another --out, or --overwrite to measure anew"
                )


def _short(value: Any) -> str:
    """A setting as it is told."""
    text = dumps(value)
    return text if len(text) <= 200 else text[:200] + "…"
