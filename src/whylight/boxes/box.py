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
LEAST = 0.01  # of the largest part's pixels: what is smaller is a speck, no object
INSIDE = 0.8  # of a box's area within a better one: a part of the same thing


class Box(NamedTuple):
    """A rectangle in pixels of the picture, half-open: x0 ≤ x < x1, y0 ≤ y < y1.

    `score` is the highest heat inside, relative to the map's maximum: it ranks the boxes of one map, and says nothing of how sure
    they are. `probability` does, where a model was asked (`whylight.locate`): the class's, where it is shown the box alone.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    score: float
    probability: float | None = None


Rectangle = Sequence[float] | Box  # x0, y0, x1, y1, …


def boxes_of(
    heat: Tensor, threshold: float = 0.2, largest: bool = False, iou: float = 0.5, least: float = LEAST
) -> list[Box]:
    """Draw a box around each connected part of a heat map that reaches the threshold, the hottest first.

    Args:
        heat: (H, W) in [0, 1], its maximum at 1 (or 0 everywhere: then there is no box).
        threshold: share of the maximum, in (0, 1].
        largest: keep only the box of the largest part, as localisation is usually measured.
        iou: a box that overlaps a hotter one by more than this is dropped, and so is one that lies within it (`suppress`); 1 keeps
            all.
        least: a part with fewer pixels than this share of the largest part's is a speck and has no box; 0 keeps all.

    Raises:
        WhylightError: if the threshold, the overlap or the least share is out of range.

    >>> import torch
    >>> heat = torch.zeros(6, 8); heat[2:4, 3:7] = 1
    >>> boxes_of(heat)
    [Box(x0=3, y0=2, x1=7, y1=4, score=1.0, probability=None)]
    """
    if not 0 < threshold <= 1:
        raise WhylightError(f"threshold: expected a share of the maximum in (0, 1], got {threshold}")
    if not 0 <= iou <= 1:
        raise WhylightError(f"iou: expected an overlap in [0, 1], got {iou}")
    if not 0 <= least <= 1:
        raise WhylightError(f"least: expected a share of the largest part in [0, 1], got {least}")
    pixels = heat.numpy()
    top = float(pixels.max(initial=0))
    if top <= 0:
        return []
    hot = (pixels >= threshold * top).view(np.uint8)
    left, above, across, down = cv2.boundingRect(
        hot
    )  # most of a picture is cold, and parts are found in the rest as well
    pixels = pixels[above : above + down, left : left + across]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        hot[above : above + down, left : left + across], connectivity=CONNECTIVITY
    )
    areas = stats[1:, cv2.CC_STAT_AREA]  # 0 is the background
    if largest:
        parts = [int(areas.argmax()) + 1]
    else:
        parts = [part for part in range(1, count) if areas[part - 1] >= least * areas.max()]
    boxes = []
    for part in parts:
        x, y, width, height, _ = (int(value) for value in stats[part])
        here = slice(y, y + height), slice(x, x + width)
        hottest = float(pixels[here].max(initial=0, where=labels[here] == part))
        boxes.append(Box(left + x, above + y, left + x + width, above + y + height, hottest / top))
    return suppress(sorted(boxes, key=lambda box: -box.score), iou)


def enlarged(boxes: Iterable[Box], times: int, size: tuple[int, int]) -> list[Box]:
    """Boxes of a reduced copy in pixels of the picture of (width, height) that it was made of, `times` as large.

    >>> enlarged([Box(1, 0, 3, 2, 0.5)], 2, (5, 4))
    [Box(x0=2, y0=0, x1=5, y1=4, score=0.5, probability=None)]
    """
    width, height = size
    return [
        b._replace(x0=b.x0 * times, y0=b.y0 * times, x1=min(b.x1 * times, width), y1=min(b.y1 * times, height))
        for b in boxes
    ]


def suppress(boxes: Sequence[Box], iou: float, inside: float = INSIDE) -> list[Box]:
    """Drop each box that overlaps a better one by more than `iou`, or lies within it: non-maximum suppression, best first.

    A box lies within another if `inside` or more of its own area does, as COCO holds boxes against its crowds. A large box around a
    better small one stays: what is hotter is not dropped for what is cooler, and the larger one may be another object. An `iou` of
    1 drops nothing.

    >>> suppress([Box(0, 0, 10, 10, 0.9), Box(0, 0, 10, 9, 0.8), Box(20, 0, 30, 10, 0.7), Box(1, 1, 3, 3, 0.6)], iou=0.5)
    [Box(x0=0, y0=0, x1=10, y1=10, score=0.9, probability=None), Box(x0=20, y0=0, x1=30, y1=10, score=0.7, probability=None)]
    """
    ranked = sorted(boxes, key=lambda box: -box.score)
    if iou >= 1:
        return ranked
    kept: list[Box] = []
    for box in ranked:
        if all(overlap(box, other) <= iou and share_within(box, other) < inside for other in kept):
            kept.append(box)
    return kept


def overlap(a: Rectangle, b: Rectangle) -> float:
    """Intersection over union of two half-open boxes (x0, y0, x1, y1, …); 0 where both are empty.

    >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    both = _both(a, b)
    either = area(a) + area(b) - both
    return both / either if either > 0 else 0.0


def area(box: Rectangle) -> float:
    """How many pixels a half-open box (x0, y0, x1, y1, …) has."""
    return (box[2] - box[0]) * (box[3] - box[1])


def share_within(a: Rectangle, b: Rectangle) -> float:
    """How much of a box's area lies within another; 0 where it is empty."""
    own = area(a)
    return _both(a, b) / own if own > 0 else 0.0


def _both(a: Rectangle, b: Rectangle) -> float:
    """The area that two boxes share."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


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
