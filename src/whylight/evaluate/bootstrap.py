"""How sure a figure is: percentile bootstrap over pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.errors import DataError

_AT_ONCE = 2_000_000  # numbers drawn at a time, so that thousands of pictures need no gigabytes


class Interval(NamedTuple):
    """A figure over n pictures, and the interval that the bootstrap gives it; None where one picture cannot give any."""

    mean: float
    low: float | None
    high: float | None
    n: int


def interval(values: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean over pictures, with its percentile bootstrap interval.

    Args:
        values: (n,), one number for each picture.
        level: share of the resampled means that the interval holds.
        resamples: how often n pictures are drawn from the n, with replacement.
        seed: decides the draws; figures over the same number of pictures share them, and can be compared.

    Returns:
        `low` and `high` are None where n < 2.

    Raises:
        DataError: if there is no value, or one is not finite.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979.

    >>> interval([0.0, 1.0, 1.0, 1.0])
    Interval(mean=0.75, low=0.25, high=1.0, n=4)
    >>> interval([0.5])
    Interval(mean=0.5, low=None, high=None, n=1)
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0 or not np.isfinite(data).all():
        raise DataError(f"values: expected finite numbers, one for each picture, got shape {data.shape}")
    n = len(data)
    if n < 2:
        return Interval(float(data.mean()), None, None, n)
    draws = [data[chosen].mean(1) for chosen in _resampled(n, resamples, seed)]
    return Interval(float(data.mean()), *_ends(np.concatenate(draws), level), n)


def interval_of(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A figure that is no mean, such as an accuracy at its own best threshold, with its percentile bootstrap interval.

    Args:
        statistic: indices of pictures (n,) → the figure over them. Resamples for which it is NaN are left out.
        n: how many pictures there are.
        level, resamples, seed: as for `interval`; the draws are the same.

    Raises:
        DataError: if there is no picture.
    """
    if n < 1:
        raise DataError("there is no picture to measure on")
    whole = float(statistic(np.arange(n)))
    if n < 2 or math.isnan(whole):
        return Interval(whole, None, None, n)
    found = np.array([statistic(one) for chosen in _resampled(n, resamples, seed) for one in chosen])
    found = found[~np.isnan(found)]
    return Interval(whole, *_ends(found, level), n)


def _resampled(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices drawn with replacement, in chunks (some, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        yield rng.integers(n, size=(min(step, resamples - start), n))


def _ends(draws: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
