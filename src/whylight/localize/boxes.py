"""Boxes around the hot parts of a heat map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from whylight.errors import WhylightError

CONNECTIVITY = 8  # cells that touch at a corner belong together


class Box(NamedTuple):
    """A rectangle in pixels of the picture, half-open: x0 ≤ x < x1, y0 ≤ y < y1.

    `score` is the highest heat inside, relative to the map's maximum.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    score: float


def boxes_of(heat: Tensor, threshold: float = 0.2, largest: bool = False, iou: float = 0.5) -> list[Box]:
    """Draw a box around each connected part of a heat map that reaches the threshold, the hottest first.

    Args:
        heat: (H, W) in [0, 1], its maximum at 1 (or 0 everywhere: then there is no box).
        threshold: share of the maximum, in (0, 1].
        largest: keep only the box of the largest part, as localisation is usually measured.
        iou: a box that overlaps a hotter one by more than this is dropped (non-maximum suppression); 1 keeps all.

    Raises:
        WhylightError: if the threshold or the overlap is out of range.

    >>> import torch
    >>> heat = torch.zeros(6, 8); heat[2:4, 3:7] = 1
    >>> boxes_of(heat)
    [Box(x0=3, y0=2, x1=7, y1=4, score=1.0)]
    """
    if not 0 < threshold <= 1:
        raise WhylightError(f"threshold: expected a share of the maximum in (0, 1], got {threshold}")
    if not 0 <= iou <= 1:
        raise WhylightError(f"iou: expected an overlap in [0, 1], got {iou}")
    pixels = heat.numpy()
    top = float(pixels.max(initial=0))
    if top <= 0:
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (pixels >= threshold * top).astype(np.uint8), connectivity=CONNECTIVITY
    )
    parts = range(1, count)  # 0 is the background
    if largest:
        parts = range(best := int(stats[1:, cv2.CC_STAT_AREA].argmax()) + 1, best + 1)
    boxes = []
    for part in parts:
        x, y, width, height, _ = (int(value) for value in stats[part])
        inside = pixels[y : y + height, x : x + width][labels[y : y + height, x : x + width] == part]
        boxes.append(Box(x, y, x + width, y + height, float(inside.max()) / top))
    return suppress(sorted(boxes, key=lambda box: -box.score), iou)


def suppress(boxes: Sequence[Box], iou: float) -> list[Box]:
    """Drop each box that overlaps a better one by more than `iou`: non-maximum suppression, best first.

    >>> suppress([Box(0, 0, 10, 10, 0.9), Box(0, 0, 10, 9, 0.8), Box(20, 0, 30, 10, 0.7)], iou=0.5)
    [Box(x0=0, y0=0, x1=10, y1=10, score=0.9), Box(x0=20, y0=0, x1=30, y1=10, score=0.7)]
    """
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        if all(overlap(box, other) <= iou for other in kept):
            kept.append(box)
    return kept


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two half-open boxes (x0, y0, x1, y1, …); 0 where both are empty.

    >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either if either > 0 else 0.0


def largest_boxes(heat: Tensor, thresholds: Iterable[float]) -> NDArray[np.float64]:
    """The box of the largest connected part at or above each threshold, as localisation is measured.

    Args:
        heat: (H, W), 0 or above.
        thresholds: T shares of the maximum.

    Returns:
        (T, 4) x0, y0, x1, y1, half-open; NaN where the map is nowhere above 0.
    """
    pixels, shares = heat.numpy(), list(thresholds)
    found = np.full((len(shares), 4), np.nan)
    top = float(pixels.max(initial=0))
    if top <= 0:
        return found
    for row, share in enumerate(shares):
        hot = (pixels >= share * top).astype(np.uint8)
        parts = cv2.connectedComponentsWithStats(hot, connectivity=CONNECTIVITY)[2][1:]  # without the background
        x, y, width, height, _ = parts[parts[:, cv2.CC_STAT_AREA].argmax()]
        found[row] = x, y, x + width, y + height
    return found
