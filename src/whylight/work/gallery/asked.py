"""Which questions a folder's records answer, each with a name that tells it apart from the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from whylight.jsontext import dumps
from whylight.pages.entries import Fact, Question

if TYPE_CHECKING:
    from whylight.jobs.lines import Record

_FILES = ("model_file", "weights")  # settings that are a file's path, size and date
_NAMES = {"model_file": "model file", "bundled": "model version", "classes": "class names"}
_USUAL: tuple[Any, ...] = (None, False, "", "auto", {}, [], True, [1.0])


class Asked:
    """Numbers questions: a method, a target, and the settings that decide a result.

    Args:
        records: all that are shown.
        aside: settings that change how a result is drawn, not which.
        first: settings of the present run, whose questions come first.
    """

    def __init__(self, records: Sequence[Record], aside: Collection[str], first: Mapping[str, Any]) -> None:
        self._aside = aside
        now = self._kept(first)
        found = {self._key(record): record for record in records}
        keys = sorted(found, key=lambda key: self._kept(found[key]["settings"]) != now)
        self._places = {key: place for place, key in enumerate(keys)}
        kinds = [
            (record["method"], record["asked"], self._kept(record["settings"]))
            for record in map(found.get, keys)
            if record
        ]
        self.questions = tuple(_question(kind, kinds) for kind in kinds)

    def place(self, record: Record) -> int:
        """The number of the question that a record answers."""
        return self._places[self._key(record)]

    def _kept(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if name not in self._aside}

    def _key(self, record: Record) -> str:
        return dumps([record["method"], record["asked"], sorted(self._kept(record["settings"]).items())])


def _question(kind: tuple[str, str | None, dict[str, Any]], kinds: Sequence[Any]) -> Question:
    method, asked, settings = kind
    others = [other for one, target, other in kinds if (one, target) == (method, asked)]
    names = dict.fromkeys(name for other in others for name in other)
    differ = [name for name in names if any(other.get(name) != settings.get(name) for other in others)]
    told = [
        text if name == "model" else f"{_NAMES.get(name, name)} {text}"
        for name in differ
        if (text := _told(name, settings.get(name)))
    ]
    facts: list[Fact] = [("Method", method), ("Asked about", "the most probable class" if asked is None else asked)]
    for name, value in settings.items():
        if value not in _USUAL and name not in _NAMES and name not in _FILES:
            facts.append((name.replace("_", " ").capitalize(), _told(name, value)))
    return Question(" · ".join([method, *([asked] if asked is not None else []), *told]), tuple(facts))


def _told(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _FILES and isinstance(value, list) and len(value) == 3:
        return f"of {datetime.fromtimestamp(value[2] / 1e9, UTC):%Y-%m-%d %H:%M:%S}"
    return value if isinstance(value, str) else dumps(value)
