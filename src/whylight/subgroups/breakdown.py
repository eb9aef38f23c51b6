"""All figures of the groups by one combination of columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whylight.subgroups import measures
from whylight.subgroups.calibration import Calibration, calibration
from whylight.subgroups.groups import Cells
from whylight.subgroups.measures import Estimate
from whylight.subgroups.stats import clustered, exact, intervals
from whylight.subgroups.stats.paired import Paired, Seeds, compare, resampled, seeds, variance_of
from whylight.subgroups.stats.shrink import Shrunk, shrink, spread
from whylight.subgroups.tables.labels import Outcome

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Settings:
    """How an audit is done; see `whylight.audit`."""

    level: float = 0.95
    alpha: float = 0.05
    enough: int = 30
    margin: float = 0.05
    seed: int = 0


@dataclass
class Test:
    """The test of each group's accuracy against all others; all (c,).

    Attributes:
        p: NaN where no test was made.
        corrected: the same for many comparisons, filled in when all are known.
        own: whether the test counts in its family: of two groups that are each other's rest it is one test.
    """

    p: Floats
    own: Bools
    corrected: Floats


@dataclass
class Best:
    """The gap to the best of the groups, among those with rows enough.

    Attributes:
        best, worst: places of the groups; −1 where fewer than two can be compared.
        gap, low, high: (c,) each group's accuracy less the best one's, with an interval that allows for the choice (Bonferroni's,
            over all that could have been the best).
        spread: the best one's accuracy less the worst one's.
        spread_low, spread_high: its interval, which allows for the choice of both.
        honest: the spread without what chance adds to it.
    """

    best: int
    worst: int
    gap: Floats
    low: Floats
    high: Floats
    spread: float = np.nan
    spread_low: float = np.nan
    spread_high: float = np.nan
    honest: float = np.nan


@dataclass
class Change:
    """The first prediction against the other, on the same rows.

    Attributes:
        paired: the difference of accuracies.
        corrected: (c,) p of the difference for many comparisons.
        gap, gap_low, gap_high: (c,) by how much the gap to all others has changed: the first prediction's less the other's.
        gap_p, gap_corrected: (c,) p that it has not, as it is and for many comparisons.
        seeds: over all seeds, where there are several.
    """

    paired: Paired
    corrected: Floats
    gap: Floats
    gap_low: Floats
    gap_high: Floats
    gap_p: Floats
    gap_corrected: Floats
    seeds: Seeds | None = None


@dataclass
class Breakdown:
    """The groups by one combination of columns, and their figures.

    Attributes:
        columns: places of the columns among all.
        values: (c, d) places of the groups' values.
        n: (c,) rows.
        evidence: (c,) what the groups are told by: rows, or persons where rows are of persons.
        rates, other: estimates by name, of the prediction and of the one it is compared with.
        test, other_test: of accuracy.
        top: the gap to the best.
        change: what differs between the predictions.
        shrunk: accuracies shrunk towards what the parts predict; of two columns and more.
        calibration: of predictions that are probabilities.
        hidden: (c,) groups that are not shown.
    """

    columns: tuple[int, ...]
    values: NDArray[np.int32]
    n: NDArray[np.int64]
    evidence: NDArray[np.int64]
    rates: dict[str, Estimate]
    test: Test
    top: Best
    other: dict[str, Estimate] | None = None
    other_test: Test | None = None
    change: Change | None = None
    shrunk: Shrunk | None = None
    calibration: Calibration | None = None
    hidden: Bools = field(default_factory=lambda: np.zeros(0, bool))


def break_down(
    cells: Cells,
    outcome: Outcome,
    state: NDArray[np.uint8],
    person: NDArray[np.int32] | None,
    firsts: int,
    settings: Settings,
) -> Breakdown:
    """Measure all groups by a combination of columns.

    Args:
        cells: the groups.
        outcome: labels and predictions: the first `firsts` are seeds of one kind, the others of the kind it is compared with.
        state: (n,) from `measures.states`.
        person: (n,) which rows are of one person, or None where each stands for itself.
        firsts: see `outcome`.
        settings: level, and so on.
    """
    level = settings.level
    counts = measures.tally(cells, state)
    of = None if person is None else clustered.people(cells.index, person, len(cells.values))
    n = counts.sum(1)
    evidence = n if of is None else of.counts.astype(np.int64)
    binary, compared = outcome.actual is not None, len(outcome.predictions) > firsts
    rates = {one.name: measures.estimate(one, counts, of, state, level) for one in measures.rates(binary)}
    found = Breakdown(
        cells.columns, cells.values, n, evidence, rates, _test(rates["accuracy"], evidence, settings),
        _top(rates["accuracy"], evidence, settings), hidden=np.zeros(len(n), bool),
    )  # fmt: skip
    if compared:
        found.other = {
            one.name: measures.estimate(one, counts, of, state, level) for one in measures.rates(binary, other=True)
        }
        found.other_test = _test(found.other["accuracy"], evidence, settings)
        found.change = _change(cells, counts, outcome, of, firsts, settings)
    if len(cells.columns) > 1:
        size = np.nan_to_num(rates["accuracy"].effective)  # of independent rows
        found.shrunk = shrink(np.nan_to_num(rates["accuracy"].value) * size, size, cells.values, level=level)
    scores = outcome.predictions[0].scores
    if scores is not None and outcome.actual is not None:
        found.calibration = calibration(cells, scores, outcome.actual, of, level=level, seed=settings.seed)
    return found


def _test(accuracy: Estimate, evidence: NDArray[np.int64], settings: Settings) -> Test:
    """Test each group that is large enough, as its rest must be, which has nothing to do with how it turns out."""
    c = len(accuracy.n)
    rest = evidence.sum() - evidence
    tested = (evidence >= settings.enough) & (rest >= settings.enough)
    own = tested.copy()
    if c == 2:
        own[1] = False
    p = np.full(c, np.nan)
    if np.isnan(accuracy.df).all():
        right, n = accuracy.right[tested], accuracy.n[tested]
        p[tested] = exact.fisher(right, n, accuracy.right.sum() - right, accuracy.n.sum() - n)
    else:
        p[tested] = accuracy.gap_p[tested]
    return Test(p, own, np.full(c, np.nan))


def _top(accuracy: Estimate, evidence: NDArray[np.int64], settings: Settings) -> Best:
    c = len(accuracy.n)
    nothing = np.full(c, np.nan)
    fit = np.flatnonzero(evidence >= settings.enough)
    if len(fit) < 2:
        return Best(-1, -1, nothing, nothing, nothing)
    best, worst = int(fit[accuracy.value[fit].argmax()]), int(fit[accuracy.value[fit].argmin()])
    miss = 1 - settings.level
    df = None if np.isnan(accuracy.df).all() else accuracy.df

    def ends(level: float) -> tuple[Floats, Floats]:
        return intervals.rate(accuracy.value * accuracy.effective, accuracy.effective, level=level, df=df)

    chosen = ends(1 - miss / (len(fit) - 1))
    low, high = intervals.difference(accuracy.value, chosen, accuracy.value[best], (chosen[0][best], chosen[1][best]))
    gap = accuracy.value - accuracy.value[best]
    low[best] = high[best] = 0.0
    pairs = ends(1 - miss / (len(fit) * (len(fit) - 1) / 2))
    one, other = ((end[best], end[worst]) for end in pairs)
    down, up = intervals.difference(accuracy.value[best], (one[0], other[0]), accuracy.value[worst], (one[1], other[1]))
    size = np.maximum(np.round(accuracy.effective[fit]), 1)  # of independent rows
    _, honest = spread(np.round(accuracy.value[fit] * size), size, seed=settings.seed)
    counted = float(accuracy.value[best] - accuracy.value[worst])
    return Best(best, worst, gap, low, high, counted, float(down), float(up), min(honest, counted))


def _change(
    cells: Cells,
    counts: NDArray[np.int64],
    outcome: Outcome,
    of: clustered.People | None,
    firsts: int,
    settings: Settings,
) -> Change:
    level = settings.level
    bits = np.arange(measures.STATES)
    one, other = bits & measures.RIGHT > 0, bits & measures.OTHER_RIGHT > 0
    quarters = [counts[:, how].sum(1) for how in (one & other, one & ~other, ~one & other, ~one & ~other)]
    paired = compare(*quarters, level=level, seed=settings.seed)
    rest = compare(*(one.sum() - one for one in quarters), level=level, seed=settings.seed)
    gap = paired.value - rest.value
    if of is None:
        gap_low, gap_high = intervals.change(paired.value, (paired.low, paired.high), rest.value, (rest.low, rest.high))
        first, second, n = quarters[1], quarters[2], counts.sum(1)
        others = variance_of(first.sum() - first, second.sum() - second, n.sum() - n)
        variance = variance_of(first, second, n) + others
        gap_p = intervals.p_value(gap, variance, np.full(len(gap), 1e9))
    else:
        right = outcome.predictions[0].right.astype(np.float64)
        off, every = right - outcome.predictions[firsts].right, np.ones(len(right))
        persons, n = of.counts, counts.sum(1)
        first, second = (one * persons / np.maximum(n, 1) for one in (quarters[1], quarters[2]))
        variance, df = clustered.ratio(of, off, every)
        variance = np.fmax(variance, variance_of(first, second, persons))  # a little, where nobody happens to differ
        low, high = intervals.mean(paired.value, variance, df, level=level)
        low, high = np.maximum(low, -1), np.minimum(high, 1)
        p = np.where(df < 1, np.nan, intervals.p_value(paired.value, variance, df))
        boot = resampled(of, off, every, level=level, seed=settings.seed)
        paired = Paired(paired.value, low, high, *boot, p)
        others = variance_of(first.sum() - first, second.sum() - second, persons.sum() - persons)
        against = clustered.rest(of, off, every)
        variance = np.where(against.shared > 0, against.gap, np.fmax(against.gap, variance + others))
        gap_low, gap_high = intervals.mean(gap, variance, np.maximum(df, 1), level=level)
        gap_p = intervals.p_value(gap, variance, np.maximum(df, 1))
    over = None
    if len(outcome.predictions) > 2:
        over = _seeds(cells, outcome, of, firsts, level)
    nothing = np.full(len(gap), np.nan)
    return Change(paired, nothing, gap, gap_low, gap_high, gap_p, nothing, over)


def _seeds(cells: Cells, outcome: Outcome, of: clustered.People | None, firsts: int, level: float) -> Seeds:
    place = cells.index.astype(np.int64) + 1
    c = len(cells.values)

    def sums(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, values, minlength=c + 1)[1:], np.float64)

    n = sums(np.ones(len(place)))
    right = [one.right.astype(np.float64) for one in outcome.predictions]
    every = np.stack([sums(one) / n for one in right])
    off = np.mean(right[:firsts], axis=0) - np.mean(right[firsts:], axis=0)
    if of is None:
        mean = sums(off) / n
        variance = np.maximum(sums(off**2) / n - mean**2, 0) / np.maximum(n - 1, 1)
    else:
        variance, _ = clustered.ratio(of, off, np.ones(len(off)))
    return seeds(every[:firsts], every[firsts:], variance, level=level)
