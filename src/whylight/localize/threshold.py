"""One threshold for all pictures: the share of a map's maximum at which most of its boxes are right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from whylight.errors import WhylightError

SLACK = 0.01  # an accuracy this close to the best one counts as the same


class Choice(NamedTuple):
    """A threshold for all pictures.

    Attributes:
        threshold: share of each map's maximum.
        accuracy: share of the pictures whose box is right at it.
        low, high: between these thresholds the accuracy is nowhere more than one point below that.
    """

    threshold: float
    accuracy: float
    low: float
    high: float


def choose(thresholds: ArrayLike, accuracy: ArrayLike) -> Choice:
    """Choose the threshold with the highest accuracy; of several, the middle of the longest run of them.

    Args:
        thresholds: (T,), rising.
        accuracy: (T,), share of the pictures whose box is right at each.

    Raises:
        WhylightError: if the two differ in length or are empty.

    >>> choose([0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.6, 0.6, 0.6, 0.1])
    Choice(threshold=0.3, accuracy=0.6, low=0.2, high=0.4)
    """
    steps, values = np.asarray(thresholds, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if steps.shape != values.shape or steps.ndim != 1 or len(steps) == 0:
        raise WhylightError(
            f"thresholds and accuracy: expected as many of each, got shapes {steps.shape} and {values.shape}"
        )
    top = values.max()
    first, last = max(_runs(values >= top), key=lambda run: run[1] - run[0])
    best = (first + last) // 2
    low, high = next(run for run in _runs(values >= top - SLACK - 1e-9) if run[0] <= best <= run[1])
    return Choice(float(steps[best]), float(top), float(steps[low]), float(steps[high]))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of trues."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
