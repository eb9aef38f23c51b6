"""The measures of faithfulness by name: what each asks, how it is made, and how it is computed for a batch of maps."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from whylight.errors import DataError
from whylight.evaluate.measures import drop, infidelity, road, sensitivity
from whylight.evaluate.measures.deletion import Protocol, area, curves
from whylight.evaluate.measures.scoring import Score
from whylight.jobs.lines import Record


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: what it is called in reports.
        better: whether higher or lower figures are better.
        unit: `"%"`, or nothing.
        answer: the question that it answers, and what it cannot tell.
    """

    title: str
    better: Literal["higher", "lower"]
    unit: Literal["%", ""]
    answer: str


MEASURES: dict[str, Measure] = {
    "insertion": Measure(
        "insertion",
        "higher",
        "",
        "How soon does the network recognise the class when the hottest pixels of a blurred picture become sharp first?",
    ),
    "deletion": Measure(
        "deletion",
        "lower",
        "",
        "How soon does the score fall when the hottest pixels are painted over first? A weak judge: painted patches confuse a "
        "network wherever they are, and on some networks random maps do as well. Read insertion first.",
    ),
    "road": Measure(
        "ROAD",
        "higher",
        "",
        "Does it cost more score to remove what the map calls relevant than what it calls irrelevant, when removed pixels are "
        "filled in from around so that the removal itself says little? 0 is chance.",
    ),
    "drop": Measure(
        "average drop",
        "lower",
        "%",
        "How much of the score is lost when only the highlighted part is shown? Favours maps that light up everything.",
    ),
    "increase": Measure(
        "average increase",
        "higher",
        "%",
        "On how many pictures does the score rise when only the highlighted part is shown?",
    ),
    "infidelity": Measure(
        "infidelity",
        "lower",
        "",
        "When a square is hidden, does the map's sum over it say how much the score changes? Mean squared error, at the map's "
        "best scale.",
    ),
    "sensitivity": Measure(
        "max-sensitivity",
        "lower",
        "",
        "How far does the map move under noise that nobody sees? A map that never moves, as the baselines', has 0 and says "
        "nothing.",
    ),
}
DEFAULT = ("insertion", "deletion", "road", "drop", "increase", "infidelity")


class Batch(NamedTuple):
    """Some pictures and maps of them."""

    x: Tensor  # (N, 3, H, W)
    heat: Tensor  # (M, H, W): evidence, 0 meaning none, at the input's size
    of: Tensor  # (M,): the picture of each map
    sensitivity: Callable[[], list[float | None]]  # of each map; computed only where it is asked for


def chosen(names: Collection[str]) -> tuple[str, ...]:
    """Check names of measures, and put them in order; insertion first.

    Raises:
        DataError: if one is unknown, or there is none.
    """
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        what = f"no measure is called {unknown[0]!r}" if unknown else "no measure was named"
        raise DataError(f"measures: {what}; choose among {', '.join(MEASURES)}")
    return tuple(name for name in MEASURES if name in names)


def protocols(names: Collection[str], steps: Protocol) -> dict[str, Any]:
    """How each measure's figures come about."""
    known: dict[str, Any] = {
        "insertion": steps.to_dict(),
        "deletion": steps.to_dict(),
        "road": road.PROTOCOL,
        "drop": drop.PROTOCOL,
        "increase": drop.PROTOCOL,
        "infidelity": infidelity.PROTOCOL,
        "sensitivity": sensitivity.PROTOCOL,
    }
    return {MEASURES[name].title: known[name] for name in names}


def measure(names: Collection[str], score: Score, batch: Batch, steps: Protocol) -> dict[str, list[Record]]:
    """Compute measures: of each, a record for each map, with its `value` and what curves need."""
    x, heat, of = batch.x, batch.heat, batch.of
    found: dict[str, list[Record]] = {}
    if {"insertion", "deletion"} & set(names):
        both = curves(score, x, heat, of, steps)
        for name, curve in (("insertion", both.insertion), ("deletion", both.deletion)):
            found[name] = [
                {"value": value, "curve": points}
                for value, points in zip(area(curve).tolist(), _rounded(curve), strict=True)
            ]
    if "road" in names:
        roads = road.road(score, x, heat, of)
        parts = zip(roads.combined.tolist(), _rounded(roads.morf), _rounded(roads.lerf), strict=True)
        found["road"] = [{"value": value, "morf": morf, "lerf": lerf} for value, morf, lerf in parts]
    if {"drop", "increase"} & set(names):
        drops = drop.drop(score, x, heat, of)
        found["drop"] = [{"value": 100 * value} for value in drops.drop.tolist()]
        found["increase"] = [{"value": 100 * value} for value in drops.increase.tolist()]
    if "infidelity" in names:
        found["infidelity"] = [{"value": value} for value in infidelity.infidelity(score, x, heat, of).tolist()]
    if "sensitivity" in names:
        found["sensitivity"] = [{"value": value} for value in batch.sensitivity()]
    return {name: found[name] for name in names}


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(value, 5) for value in row] for row in values.tolist()]
