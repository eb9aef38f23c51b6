"""Boxes against boxes: how far they overlap, and how many pictures are right at each threshold.

MaxBoxAcc and MaxBoxAccV2 are those of Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020,
and of the authors' code (wsolevaluation), but for three conventions, each open to the caller:

- Maps here count relative to their maximum of positive evidence; there, they run from 0 at their minimum to 1 at their maximum.
  Where a method's maps have zeros, as rectified ones do, the two are the same.
- Boxes here are half-open: (x0, y0, x1, y1) holds the pixels x0 … x1 − 1. There a box that ends at pixel x1 − 1 is written
  with x1, cut at the picture's last pixel, and overlaps count x0 … x1 inclusive: `inclusive=True` counts so.
- Places at the threshold belong to a part (`>=`), and the largest part is the one of most pixels; there they do not
  (`>`, after rounding to 8 bits), and it is the one whose outline encloses most.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import from_numpy

from whylight.boxes import match
from whylight.boxes.box import CONNECTIVITY, largest_boxes

THRESHOLDS: NDArray[np.float64] = np.arange(1, 101) / 100  # shares of the maximum
IOUS = (0.3, 0.5, 0.7)
SCALE = 10_000  # overlaps are kept as whole numbers of this, rounded down, so that 0.4999… is not 0.5


def iou(a: ArrayLike, b: ArrayLike, *, inclusive: bool = False) -> NDArray[np.float64]:
    """Intersection over union of each box with each.

    Args:
        a: (M, 4), x0, y0, x1, y1. A box of NaN overlaps nothing.
        b: (N, 4).
        inclusive: x1 and y1 are the last pixels inside, rather than the first outside: a side is x1 − x0 + 1 pixels long.

    Returns:
        (M, N), in [0, 1].

    >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]).round(3).tolist(), iou([[0, 0, 1, 1]], [[1, 0, 2, 1]], inclusive=True).round(3).tolist()
    ([[0.333]], [[0.333]])
    """
    first, second = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (a, b))
    return np.asarray(match.overlaps(first, second, inclusive=inclusive), np.float64)


def parts(heat: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    """The boxes (P, 4), half-open, of all connected parts (8 neighbours) of a map (H, W) in [0, 1] that reach a threshold."""
    least = threshold * float(heat.max())
    return _parts(heat, least, heat.max(1) >= least, heat.max(0) >= least)


def _parts(
    heat: NDArray[np.float32], least: float, rows: NDArray[np.bool_], columns: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The boxes of the parts at `least` or above, looked for only between the first and last row and column that have any."""
    top, bottom = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), len(columns) - int(columns[::-1].argmax())
    hot = (heat[top:bottom, left:right] >= least).astype(np.uint8)
    stats = cv2.connectedComponentsWithStats(hot, connectivity=CONNECTIVITY)[2][1:, :4].astype(
        np.float64
    )  # without the background
    stats[:, :2] += left, top
    stats[:, 2:] += stats[:, :2]
    return stats


def overlaps(
    heat: NDArray[np.float32], boxes: ArrayLike, *, inclusive: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How well a map's boxes fit, at each of `THRESHOLDS`.

    Args:
        heat: (H, W) in [0, 1], its maximum 1; all zeros have no box, and overlap nothing.
        boxes: (N, 4), the annotated boxes; a hit with any of them counts.
        inclusive: as for `iou`.

    Returns:
        Two times (T,), in units of 1 / `SCALE`: the best overlap of the largest part's box, and that of any part's box
        (the rule of MaxBoxAccV2).
    """
    if not heat.max(initial=0) > 0:
        return np.zeros(len(THRESHOLDS), np.int64), np.zeros(len(THRESHOLDS), np.int64)
    shares = THRESHOLDS.tolist()  # plain numbers, which are compared in the map's own precision
    largest = iou(largest_boxes(from_numpy(heat), shares), boxes, inclusive=inclusive).max(1)  # (T,)
    by_row, by_column, top = heat.max(1), heat.max(0), float(heat.max())  # made once for all thresholds
    found = (_parts(heat, least, by_row >= least, by_column >= least) for least in (one * top for one in shares))
    every = np.array([iou(one, boxes, inclusive=inclusive).max() for one in found])
    return _whole(largest), _whole(every)


def hits(kept: NDArray[np.int64], least: float) -> NDArray[np.bool_]:
    """Whether overlaps (n, T), as `overlaps` gives them, reach an IoU."""
    return kept >= round(least * SCALE)


def accuracy(
    right: NDArray[np.bool_] | NDArray[np.float32], chosen: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Share of the pictures that are right at each threshold: (n, T) → (T,); of chosen ones, each as often as it is named."""
    if chosen is None:
        return np.asarray(right.mean(0, dtype=np.float64))
    times = np.bincount(chosen, minlength=len(right)).astype(np.float32)  # (n,)
    found = times @ right.astype(np.float32, copy=False)  # (T,), whole numbers
    return found.astype(np.float64) / len(chosen)


def _whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(values * SCALE + 1e-6).astype(np.int64)
