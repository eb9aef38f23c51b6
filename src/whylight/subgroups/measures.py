"""What is measured of a group: rates, as what counts among what; all of them from one count of how rows turn out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.subgroups.groups import Cells
from whylight.subgroups.stats import clustered, exact, intervals
from whylight.subgroups.tables.labels import Outcome

Floats = NDArray[np.float64]
RIGHT, ACTUAL, CHOSEN, OTHER_RIGHT, OTHER_CHOSEN = 1, 2, 4, 8, 16
STATES = 32
_EVERY = np.arange(STATES)


def _has(bit: int) -> NDArray[np.bool_]:
    return np.asarray(_EVERY & bit > 0)


@dataclass(frozen=True)
class Rate:
    """A rate: `top` of those in `bottom`, both (32,) by how a row turned out."""

    name: str
    top: NDArray[np.bool_]
    bottom: NDArray[np.bool_]


ALL = np.ones(STATES, bool)
ACCURACY = Rate("accuracy", _has(RIGHT), ALL)
OTHER_ACCURACY = Rate("accuracy", _has(OTHER_RIGHT), ALL)
PREVALENCE = Rate("prevalence", _has(ACTUAL), ALL)


def rates(binary: bool, *, other: bool = False) -> tuple[Rate, ...]:
    """What is measured; of labels without a positive class, accuracy alone. `other`: of the predictions compared with."""
    accuracy, chosen = (OTHER_ACCURACY, _has(OTHER_CHOSEN)) if other else (ACCURACY, _has(CHOSEN))
    if not binary:
        return (accuracy,)
    actual = _has(ACTUAL)
    return (
        accuracy,
        PREVALENCE,
        Rate("selection_rate", chosen, ALL),
        Rate("true_positive_rate", chosen & actual, actual),
        Rate("false_positive_rate", chosen & ~actual, ~actual),
    )


def states(outcome: Outcome, other: int | None = None) -> NDArray[np.uint8]:
    """(n,) how each row turned out, as bits; `other`: the place of the prediction compared with."""
    first = outcome.predictions[0]
    found = first.right.astype(np.uint8) * np.uint8(RIGHT)
    pairs = [(outcome.actual, ACTUAL), (first.chosen, CHOSEN)]
    if other is not None:
        pairs += [(outcome.predictions[other].right, OTHER_RIGHT), (outcome.predictions[other].chosen, OTHER_CHOSEN)]
    for flags, bit in pairs:
        if flags is not None:
            found |= flags.astype(np.uint8) * np.uint8(bit)
    return found


def tally(cells: Cells, state: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(c, 32) how many rows of each group turned out how."""
    code = (cells.index.astype(np.int64) + 1) * STATES + state
    size = (len(cells.values) + 1) * STATES
    return np.bincount(code, minlength=size).reshape(-1, STATES)[1:]


class Estimate(NamedTuple):
    """A rate of each group; all (c,).

    Attributes:
        value: the rate; NaN where `n` is 0.
        low, high: its interval.
        right, n: of how many rows so many count.
        gap: the rate less that of all other groups together.
        gap_low, gap_high: its interval.
        gap_p: of the gap, where persons were drawn: the larger of Student's and of the exact test of as many independent rows; else
            NaN, and exact tests take its place.
        effective: of how many independent rows the interval is.
        df: of its variance; NaN where rows stand for themselves.
    """

    value: Floats
    low: Floats
    high: Floats
    right: NDArray[np.int64]
    n: NDArray[np.int64]
    gap: Floats
    gap_low: Floats
    gap_high: Floats
    gap_p: Floats
    effective: Floats
    df: Floats


def estimate(
    rate: Rate, counts: NDArray[np.int64], of: clustered.People | None, state: NDArray[np.uint8], level: float = 0.95
) -> Estimate:
    """One rate of every group by a combination of columns.

    Args:
        rate: which.
        counts: (c, 32) from `tally`.
        of: which rows are of one person, or None where each row stands for itself.
        state: (n,) from `states`.
        level: of the intervals.

    Sources: where rows are of persons, Korn and Graubard, Confidence intervals for proportions with small expected number of
    positive counts, Survey Methodology 1998: the number of independent rows that have the same variance.
    """
    right, n = counts[:, rate.top & rate.bottom].sum(1), counts[:, rate.bottom].sum(1)
    rest_right, rest_n = right.sum() - right, n.sum() - n
    with np.errstate(divide="ignore", invalid="ignore"):
        value, rest = right / n, rest_right / rest_n
    if of is None:
        effective, df, none = n.astype(np.float64), np.full(n.shape, np.nan), np.full(n.shape, np.nan)
        low, high = intervals.rate(right, n, level=level)
        rest_ends = intervals.rate(rest_right, rest_n, level=level)
        gap_low, gap_high = intervals.difference(value, (low, high), rest, rest_ends)
        return Estimate(value, low, high, right, n, value - rest, gap_low, gap_high, none, effective, df)
    top, bottom = (rate.top & rate.bottom)[state].astype(np.float64), rate.bottom[state].astype(np.float64)
    variance, df = clustered.ratio(of, top, bottom)
    against = clustered.rest(of, top, bottom)
    effective, rest_effective = (
        _effective(value, variance, n, df),
        _effective(rest, against.variance, rest_n, against.df),
    )
    ends = intervals.rate(value * effective, effective, level=level, df=df)
    rest_ends = intervals.rate(rest * rest_effective, rest_effective, level=level, df=against.df)
    with np.errstate(divide="ignore", invalid="ignore"):
        together = (variance + against.variance - against.gap) / (2 * np.sqrt(variance * against.variance))
        phi = np.where((against.shared > 0) & np.isfinite(together), np.clip(together, -1, 1), 0.0)
        gap_low, gap_high = intervals.difference(value, ends, rest, rest_ends, phi)
        freedom = (variance + against.variance) ** 2 / (variance**2 / df + against.variance**2 / against.df)
        p = intervals.p_value(value - rest, against.gap, np.where(np.isfinite(freedom), freedom, 1))
        # Of few persons, or of many who are nearly all right, a variance tells little: the exact test must agree.
        sizes = [np.nan_to_num(one) for one in (value * effective, effective, rest * rest_effective, rest_effective)]
        p = np.maximum(p, exact.fisher(*(np.round(one) for one in sizes)))
    p = np.where((n > 0) & (rest_n > 0), p, np.nan)
    return Estimate(value, *ends, right, n, value - rest, gap_low, gap_high, p, effective, df)


def _effective(value: Floats, variance: Floats, n: NDArray[np.int64], df: Floats) -> Floats:
    """How many independent rows have the same variance; where nothing varies, as many as there are persons."""
    with np.errstate(divide="ignore", invalid="ignore"):
        known = (variance > 0) & (value > 0) & (value < 1)
        return np.asarray(np.where(known, value * (1 - value) / variance, np.minimum(n, df + 1)), np.float64)
