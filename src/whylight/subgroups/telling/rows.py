"""The figures of an audit, group by group, as mappings: what JSON, CSV and the summary are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from whylight.subgroups.breakdown import Best, Breakdown, Change, Test
from whylight.subgroups.findings import Findings
from whylight.subgroups.measures import Estimate
from whylight.subgroups.stats import sizes

WORSE, BETTER, NOISE, INSUFFICIENT, ALONE = (
    "worse",
    "better",
    "within noise",
    "insufficient evidence",
    "nobody to compare with",
)


def rows(audit: Findings) -> list[dict[str, Any]]:
    """Every group that is shown."""
    return [
        _row(audit, part, int(i), "declared" if which in audit.declared else "exploratory")
        for which, part in audit.parts.items()
        for i in np.flatnonzero(~part.hidden)
    ]


def _row(audit: Findings, part: Breakdown, i: int, family: str) -> dict[str, Any]:
    accuracy = part.rates["accuracy"]
    row: dict[str, Any] = {
        "group": audit.values(part, i),
        "n": int(part.n[i]),
        **({"people": int(part.evidence[i])} if audit.people is not None else {}),
        "accuracy": number(accuracy.value[i]),
        "interval": pair(accuracy.low[i], accuracy.high[i]),
    }
    row |= {name: _rate(audit, one, i) for name, one in part.rates.items() if name != "accuracy"}
    if part.calibration is not None:
        held = part.calibration
        row["calibration"] = {
            "value": number(held.value[i]), "interval": pair(held.low[i], held.high[i]),
            "error": number(held.error[i]), "error_interval": pair(held.error_low[i], held.error_high[i]),
        }  # fmt: skip
    if not part.columns:
        if part.change is not None:
            row["against"], row["change"] = _against(audit, part, i), _changed(audit, part.change, i)
        return row
    row |= _compared(audit, part, part.rates, part.test, i)
    row["family"] = family
    row["gap_to_best"] = _to_best(audit, part, part.top, i)
    if row["verdict"] == INSUFFICIENT and (needed := _needed(audit, part, i)):
        row["needed"] = needed
    if part.shrunk is not None:
        one = part.shrunk
        row["shrunk"] = {
            "accuracy": number(one.value[i]), "interval": pair(one.low[i], one.high[i]), "predicted": number(one.predicted[i])
        }  # fmt: skip
    if part.change is not None and part.other is not None and part.other_test is not None:
        row["against"] = _against(audit, part, i) | _compared(audit, part, part.other, part.other_test, i)
        row["change"] = _changed(audit, part.change, i) | {
            "gap": number(part.change.gap[i]), "gap_interval": pair(part.change.gap_low[i], part.change.gap_high[i]),
            "gap_p_corrected": number(part.change.gap_corrected[i]),
        }  # fmt: skip
    return row


def _rate(audit: Findings, one: Estimate, i: int) -> dict[str, Any]:
    if 0 < one.n[i] < audit.hide_under:  # a rate of few tells of each of them
        return {"value": None, "interval": None, "n": None}
    return {"value": number(one.value[i]), "interval": pair(one.low[i], one.high[i]), "n": int(one.n[i])}


def _compared(audit: Findings, part: Breakdown, rates: dict[str, Estimate], test: Test, i: int) -> dict[str, Any]:
    one = rates["accuracy"]
    gap = {"value": number(one.gap[i]), "interval": pair(one.gap_low[i], one.gap_high[i])}
    others = {
        name: {"value": number(rate.gap[i]), "interval": pair(rate.gap_low[i], rate.gap_high[i])}
        for name, rate in rates.items()
        if name not in ("accuracy", "prevalence")
    }
    return {
        "gap_to_rest": gap,
        "gaps": others,
        "p": number(test.p[i]),
        "p_corrected": number(test.corrected[i]),
        "verdict": verdict(audit, part, one, test, i),
    }


def verdict(audit: Findings, part: Breakdown, one: Estimate, test: Test, i: int) -> str:
    """What can be said of a group against all others: worse, better, within noise, or that nothing can be said."""
    settings = audit.settings
    if test.corrected[i] < settings.alpha:
        return WORSE if one.gap[i] < 0 else BETTER
    if len(part.n) < 2 or np.isnan(one.gap[i]):
        return ALONE if part.evidence[i] >= settings.enough else INSUFFICIENT
    low, high = one.gap_low[i], one.gap_high[i]
    return NOISE if not np.isnan(test.p[i]) and noise(low, high, settings.margin) else INSUFFICIENT


def noise(low: float, high: float, margin: float) -> bool:
    """Whether an interval says that a difference is small at most, and may be none."""
    return bool(-margin <= low <= 0 <= high <= margin)


def _needed(audit: Findings, part: Breakdown, i: int) -> int | None:
    """Rows for a gap of the margin to be found four times of five, by a test as corrected as this one; None where they are there.

    Where rows are of persons: of as many more persons.
    """
    everyone = audit.parts[()].rates["accuracy"]
    rate, margin = min(float(everyone.value[0]), 0.999), audit.settings.margin
    share = part.n[i] / part.n.sum()
    if not margin < rate or not 0 < share < 1:
        return None
    family = audit.families["declared" if part.columns in audit.declared else "exploratory"]
    alpha = audit.settings.alpha * family["share"]
    alone = sizes.for_gap(rate, margin, share=float(share), tests=max(int(family["tests"]), 1), alpha=alpha)
    effective = part.rates["accuracy"].effective[i]
    wanted = math.ceil(alone * max(part.n[i] / effective, 1)) if effective > 0 else alone
    return wanted if wanted > part.n[i] else None


def _to_best(audit: Findings, part: Breakdown, top: Best, i: int) -> dict[str, Any] | None:
    if top.best < 0 or part.hidden[top.best]:
        return None
    return {
        "best": audit.values(part, top.best),
        "value": number(top.gap[i]),
        "interval": pair(top.low[i], top.high[i]),
    }


def _against(audit: Findings, part: Breakdown, i: int) -> dict[str, Any]:
    assert part.other is not None
    accuracy = part.other["accuracy"]
    found = {"accuracy": number(accuracy.value[i]), "interval": pair(accuracy.low[i], accuracy.high[i])}
    return found | {
        name: _rate(audit, one, i) for name, one in part.other.items() if name not in ("accuracy", "prevalence")
    }


def _changed(audit: Findings, change: Change, i: int) -> dict[str, Any]:
    one = change.paired
    found: dict[str, Any] = {
        "accuracy": number(one.value[i]),
        "interval": pair(one.low[i], one.high[i]),
        "bootstrap": pair(one.boot_low[i], one.boot_high[i]),
        "p": number(one.p[i]),
        "p_corrected": number(change.corrected[i]),
    }
    if change.seeds is not None:
        seeds = change.seeds
        found["seeds"] = {
            "accuracy": number(seeds.value[i]), "interval": pair(seeds.low[i], seeds.high[i]),
            "each": [number(x) for x in seeds.first[:, i]], "against": [number(x) for x in seeds.second[:, i]],
        }  # fmt: skip
    return found


def gaps(audit: Findings) -> list[dict[str, Any]]:
    """The best and the worst group of every combination of columns, among those with rows enough that are shown."""
    found = []
    for which, part in audit.parts.items():
        if not which:
            continue
        top, row = part.top, {"columns": list(audit.name(which)), "groups": len(part.n)}
        row["compared"] = int((part.evidence >= audit.settings.enough).sum())
        if top.best < 0 or part.hidden[[top.best, top.worst]].any():
            found.append(row | {"gap": None, "interval": None})
            continue
        found.append(
            row
            | {
                "best": audit.values(part, top.best),
                "worst": audit.values(part, top.worst),
                "gap": number(top.spread),
                "interval": pair(top.spread_low, top.spread_high),
                "less_chance": number(top.honest),
            }
        )
    return found


def number(value: Any) -> float | None:
    """A number for JSON, to nine digits, so that the last bits of another machine do not show; None for none."""
    return float(f"{float(value):.9g}") if math.isfinite(value) else None


def pair(low: Any, high: Any) -> list[float] | None:
    """An interval for JSON; None for none."""
    ends = [number(low), number(high)]
    return None if None in ends else ends  # type: ignore[return-value]
