"""Exact tests of two by two tables, for many groups at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import binom

Floats = NDArray[np.float64]
_TIE = 1 + 1e-7  # tables as likely as the one seen count as such, whatever rounding says


def fisher(right: ArrayLike, n: ArrayLike, other_right: ArrayLike, other_n: ArrayLike) -> Floats:
    """The two-sided p of Fisher's test that two groups have the same rate: all tables at most as likely as this one.

    Args:
        right, n: (c,) whole numbers: how many of the one group are right, of how many.
        other_right, other_n: (c,) likewise of the other group.

    Returns:
        (c,), 1 where a group is empty.

    Source: Fisher, The logic of inductive inference, JRSS 1935.

    >>> fisher([8], [10], [1], [6]).round(4).tolist()
    [0.035]
    """
    rows = np.broadcast_arrays(*(np.asarray(one, np.int64) for one in (right, n, other_right, other_n)))
    found = np.ones(rows[0].size)
    for i, (k, size, other, other_size) in enumerate(zip(*(one.ravel() for one in rows), strict=True)):
        if size and other_size:
            found[i] = _fisher(int(k), int(size), int(other), int(other_size))
    return found.reshape(rows[0].shape)


def _fisher(k: int, n: int, other: int, other_n: int) -> float:
    total, all_right = n + other_n, k + other
    middle = n * all_right / total
    spread = (middle * (1 - all_right / total) * other_n / max(total - 1, 1)) ** 0.5
    reach = 10 * spread + 20  # beyond it there is less than a double can hold of a sum near 1
    lowest = max(0, all_right - other_n, min(k, int(middle - reach)))
    highest = min(n, all_right, max(k, int(middle + reach)))
    x = np.arange(lowest, highest + 1)
    log = -(gammaln(x + 1) + gammaln(n - x + 1) + gammaln(all_right - x + 1) + gammaln(other_n - all_right + x + 1))
    weight = np.exp(log - log.max())
    return float(min(weight[weight <= weight[k - lowest] * _TIE].sum() / weight.sum(), 1.0))


def mcnemar(only_first: ArrayLike, only_second: ArrayLike) -> Floats:
    """The two-sided exact p that two classifiers are as often right on the same rows: from the rows where one alone is.

    Args:
        only_first, only_second: (c,) whole numbers of such rows.

    Returns:
        (c,), 1 where there is none.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 1947.

    >>> mcnemar([2], [9]).round(4).tolist()
    [0.0654]
    """
    b, c = np.broadcast_arrays(np.asarray(only_first, np.int64), np.asarray(only_second, np.int64))
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(np.minimum(b, c), b + c, 0.5)))
