"""On which scale each map of a grid is shown: on one for several only where their numbers can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whylight.explanation.explanation import Explanation
from whylight.explanation.heat import Scale
from whylight.render.grid import Legend

Scaling = Literal["shared", "each"] | float
_FAINT = 0.15  # of a shared scale, below which a map can be taken for an empty one
# Units that each map sets for itself, so that their numbers say nothing about another map.
_OF_ITS_OWN = frozenset({"share of the maximum", "unit vector over places", "kernel units", "sum of scaled maps"})


@dataclass(frozen=True)
class Shown:
    """How one map is shown: on which scale, and what is said of it: what its own scale is, or that it is faint on a shared one."""

    scale: Scale | None
    told: str = ""


def scales(explanations: Sequence[Explanation], methods: Sequence[str], scaling: Scaling) -> tuple[list[Shown], Legend]:
    """The scale of each map, and what is said of all.

    Maps share one where method, model and units are the same and the target is a class, or the same function; so that a map is
    faint beside another one because it holds less. Elsewhere each has its own.

    Args:
        explanations: laid over the pictures at the size at which they are shown.
        methods: the name of each one's method in the grid.
        scaling: `"shared"`, `"each"`, or a raw value for all.
    """
    if not isinstance(scaling, str):
        every = " / ".join(dict.fromkeys(ex.units for ex in explanations))
        legend = Legend((0.0, scaling), every, ["All maps are on this one scale."])
        if any(ex.level for ex in explanations):
            legend = Legend(None, "", [f"All maps are on one scale, from no evidence to {scaling:.4g} {every}."])
        return [Shown(scaling) for _ in explanations], legend
    if len(explanations) == 1:
        (only,) = explanations
        return [Shown(None)], Legend(only.limits(), only.units)
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, (ex, method) in enumerate(zip(explanations, methods, strict=True)):
        shared = scaling == "shared" and ex.scale in ("max", "robust") and ex.units not in _OF_ITS_OWN
        same = ("" if ex.target is not None else ex.label,) if shared else (f"{place}",)
        groups.setdefault((ex.model, method, ex.units, *same), []).append(place)
    found: dict[int, Shown] = {}
    several, singles, blank = [], 0, 0
    limits = [ex.limits() for ex in explanations]
    for (model, method, units, *_), places in groups.items():
        reach = [limit[1] - explanations[place].level for place in places if (limit := limits[place]) is not None]
        blank += len(places) - len(reach)
        most = max(reach, default=0.0)
        if len(places) == 1:
            singles += bool(reach)
            found[places[0]] = Shown(None, _own(explanations[places[0]], limits[places[0]]))
            continue
        for place in places:
            ex, limit = explanations[place], limits[place]
            faint = limit is not None and limit[1] - ex.level < _FAINT * most
            told = f"faint: {_own(ex, limit)}" if faint else ""
            found[place] = Shown(ex.level + most if reach else None, told)
        if reach:
            several.append(
                (model, method, units, most, len(places), any(explanations[place].level for place in places))
            )
    return [found[place] for place in range(len(explanations))], _legend(several, singles, blank)


def _own(explanation: Explanation, limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    low, high = limits
    return f"{'up' if low == explanation.level else f'{low:.3g}'} to {high:.3g} {explanation.units}"


def _legend(several: Sequence[tuple[str, str, str, float, int, bool]], singles: int, blank: int) -> Legend:
    """The colour bar with its numbers where there is one scale, and words for each where there are more."""
    empty = [f"{blank} of the maps {'is' if blank == 1 else 'are'} empty, and said to be."] if blank else []
    if len(several) == 1 and not singles:
        *_, units, most, count, raised = several[0]
        above = f"{units}, above each map's mean" if raised else units
        return Legend((0.0, most), above, [f"All {count} maps are on this one scale.", *empty])
    models = len({model for model, *_ in several}) > 1
    notes = []
    for model, method, units, most, count, _ in several:
        who = f"{method}, {model}" if models and model else method
        notes.append(f"{who}: {count} maps on one scale, up to {most:.3g} {units}.")
    if singles:
        first = "Each map is on a scale of its own" if not several else "The others are each on a scale of their own"
        notes.append(f"{first}, told under it; colours compare within a map, not between two.")
    elif len(several) > 1:
        notes.append("Colours compare within a scale, not between two.")
    return Legend(None, "", [*notes, *empty])
