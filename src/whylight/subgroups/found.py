"""What was found about a model's attention: everything as arrays for a report, and as plain values for a file."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from whylight.evaluate.bootstrap import Interval
from whylight.jsontext import plain
from whylight.subgroups.attention import Difference, Figure, MeanMap
from whylight.subgroups.chances.contrast import Bools, Contrast, Ints
from whylight.subgroups.discover import Discovery
from whylight.subgroups.hiding import FILLS, Change, Hiding
from whylight.subgroups.looking.looked import Looked
from whylight.subgroups.middle import Middle
from whylight.subgroups.stats.families import corrected

OTHERS = "all others"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two groups held against each other.

    Attributes:
        names: of the two; the second may be `OTHERS`, everybody with another value in the first one's column.
        difference: of their maps; None where there are too few, and `why_not` says so.
        telling: rows of the first group's and of the second's pictures in which the difference shows most.
        covered: what covering each region does to the gap; `elsewhere`: the same hole elsewhere in the frame, for comparison.
    """

    names: tuple[str, str]
    difference: Difference | None
    why_not: str
    telling: tuple[Ints, Ints]
    covered: list[Hiding]
    elsewhere: list[Hiding]


@dataclass(frozen=True, eq=False)
class Attention:
    """Where a model looks, by group.

    Attributes:
        looked: the answers, a row for each picture.
        member: for each group, who belongs to it.
        means: mean maps, everybody's first.
        parts: shares of the evidence by part of the face and group.
        faithful: how faithful maps are, by measure and group.
        pairs: groups held against each other.
        discovery: groups nobody named, its indices being places in `known`; None without labels.
        known: rows with an answer and a label.
        truth: (n,) each row's labelled class, −1 where there is none; None without labels.
        middle: the uncertain middle, its indices being places in `answered`; None where classes do not exclude each other.
        answered: rows with an answer.
        level: of the intervals.
    """

    looked: Looked
    member: dict[str, Bools]
    means: list[MeanMap]
    parts: list[Figure]
    faithful: list[Figure]
    pairs: list[Pair]
    discovery: Discovery | None
    known: Ints
    truth: Ints | None
    middle: Middle | None
    answered: Ints
    level: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The maps, by name: for an .npz file."""
        found: dict[str, NDArray[Any]] = {f"mean: {one.group}": one.map for one in self.means}
        for pair in self.pairs:
            if pair.difference is not None:
                name = " - ".join(pair.names)
                found[f"difference: {name}"] = pair.difference.map
                found[f"p: {name}"] = pair.difference.p
        if self.middle is not None and self.middle.maps is not None:
            found["difference: the uncertain middle - all others"] = self.middle.maps.map
            found["p: the uncertain middle - all others"] = self.middle.maps.p
        return found

    def without(self, groups: AbstractSet[str]) -> Self:
        """The same with nothing said of some groups, for they are few people."""

        def kept(figures: list[Figure]) -> list[Figure]:
            return [one for one in figures if one.group not in groups]

        told = self.discovery
        if told is not None:
            seen = [
                replace(one, traits=[t for t in one.traits if f"{t.column}={t.value}" not in groups])
                for one in told.found
            ]
            told = replace(told, found=seen)
        return replace(
            self,
            member={name: inside for name, inside in self.member.items() if name not in groups},
            means=[one for one in self.means if one.group not in groups],
            parts=kept(self.parts),
            faithful=kept(self.faithful),
            pairs=[pair for pair in self.pairs if not groups & set(pair.names)],
            discovery=told,
            middle=None if self.middle is None else replace(self.middle, who=kept(self.middle.who)),
        )

    def sizes(self, pair: Pair) -> list[int]:
        """How many pictures the two groups of a pair have."""
        inside = [int(self.member[name].sum()) for name in pair.names if name in self.member]
        return inside if len(inside) == 2 else [*inside, len(self.looked.paths) - inside[0]]

    def to_json(self) -> dict[str, Any]:
        """All but the maps, as plain values; pictures by their paths."""
        looked = self.looked
        tested = corrected([one.p for pair in self.pairs for one in pair.covered])
        p_of = iter(tested.tolist())
        found = {
            "asked": looked.told,
            "pictures": len(looked.paths),
            "aligned": looked.counts,
            "failed": looked.failed,
            "level": self.level,
            "maps": [{"group": one.group, "n": one.n, "without evidence": one.blank} for one in self.means],
            "parts": [_figure(one) for one in self.parts],
            "faithfulness": [_figure(one) for one in self.faithful],
            "pairs": [
                {
                    "groups": list(pair.names),
                    "maps": _difference(pair.difference) if pair.difference is not None else {"why not": pair.why_not},
                    "telling": [self._paths(rows) for rows in pair.telling],
                    "covered": [{**_hiding(one), "p corrected": next(p_of)} for one in pair.covered],
                    "covered elsewhere": [_hiding(one) for one in pair.elsewhere],
                }
                for pair in self.pairs
            ],
            "covered with": FILLS.get(str(looked.told.get("fill")), ""),
            "discovered": self._discovered(),
            "middle": self._doubts(),
        }
        told: dict[str, Any] = plain(found)
        return told

    def _paths(self, rows: Ints) -> list[str]:
        return [str(self.looked.paths[int(row)]) for row in rows]

    def _discovered(self) -> dict[str, Any] | None:
        told = self.discovery
        if told is None:
            return None
        return {
            "why not": told.why_not,
            "tried": told.tried,
            "pictures": [told.first, told.second],
            "level": told.level,
            "groups": [
                {
                    "n": len(one.members),
                    "percent wrong": _interval(one.inside),
                    "percent wrong elsewhere": _interval(one.outside),
                    "p corrected": one.p,
                    "traits": [trait._asdict() for trait in one.traits],
                    "examples": self._paths(self.known[one.examples]),
                }
                for one in told.found
            ],
        }

    def _doubts(self) -> dict[str, Any] | None:
        told = self.middle
        if told is None:
            return None
        return {
            "rule": told.rule,
            "temperature": told.temperature,
            "n": int(told.inside.sum()),
            "who": [_figure(one) for one in told.who],
            "percent right": None if told.right is None else _interval(told.right),
            "percent right elsewhere": None if told.elsewhere is None else _interval(told.elsewhere),
            "maps": None if told.maps is None else _difference(told.maps),
            "examples": self._paths(self.answered[told.order[:24]]),
        }


def _interval(one: Interval) -> dict[str, Any]:
    return {"value": one.mean, "interval": [one.low, one.high], "n": one.n}


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "what": one.what,
        "group": one.group,
        **({"value": None, "interval": [None, None], "n": 0} if one.mean is None else _interval(one.mean)),
        "gap to all others": None if one.rest is None else _contrast(one.rest),
        "p corrected": one.p,
        "evidence": "enough" if one.enough else "insufficient",
    }


def _contrast(one: Contrast) -> dict[str, Any]:
    return {"value": one.difference, "interval": [one.low, one.high], "p": one.p}


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "people": list(one.people),
        "without evidence": list(one.blank),
        "share of evidence that lies elsewhere": one.moved,
        "cells that differ": float(one.significant.mean()),
        "least p": float(np.min(one.p)),
        "how": one.how,
    }


def _change(one: Change) -> dict[str, Any]:
    return {
        "seen": _interval(one.seen),
        "covered": _interval(one.covered),
        "change": {"value": one.change, "interval": [one.low, one.high]},
    }


def _hiding(one: Hiding) -> dict[str, Any]:
    return {
        "region": one.region,
        "first": _change(one.first),
        "second": _change(one.second),
        "gap seen": one.seen,
        "gap covered": one.covered,
        "change of the gap": {"value": one.change, "interval": [one.low, one.high], "p": one.p},
        "closes": one.closes,
        "closes for losses alone": one.levels_down,
        "opens": one.opens,
        "pictures": one.pictures,
    }
