"""Two classifiers on the same rows: by how much one is right more often, group by group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.subgroups.stats import intervals
from whylight.subgroups.stats.clustered import People
from whylight.subgroups.stats.exact import mcnemar

Floats = NDArray[np.float64]
RESAMPLES = 2000
_AT_ONCE = 2_000_000
_WORK, _FEWEST = 50_000_000, 100
_DIFFERENT = 5  # rows on which one alone is right, under which drawing them again tells nothing


class Paired(NamedTuple):
    """What the first classifier is right more often than the second; all (c,).

    Attributes:
        value: the difference of the two rates.
        low, high: its interval.
        boot_low, boot_high: the same by the paired bootstrap; NaN where fewer than five rows tell the two apart.
        p: of McNemar's exact test, or, where rows of one person belong together, of Student's.
    """

    value: Floats
    low: Floats
    high: Floats
    boot_low: Floats
    boot_high: Floats
    p: Floats


def compare(
    both: ArrayLike, first: ArrayLike, second: ArrayLike, neither: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> Paired:
    """Compare two classifiers from how often both, one alone, or neither was right.

    Args:
        both, first, second, neither: (c,) whole numbers of rows.
        level: in which share of samples the interval holds the difference.
        seed: decides the bootstrap's draws.

    Returns:
        NaN where a group is empty.

    Sources: Newcombe, Statistics in Medicine 1998 (paired data, method 10), from the intervals of `intervals.rate`; the bootstrap
    draws the four numbers themselves, which is what drawing rows with replacement comes to.

    >>> found = compare([36], [12], [2], [0])
    >>> found.value.round(3).tolist(), found.low.round(3).tolist(), found.high.round(3).tolist()
    ([0.2], [0.057], [0.342])
    """
    a, b, c, d = (np.asarray(one, np.float64) for one in (both, first, second, neither))
    n = a + b + c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q, value = (a + b) / n, (a + c) / n, (b - c) / n
        cross = a * d - b * c
        top = np.where(cross > 0, np.maximum(cross - n / 2, 0), cross)
        under = (a + b) * (c + d) * (a + c) * (b + d)
        phi = np.where(under > 0, top / np.sqrt(np.where(under > 0, under, 1)), 0.0)
        low, high = intervals.difference(
            p, intervals.rate(a + b, n, level=level), q, intervals.rate(a + c, n, level=level), phi
        )
    boot = _bootstrap(b, c, n, level, seed)
    return Paired(value, low, high, *boot, np.where(n > 0, mcnemar(b, c), np.nan))


def variance_of(first: ArrayLike, second: ArrayLike, n: ArrayLike) -> Floats:
    """The variance of a paired difference, (c,), from how often one alone was right.

    Half a row is added to each, so that it is not 0 where there are few (Agresti and Min, Statistics in Medicine 2005).
    """
    b, c = np.asarray(first, np.float64) + 0.5, np.asarray(second, np.float64) + 0.5
    size = np.asarray(n, np.float64) + 2
    return np.asarray((b + c - (b - c) ** 2 / size) / size**2)


def _bootstrap(first: Floats, second: Floats, n: Floats, level: float, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    low, high = np.full(len(n), np.nan), np.full(len(n), np.nan)
    step = max(1, _AT_ONCE // RESAMPLES)
    alone = first + second
    for start in range(0, len(n), step):
        part = slice(start, start + step)
        size = n[part].astype(np.int64)
        share = np.divide(alone[part], n[part], out=np.zeros(len(size)), where=size > 0)
        of_first = np.divide(first[part], alone[part], out=np.zeros(len(size)), where=alone[part] > 0)
        drawn = rng.binomial(size, share, (RESAMPLES, len(size)))
        ahead = 2 * rng.binomial(drawn, of_first) - drawn
        with np.errstate(divide="ignore", invalid="ignore"):
            values = ahead / size
        low[part], high[part] = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    few = alone < _DIFFERENT
    low[few] = high[few] = np.nan
    return low, high


class Seeds(NamedTuple):
    """Classifiers trained several times: the mean difference of the two kinds, over seeds and rows; all (c,).

    Attributes:
        value: mean rate of the first kind less that of the second.
        low, high: its interval, for other seeds and other rows.
        first, second: (k, c) the rates of each seed.
    """

    value: Floats
    low: Floats
    high: Floats
    first: Floats
    second: Floats


def seeds(first: Floats, second: Floats, rows: Floats, *, level: float = 0.95) -> Seeds:
    """Compare two kinds of classifier that were each trained with several seeds.

    Args:
        first, second: (k, c), (l, c) each seed's rate in each group.
        rows: (c,) the variance of the mean difference over rows, the seeds as they are.
        level: in which share of such comparisons the interval holds the difference.

    Returns:
        The interval's variance is that of rows and that of seeds added, which counts the rows twice where seeds differ by them:
        rather too wide than too narrow. Degrees of freedom by Satterthwaite (Biometrics 1946).
    """
    k, m = len(first), len(second)
    value = first.mean(0) - second.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [(one.var(0, ddof=1) / len(one), len(one) - 1) for one in (first, second) if len(one) > 1]
        between = sum((part for part, _ in parts), np.zeros_like(value))
        total = between + rows
        under = sum((part**2 / df for part, df in parts), np.zeros_like(value))
        df = np.where(under > 0, total**2 / under, 1e9) if k + m > 2 else np.full(value.shape, 1e9)
    low, high = intervals.mean(value, total, df, level=level)
    return Seeds(value, low, high, first, second)


def resampled(of: People, top: Floats, bottom: Floats, *, level: float = 0.95, seed: int = 0) -> tuple[Floats, Floats]:
    """The bootstrap interval of Σ top / Σ bottom in each group, with persons drawn, all their rows together.

    Args:
        of, top, bottom: as for `clustered.ratio`.

    Returns:
        low, high: (groups,); NaN where that would take longer than it is worth: of very many persons, whose variance says the same.
    """
    y, d = of.sums(top), of.sums(bottom)
    draws = min(RESAMPLES, _WORK // max(len(y), 1))
    if draws < _FEWEST:
        return np.full(of.groups, np.nan), np.full(of.groups, np.nan)
    rng = np.random.default_rng(seed)
    values = np.full((draws, of.groups), np.nan)
    for i in range(draws):
        times = np.bincount(rng.integers(of.people, size=of.people), minlength=of.people)[of.person]
        with np.errstate(divide="ignore", invalid="ignore"):
            values[i] = of.within(times * y) / of.within(times * d)
    low, high = np.full(of.groups, np.nan), np.full(of.groups, np.nan)
    known = (~np.isnan(values)).sum(0) >= _FEWEST
    if known.any():
        low[known], high[known] = np.nanquantile(values[:, known], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
