"""Does the map point at the object? Its highest place, and where its energy lies.

The pointing game is Zhang et al.'s, Top-down Neural Attention by Excitation Backprop, ECCV 2016: the highest place of the map
hits if it lies on the object, or near it. How near follows TorchRay's code: nearer than 15 pixels, as the crow flies, to a
pixel of the object. The energy pointing game is Wang et al.'s, Score-CAM, CVPR workshops 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEAR = 15.0  # pixels
Rectangle = tuple[float, float, float, float]


def peak(heat: NDArray[np.float32]) -> tuple[int, int] | None:
    """Column and row of a map's highest pixel, the first in reading order where several share it; None if it is all zeros."""
    if not heat.max(initial=0) > 0:
        return None
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    return column, row


def points_at(point: tuple[float, float], boxes: Sequence[Rectangle], tolerance: float = NEAR) -> bool:
    """Whether a pixel lies in one of the boxes, or nearer than `tolerance` to a pixel of one.

    Args:
        point: column and row of the pixel.
        boxes: (x0, y0, x1, y1), half-open; the pixels of a box are those whose centre it holds.
        tolerance: pixels; 0: it must lie inside.

    >>> points_at((12, 5), [(0, 0, 10, 10)], tolerance=0), points_at((12, 5), [(0, 0, 10, 10)], tolerance=3.5)
    (False, True)
    """
    for x0, y0, x1, y1 in boxes:
        columns, rows = _pixels(x0, x1), _pixels(y0, y1)
        away = math.hypot(_beyond(point[0], *columns), _beyond(point[1], *rows))
        if away == 0 or away < tolerance:
            return True
    return False


def points_at_mask(point: tuple[float, float], mask: NDArray[np.bool_], tolerance: float = NEAR) -> bool:
    """The same for the pixels of a mask (H, W)."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return False
    away = np.hypot(columns - point[0], rows - point[1]).min()
    return bool(away == 0 or away < tolerance)


def cover(boxes: Sequence[Rectangle], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels (H, W) the boxes hold together."""
    held = np.zeros(size, bool)
    for x0, y0, x1, y1 in boxes:
        (left, right), (top, bottom) = _pixels(x0, x1), _pixels(y0, y1)
        held[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    return held


def energy(heat: NDArray[np.float32], held: NDArray[np.bool_]) -> float:
    """Share of a map's positive energy (H, W) that lies on the object; 0 if it has none."""
    positive = heat.clip(0).astype(np.float64)
    total = positive.sum()
    return float(positive[held].sum() / total) if total > 0 else 0.0


def _pixels(low: float, high: float) -> tuple[int, int]:
    """The first and last pixel whose centre lies in [low, high); the nearest one where there is none."""
    first = math.ceil(low - 0.5)
    return first, max(math.ceil(high - 0.5) - 1, first)


def _beyond(at: float, first: int, last: int) -> float:
    return max(first - at, at - last, 0.0)
