"""Are probabilities what they say, group by group: the mean less the rate, and the expected calibration error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.subgroups.groups import Cells
from whylight.subgroups.stats import clustered, intervals

Floats = NDArray[np.float64]
BINS = 10
ENOUGH = 30  # rows under which drawing them again tells nothing of the error
RESAMPLES = 400
_AT_ONCE = 4_000_000


class Calibration(NamedTuple):
    """Calibration of each group; all (c,).

    Attributes:
        value: the mean probability less the share of positives: above 0 the model expects more of them than there are.
        low, high: its interval; NaN under two rows.
        error: expected calibration error, in ten bins of equal width.
        error_low, error_high: its bootstrap interval; NaN of fewer than 30 rows, and where rows of one person belong together.
    """

    value: Floats
    low: Floats
    high: Floats
    error: Floats
    error_low: Floats
    error_high: Floats


def calibration(
    cells: Cells,
    scores: Floats,
    actual: NDArray[np.bool_],
    of: clustered.People | None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """Hold probabilities against what is there.

    Args:
        cells: the groups.
        scores: (n,) probabilities of the positive class.
        actual: (n,) whether it is there.
        of: which rows are of one person, or None.
        level: of the intervals.
        seed: decides the bootstrap's draws.

    Source: Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015. The interval
    is the bootstrap's turned around its figure, as the error of a resample is the larger for chance (Efron and Tibshirani 1993).
    """
    c = len(cells.values)
    off = scores - actual
    place = cells.index.astype(np.int64) + 1

    def sums(values: Floats) -> Floats:
        return np.asarray(np.bincount(place, values, minlength=c + 1)[1:], np.float64)

    n = sums(np.ones(len(off)))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = sums(off) / n
        if of is None:
            variance, df = np.maximum(sums(off**2) / n - value**2, 0) / np.maximum(n - 1, 1), n - 1
        else:
            variance, df = clustered.ratio(of, off, np.ones(len(off)))
    low, high = intervals.mean(value, variance, df, level=level)
    code = place * BINS + np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    size = (c + 1) * BINS
    count = np.bincount(code, minlength=size).reshape(-1, BINS)[1:]
    expected = np.asarray(np.bincount(code, scores, minlength=size), np.float64).reshape(-1, BINS)[1:]
    there = np.asarray(np.bincount(code, actual, minlength=size), np.float64).reshape(-1, BINS)[1:]
    error = np.abs(there - expected).sum(1) / np.maximum(n, 1)
    ends = (
        (np.full(c, np.nan), np.full(c, np.nan))
        if of is not None
        else _bootstrap(count, expected, there, error, level, seed)
    )
    return Calibration(value, np.maximum(low, -1), np.minimum(high, 1), error, *ends)


def _bootstrap(
    count: NDArray[np.int64], expected: Floats, there: Floats, error: Floats, level: float, seed: int
) -> tuple[Floats, Floats]:
    """Draw how many rows fall into each bin, and how many of these are positive."""
    rng = np.random.default_rng(seed)
    low, high = np.full(len(count), np.nan), np.full(len(count), np.nan)
    step = max(1, _AT_ONCE // (RESAMPLES * BINS))
    for start in range(0, len(count), step):
        part = slice(start, start + step)
        n = count[part].sum(1)
        share = np.divide(count[part], n[:, None], out=np.zeros(count[part].shape), where=n[:, None] > 0)
        share[:, -1] = 1 - share[:, :-1].sum(1)
        filled = np.maximum(count[part], 1)
        drawn = rng.multinomial(n, np.clip(share, 0, 1), (RESAMPLES, len(n)))
        positive = rng.binomial(drawn, np.clip(there[part] / filled, 0, 1))
        errors = np.abs(positive - drawn * (expected[part] / filled)).sum(2) / np.maximum(n, 1)
        down, up = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2], axis=0)
        mine = error[part]
        low[part] = np.clip(2 * mine - up, 0, mine)
        high[part] = np.clip(2 * mine - down, mine, 1)
    few = count.sum(1) < ENOUGH
    low[few] = high[few] = np.nan
    return low, high
