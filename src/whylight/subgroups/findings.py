"""What an audit found, as arrays, and how it was done."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from whylight.subgroups.breakdown import Breakdown, Settings
from whylight.subgroups.tables.table import Note


class Attention(Protocol):
    """Where the model looks, by group."""

    def to_json(self) -> Any:
        """The same as JSON holds it."""

    def without(self, groups: AbstractSet[str]) -> Attention:
        """The same with nothing said of some groups, each as `column=value`."""


@dataclass(frozen=True)
class Findings:
    """What an audit found.

    Attributes:
        columns: names of the columns of groups, with their values.
        parts: the figures by combination of columns, as arrays; `()` is everybody.
        rows: how many rows have a label and a prediction.
        label, classes, positive: the label's name, its classes, and the one that rates of positives are about.
        prediction, against: names of the predictions, and of those they are compared with.
        threshold: from which on probabilities count as positive.
        identity, people: the column of persons, and how many there are.
        declared: combinations that were in question before anybody looked.
        correction: for many comparisons.
        families: of the declared and of the exploratory tests, how many, and their share of the error allowed.
        settings: level, alpha, and so on.
        hide_under: groups of fewer rows are not shown.
        notes: what was odd about the data.
        attention: where the model looks, by group.
    """

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    parts: Mapping[tuple[int, ...], Breakdown]
    rows: int
    label: str
    classes: tuple[str, ...]
    positive: str | None
    prediction: tuple[str, ...]
    against: tuple[str, ...]
    threshold: float | None
    identity: str | None
    people: int | None
    declared: frozenset[tuple[int, ...]]
    correction: str
    families: Mapping[str, Mapping[str, float]]
    settings: Settings
    hide_under: int
    notes: tuple[Note, ...]
    attention: Attention | None = None

    def name(self, which: tuple[int, ...]) -> tuple[str, ...]:
        """The names of a combination's columns."""
        return tuple(self.columns[i][0] for i in which)

    def values(self, part: Breakdown, place: int) -> dict[str, str]:
        """A group as a mapping of columns to values."""
        return {
            self.columns[i][0]: self.columns[i][1][code]
            for i, code in zip(part.columns, part.values[place], strict=True)
        }
