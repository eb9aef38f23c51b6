"""Boxes around the hot parts of a heat map."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from torch import Tensor

from whylight.errors import WhylightError


class Box(NamedTuple):
    """A rectangle in pixels of the picture, half-open: x0 ≤ x < x1, y0 ≤ y < y1.

    `score` is the highest heat inside, relative to the map's maximum.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    score: float


def boxes_of(heat: Tensor, threshold: float = 0.2, largest: bool = False) -> list[Box]:
    """Draw a box around each connected part of a heat map that reaches the threshold, the hottest first.

    Args:
        heat: (H, W) in [0, 1], its maximum at 1 (or 0 everywhere: then there is no box).
        threshold: share of the maximum, in (0, 1].
        largest: keep only the box of the largest part, as localisation is usually measured.

    Raises:
        WhylightError: if the threshold is out of range.

    >>> import torch
    >>> heat = torch.zeros(6, 8); heat[2:4, 3:7] = 1
    >>> boxes_of(heat)
    [Box(x0=3, y0=2, x1=7, y1=4, score=1.0)]
    """
    if not 0 < threshold <= 1:
        raise WhylightError(f"threshold: expected a share of the maximum in (0, 1], got {threshold}")
    pixels = heat.numpy()
    top = float(pixels.max(initial=0))
    if top <= 0:
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (pixels >= threshold * top).astype(np.uint8), connectivity=8
    )
    parts = range(1, count)  # 0 is the background
    if largest:
        parts = range(best := int(stats[1:, cv2.CC_STAT_AREA].argmax()) + 1, best + 1)
    boxes = []
    for part in parts:
        x, y, width, height, _ = (int(value) for value in stats[part])
        inside = pixels[y : y + height, x : x + width][labels[y : y + height, x : x + width] == part]
        boxes.append(Box(x, y, x + width, y + height, float(inside.max()) / top))
    return sorted(boxes, key=lambda box: -box.score)
