"""How sure a figure is: percentile bootstrap over pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.errors import DataError

_AT_ONCE = 2_000_000  # numbers drawn at a time, so that thousands of pictures need no gigabytes


class Interval(NamedTuple):
    """A figure over n different pictures, and the interval that the bootstrap gives it; None where one picture cannot give any."""

    mean: float
    low: float | None
    high: float | None
    n: int


def interval(
    values: ArrayLike,
    pictures: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The mean over values, with its percentile bootstrap interval over pictures.

    Args:
        values: (m,), numbers, each of a picture.
        pictures: (m,), which picture each is of: values of the same one are drawn together, as they are not independent. Default:
            each of another.
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
    >>> interval([0.0, 1.0], ["a.jpg", "a.jpg"])
    Interval(mean=0.5, low=None, high=None, n=1)
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0 or not np.isfinite(data).all():
        raise DataError(f"values: expected finite numbers, one for each picture, got shape {data.shape}")
    whose = _numbers(pictures, len(data))
    counts, sums = np.bincount(whose), np.bincount(whose, data)
    n = len(counts)
    if n < 2:
        return Interval(float(data.mean()), None, None, n)
    draws = [sums[chosen].sum(1) / counts[chosen].sum(1) for chosen in _resampled(n, resamples, seed)]
    return Interval(float(data.mean()), *_ends(np.concatenate(draws), level), n)


def interval_of(
    statistic: Callable[[NDArray[np.int64]], float],
    m: int,
    pictures: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A figure that is no mean, such as an accuracy at its own best threshold, with its percentile bootstrap interval.

    Args:
        statistic: indices of values, each as often as it is drawn → the figure over them. Resamples for which it is NaN are left
            out.
        m: how many values there are.
        pictures: (m,), which picture each is of, as for `interval`.
        level, resamples, seed: as for `interval`; the draws are the same.

    Raises:
        DataError: if there is no picture.
    """
    if m < 1:
        raise DataError("there is no picture to measure on")
    whose = _numbers(pictures, m)
    counts = np.bincount(whose)
    n = len(counts)
    whole = float(statistic(np.arange(m)))
    if n < 2 or math.isnan(whole):
        return Interval(whole, None, None, n)
    members = np.split(np.argsort(whose, kind="stable"), counts.cumsum()[:-1])  # of each picture, its values

    def values_of(chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        return chosen if n == m else np.concatenate([members[one] for one in chosen])

    found = np.array([statistic(values_of(one)) for chosen in _resampled(n, resamples, seed) for one in chosen])
    found = found[~np.isnan(found)]
    return Interval(whole, *_ends(found, level), n)


def _numbers(pictures: Sequence[str] | None, m: int) -> NDArray[np.int64]:
    """The number of each value's picture, from 0, in the order in which they come."""
    if pictures is None:
        return np.arange(m)
    place: dict[str, int] = {}
    return np.array([place.setdefault(one, len(place)) for one in pictures], dtype=np.int64)


def _resampled(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices drawn with replacement, in chunks (some, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        yield rng.integers(n, size=(min(step, resamples - start), n))


def _ends(draws: NDArray[np.float64], level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
