"""How sure a figure is: Student's interval for means, Wilson's for shares, the bootstrap for what is neither; all over pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from whylight.errors import DataError

RESAMPLES = 2000
_AT_ONCE = 2_000_000  # numbers drawn at a time, so that thousands of pictures need no gigabytes


class Interval(NamedTuple):
    """A figure over n different pictures, and the interval around it; None where one picture cannot give any.

    Attributes:
        mean: the figure.
        low, high: of 100 samples of n pictures, 95 give an interval that holds what all pictures of that kind have.
        n: how many different pictures.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


class Best(NamedTuple):
    """A figure at the best of several settings, chosen by the same pictures.

    Attributes:
        interval: the figure, and the interval around what other pictures of that kind would give.
        honest: the figure less what the luck of the choice adds; the figure itself where there is one picture only.
    """

    interval: Interval
    honest: float


def interval(values: ArrayLike, pictures: Sequence[str] | None = None, *, level: float = 0.95) -> Interval:
    """The mean over values, with its interval over pictures: Student's, or Wilson's where every value is 0 or 1 (or 0 or 100).

    Args:
        values: (m,), numbers, each of a picture.
        pictures: (m,), which picture each is of: values of the same one are taken together, as they are not independent. Default:
            each of another.
        level: in which share of samples such an interval holds what it is about.

    Returns:
        `low` and `high` are None where n < 2.

    Raises:
        DataError: if there is no value, or one is not finite.

    Sources: Student, The probable error of a mean, Biometrika 1908; for values taken together the variance of a ratio of sums
    (Cochran, Sampling techniques, 1977, ch. 6). For Wilson's see `rate`.

    >>> interval([0.2, 0.4, 0.9])
    Interval(mean=0.5, low=-0.395..., high=1.395..., n=3)
    >>> interval([0.0, 1.0, 1.0, 1.0])
    Interval(mean=0.75, low=0.300..., high=0.954..., n=4)
    >>> interval([0.5])
    Interval(mean=0.5, low=None, high=None, n=1)
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0 or not np.isfinite(data).all():
        raise DataError(f"values: expected finite numbers, one for each picture, got shape {data.shape}")
    for top in (1.0, 100.0):
        if np.isin(data, (0.0, top)).all():
            return _scaled(rate(data > 0, pictures, level=level), top / 100)
    mean, variance, n = _mean(data, pictures)
    if n < 2:
        return Interval(mean, None, None, n)
    half = float(t.ppf((1 + level) / 2, n - 1)) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, n)


def rate(right: ArrayLike, pictures: Sequence[str] | None = None, *, level: float = 0.95) -> Interval:
    """Percent of yes among yes and no, with Wilson's interval.

    Args:
        right: (m,), booleans, each of a picture.
        pictures, level: as for `interval`. Where values of one picture are taken together they count as as many independent ones
            as their variance tells, and the interval is the wider for being told by n pictures only (Student's quantile).

    Raises:
        DataError: if there is no value.

    Sources: Wilson, Probable inference, JASA 1927; the number of independent values: Korn and Graubard, Survey Methodology 1998.

    >>> rate([True] * 10)
    Interval(mean=100.0, low=72.2..., high=100.0, n=10)
    """
    data = np.asarray(right, dtype=np.float64)
    if data.ndim != 1 or len(data) == 0:
        raise DataError(f"values: expected yes or no for each picture, got shape {data.shape}")
    mean, variance, n = _mean(data, pictures)
    alone = n == len(data)
    low, high = _wilson(mean, mean * (1 - mean) / n if alone else variance, n, alone, level)
    return _scaled(Interval(mean, low, high, n), 100)


def share(
    statistic: Callable[[NDArray[np.int64]], float],
    m: int,
    pictures: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A percentage that is no plain mean, such as a mean over classes, with an interval from its bootstrap variance.

    The interval is Wilson's, for as many independent values as that variance tells: it stays within 0 and 100, and keeps a width
    where every picture is right.

    Args:
        statistic: indices of values, each as often as it is drawn → the figure over them, in percent. Resamples for which it is
            NaN are left out.
        m: how many values there are.
        pictures, level: as for `interval`.
        seed: decides the draws.

    Raises:
        DataError: if there is no picture.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979.
    """
    whole, draws, n = resampled(statistic, m, pictures, seed=seed)
    if len(draws) < 2:
        return Interval(whole, None, None, n)
    low, high = _wilson(whole / 100, float(draws.var()) / 1e4, n, False, level)
    return _scaled(Interval(whole / 100, low, high, n), 100)


def best_of(
    right: NDArray[np.float32], pictures: Sequence[str] | None = None, *, level: float = 0.95, seed: int = 0
) -> Best:
    """Percent right at the best of T settings, where the best one was chosen by these same pictures.

    The figure is what the settings reach here. What they reach on other pictures of the kind is less: the best of many is so by
    luck in part. The bootstrap tells how much: choose on a resample, and see how much better the choice does there than on all
    pictures. The interval is around the figure less that much.

    Args:
        right: (m, K, T), 1 where a value is right at a setting, else 0; each of K rows has its best setting of its own, and the
            figure is the mean over the K.
        pictures, level, seed: as for `share`.

    Source: Efron, Estimating the error rate of a prediction rule, JASA 1983.
    """
    rows = len(right)
    flat = right.reshape(rows, -1)
    whose = _numbers(pictures, rows)
    n = int(whose.max()) + 1
    sums, sizes = np.zeros((n, flat.shape[1]), np.float32), np.bincount(whose)
    np.add.at(sums, whose, flat)
    whole = (sums.sum(0, dtype=np.float64) / rows).reshape(right.shape[1:])  # (K, T)
    at = np.arange(len(whole))
    figure = float(whole.max(1).mean())
    if n < 2:
        return Best(Interval(100 * figure, None, None, n), 100 * figure)
    luck = []
    for chosen in _drawn(n, RESAMPLES, seed):
        times = np.stack([np.bincount(one, minlength=n) for one in chosen]).astype(np.float32)  # (some, n)
        drawn = (times @ sums / (times @ sizes)[:, None]).reshape(len(times), *whole.shape)
        best = drawn == drawn.max(2, keepdims=True)  # several may be equally good: any of them might be chosen
        luck.append((drawn.max(2) - (best * whole).sum(2) / best.sum(2)).mean(1))
    honest = min(max(figure - float(np.concatenate(luck).mean()), 0.0), 1.0)
    reached = flat.reshape(right.shape)[:, at, whole.argmax(1)].mean(
        1, dtype=np.float64
    )  # (m,), at the settings chosen
    _, variance, _ = _mean(reached, pictures)
    ratio = honest * (1 - honest) / (figure * (1 - figure)) if 0 < figure < 1 else 1.0  # as a share's variance goes
    alone = n == rows and len(whole) == 1
    low, high = _wilson(honest, honest * (1 - honest) / n if alone else ratio * variance, n, alone, level)
    return Best(_scaled(Interval(figure, low, high, n), 100), 100 * honest)


def resampled(
    statistic: Callable[[NDArray[np.int64]], float], m: int, pictures: Sequence[str] | None = None, *, seed: int = 0
) -> tuple[float, NDArray[np.float64], int]:
    """A figure over m values, the same over resamples of their pictures, and how many pictures there are.

    Args and errors: as for `share`. No draws where there is one picture, or the figure itself is NaN.
    """
    if m < 1:
        raise DataError("there is no picture to measure on")
    whose = _numbers(pictures, m)
    counts = np.bincount(whose)
    n = len(counts)
    whole = float(statistic(np.arange(m)))
    if n < 2 or math.isnan(whole):
        return whole, np.empty(0), n
    members = np.split(np.argsort(whose, kind="stable"), counts.cumsum()[:-1])  # of each picture, its values

    def values_of(chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        return chosen if n == m else np.concatenate([members[one] for one in chosen])

    found = np.array([statistic(values_of(one)) for chosen in _drawn(n, RESAMPLES, seed) for one in chosen])
    return whole, found[~np.isnan(found)], n


def _mean(data: NDArray[np.float64], pictures: Sequence[str] | None) -> tuple[float, float, int]:
    """The mean, its variance where values of one picture go together, and the number of pictures."""
    whose = _numbers(pictures, len(data))
    sizes, sums = np.bincount(whose), np.bincount(whose, data)
    n, mean = len(sizes), float(data.mean())
    if n < 2:
        return mean, math.nan, n
    off = sums - mean * sizes
    return mean, float((off**2).sum()) * n / (n - 1) / len(data) ** 2, n


def _wilson(p: float, variance: float, n: int, alone: bool, level: float) -> tuple[float | None, float | None]:
    """Wilson's interval of a share p with this variance, told by n pictures; `alone`: by n yes or no, so that n is all there is."""
    if n < 2:
        return None, None
    spread = p * (1 - p)
    count = n if alone else (spread / variance if variance > 0 and spread > 0 else n)  # of independent values
    z = float(norm.ppf((1 + level) / 2) if alone else t.ppf((1 + level) / 2, n - 1))
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(spread / count + z * z / (4 * count * count))
    return (0.0 if p == 0 else max(middle - half, 0.0)), (1.0 if p == 1 else min(middle + half, 1.0))


def _scaled(found: Interval, by: float) -> Interval:
    low, high = (None if end is None else end * by for end in (found.low, found.high))
    return Interval(found.mean * by, low, high, found.n)


def _numbers(pictures: Sequence[str] | None, m: int) -> NDArray[np.int64]:
    """The number of each value's picture, from 0, in the order in which they come."""
    if pictures is None:
        return np.arange(m)
    place: dict[str, int] = {}
    return np.array([place.setdefault(one, len(place)) for one in pictures], dtype=np.int64)


def _drawn(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices drawn with replacement, in chunks (some, n)."""
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        yield rng.integers(n, size=(min(step, resamples - start), n))
