"""The eyes within a face's box, by Haar cascades, where they look like a pair of eyes; else none."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.faces.resize import resized
from whylight.faces.types import Point

CASCADES = ("eye", "eye_tree_eyeglasses")
SIDE = 160  # pixels to which a face is scaled: an eye in it is about 40 wide, twice the cascades' window
SMALLEST = 24  # pixels of the face: below, an eye is a handful of pixels and what is found is chance
BAND = (0.18, 0.62)  # of the box's height in which the eyes of a frontal face lie, and in which they are looked for
LEVEL = 20.0  # degrees that the line through the eyes may lean
APART = (0.24, 0.56)  # of the box's width between the eyes


class Eye(NamedTuple):
    """A find of an eye cascade, centre and width in shares of the face's box."""

    x: float
    y: float
    width: float
    votes: int


def eyes_of(grey: NDArray[np.uint8], box: tuple[int, int, int, int], cascades: list[Any]) -> dict[str, Point]:
    """The eyes of an upright frontal face, the person's right eye first; empty where no two finds make a pair.

    Args:
        grey: (H, W).
        box: x0, y0, x1, y1 of the face.
        cascades: those of `CASCADES`, asked in order until one shows a pair.
    """
    x0, y0, x1, y1 = box
    if min(x1 - x0, y1 - y0) < SMALLEST:
        return {}
    top, left = max(0, round(y0 + BAND[0] * (y1 - y0))), max(0, x0)
    cut = grey[top : max(0, round(y0 + BAND[1] * (y1 - y0))), left : max(0, x1)]
    if min(cut.shape) < 4:
        return {}
    scale = SIDE / (x1 - x0)
    cut = resized(cut, round(cut.shape[1] * scale), round(cut.shape[0] * scale))
    for cascade in cascades:
        found, votes = cascade.detectMultiScale2(cut, 1.1, 3, 0, (20, 20), (SIDE // 2, SIDE // 2))
        eyes = [
            Eye(
                (left + (x + w / 2) * (x1 - x0) / SIDE - x0) / (x1 - x0),
                (top + (y + h / 2) * (x1 - x0) / SIDE - y0) / (y1 - y0),
                w / SIDE,
                int(vote),
            )
            for (x, y, w, h), vote in zip(found, votes, strict=True)
        ]
        pair = best_pair(eyes)
        if pair:
            right, left_eye = (Point(float(x0 + eye.x * (x1 - x0)), float(y0 + eye.y * (y1 - y0))) for eye in pair)
            return {"right_eye": right, "left_eye": left_eye}
    return {}


def best_pair(eyes: list[Eye]) -> tuple[Eye, Eye] | None:
    """The two finds that look most like a pair of eyes, from left to right in the picture, or None.

    A pair lies in the upper part of the face, level, apart, one on each side, of similar size; of several pairs the one with most
    votes is taken.

    >>> best_pair([Eye(0.7, 0.4, 0.2, 5), Eye(0.3, 0.4, 0.2, 9), Eye(0.5, 0.6, 0.2, 30)])
    (Eye(x=0.3, y=0.4, width=0.2, votes=9), Eye(x=0.7, y=0.4, width=0.2, votes=5))
    """
    pairs = []
    for a, b in combinations(sorted(eyes), 2):
        lean = math.degrees(math.atan2(b.y - a.y, b.x - a.x))
        if (
            BAND[0] <= min(a.y, b.y) <= max(a.y, b.y) <= BAND[1]
            and a.x < 0.5 < b.x
            and abs(lean) <= LEVEL
            and APART[0] <= math.hypot(b.x - a.x, b.y - a.y) <= APART[1]
            and max(a.width, b.width) <= 1.8 * min(a.width, b.width)
        ):
            pairs.append((a, b))
    return max(pairs, key=lambda pair: min(pair[0].votes, pair[1].votes), default=None)
