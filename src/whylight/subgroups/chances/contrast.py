"""Two groups held against each other: a difference of means with its interval, people who come several times taken together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from whylight.errors import DataError
from whylight.subgroups.stats import exact, intervals

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Contrast(NamedTuple):
    """How far apart two groups' means are.

    Attributes:
        first, second: the two means.
        difference: the first less the second.
        low, high: the interval around it; None where the groups are too small, or do not vary, so that nothing can be told.
        p: of the test that both are alike, two-sided; None in the same cases.
        people: how many there are in each group; rows where nobody says whose they are count as people.
    """

    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    people: tuple[int, int]


def contrast(
    values: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    people: Sequence[object] | None = None,
    *,
    level: float = 0.95,
) -> Contrast:
    """The difference of two groups' means, with an interval after Welch; of shares, Newcombe's, and Fisher's test.

    Args:
        values: (n,) numbers.
        first, second: (n,) booleans: who belongs to which group; nobody to both.
        people: (n,), whose row each is: those of one person are taken together, as they are not independent, also where a person
            has rows in both groups. Default: each row is a person's only one.
        level: of the interval.

    Raises:
        DataError: if the lengths differ, a value is not finite, a group is empty, or somebody is in both.

    Sources: Welch, The generalization of Student's problem, Biometrika 1947, with Satterthwaite's degrees of freedom; for rows
    taken together the variance of a ratio of sums (Cochran, Sampling techniques, 1977, ch. 6).

    >>> found = contrast([1.0, 2.0, 3.0, 7.0, 8.0, 9.0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    >>> found.difference, round(found.low, 2), round(found.high, 2), round(found.p, 4)
    (-6.0, -8.27, -3.73, 0.0018)
    """
    data = np.asarray(values, np.float64)
    one, two = groups(len(data), first, second)
    if data.ndim != 1 or not np.isfinite(data[one | two]).all():
        raise DataError(f"values: expected a finite number for each row of the two groups, got shape {data.shape}")
    whose = numbered(people, len(data))
    mean_one, mean_two = float(data[one].mean()), float(data[two].mean())
    parts = [_influence(data, one, mean_one, whose), _influence(data, two, mean_two, whose)]
    counts = (len(np.unique(whose[one])), len(np.unique(whose[two])))
    difference = mean_one - mean_two
    if min(counts) < 2:
        return Contrast(mean_one, mean_two, difference, None, None, None, counts)
    if set(np.unique(data[one | two])) == {0.0, 1.0} and np.bincount(whose[one | two]).max() == 1:
        return _shares(data[one], data[two], counts, level)
    # Each group's own variance with its own correction for few people, and what people in both groups have in common.
    alone = [float((part**2).sum()) * n / (n - 1) for part, n in zip(parts, counts, strict=True)]
    shared = float((parts[0] * parts[1]).sum()) * math.sqrt(math.prod(n / (n - 1) for n in counts))
    variance = alone[0] + alone[1] - 2 * shared
    if not variance > 1e-18 * max(1.0, abs(mean_one), abs(mean_two)) ** 2:
        return Contrast(mean_one, mean_two, difference, None, None, None, counts)
    freedom = (alone[0] + alone[1]) ** 2 / sum(part**2 / (n - 1) for part, n in zip(alone, counts, strict=True))
    error = math.sqrt(variance)
    half = float(student.ppf((1 + level) / 2, freedom)) * error
    p = float(2 * student.sf(abs(difference) / error, freedom))
    return Contrast(mean_one, mean_two, difference, difference - half, difference + half, p, counts)


def _shares(one: Floats, two: Floats, counts: tuple[int, int], level: float) -> Contrast:
    """Of yes and no, each by another person: Newcombe's interval and Fisher's test, which hold for few and for next to all."""
    right, n = np.array([one.sum(), two.sum()]), np.array([len(one), len(two)])
    low, high = intervals.rate(right, n, level=level)
    share = right / n
    ends = intervals.difference(share[0], (low[0], high[0]), share[1], (low[1], high[1]))
    p = exact.fisher(right[:1], n[:1], right[1:], n[1:])
    return Contrast(
        float(share[0]),
        float(share[1]),
        float(share[0] - share[1]),
        float(ends[0]),
        float(ends[1]),
        float(p[0]),
        counts,
    )


def _influence(data: Floats, group: Bools, mean: float, whose: Ints) -> Floats:
    """How far each person pulls the group's mean away from itself: (people,), which sum to 0."""
    off = np.where(group, data - mean, 0.0) / group.sum()  # values of others may be NaN
    found: Floats = np.bincount(whose, off, minlength=int(whose.max()) + 1).astype(np.float64)
    return found


def numbered(people: Sequence[object] | None, n: int) -> Ints:
    """The number of each row's person, from 0.

    Raises:
        DataError: if there is not one for each row.
    """
    if people is None:
        return np.arange(n)
    if len(people) != n:
        raise DataError(f"people: expected one for each of the {n:,} rows, got {len(people):,}")
    place: dict[object, int] = {}
    return np.array([place.setdefault(one, len(place)) for one in people], dtype=np.int64)


def groups(n: int, first: ArrayLike, second: ArrayLike) -> tuple[Bools, Bools]:
    """Two groups as booleans, checked.

    Raises:
        DataError: if one has another length or is empty, or somebody is in both.
    """
    one, two = (np.asarray(group, np.bool_) for group in (first, second))
    for name, group in (("first", one), ("second", two)):
        if group.shape != (n,):
            raise DataError(f"{name}: expected yes or no for each of the {n:,} rows, got shape {group.shape}")
        if not group.any():
            raise DataError(f"{name}: nobody is in this group")
    if both := int((one & two).sum()):
        raise DataError(f"first, second: {both:,} rows are in both groups; give groups that share nobody")
    return one, two
