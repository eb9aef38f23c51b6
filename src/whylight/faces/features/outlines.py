"""From places in a face to the masks of its parts: which landmarks go around each part, and which part lies in front."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.faces.features.typical import MIRROR
from whylight.faces.types import Point

Outline = NDArray[np.float64]  # (N, 2) corners in pixels of the crop


def _both(*right: int) -> tuple[int, ...]:
    """All around a part in the middle, from its upper to its lower end on the right half, and back on the left one."""
    return (*right, *(MIRROR[landmark] for landmark in reversed(right) if MIRROR[landmark] != landmark))


_EYE = (226, 113, 225, 224, 223, 222, 221, 189, 244, 233, 232, 231, 230, 229, 228, 31)  # with lids
_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
_BESIDE = (
    10,
    109,
    67,
    103,
    54,
    21,
    162,
    127,
    234,
    93,
    132,
    58,
    172,
    136,
    150,
    149,
    176,
    148,
    152,
)  # half the face's edge
_CHEEK = (*_BESIDE, 17, 0, 2, 168)  # half the face: what is left of it once the other parts are laid over it
FACE = _both(*_BESIDE)
_OUTLINES = {
    "right_cheek": _CHEEK,
    "left_cheek": tuple(MIRROR[landmark] for landmark in _CHEEK),
    "forehead": _both(10, 109, 67, 103, 54, 21, 162, 124, 46, 53, 52, 65, 55, 193, 168),
    "chin": _both(17, 61, 202, 211, 149, 176, 148, 152),
    "right_eye": _EYE,
    "left_eye": tuple(MIRROR[landmark] for landmark in _EYE),
    "nose": _both(168, 193, 122, 188, 174, 217, 209, 49, 129, 64, 98, 97, 2),
    "right_eyebrow": _BROW,
    "left_eyebrow": tuple(MIRROR[landmark] for landmark in _BROW),
    "mouth": _both(0, 37, 39, 40, 185, 61, 146, 91, 181, 84, 17),
}
ORDER = ("background", "hair", *_OUTLINES)  # each lies in front of those before it
# In eye distances: none of them has a sharp edge, and between eye and brow nothing is left.
_GROWN = {"mouth": 0.05, "right_eye": 0.03, "left_eye": 0.03, "right_eyebrow": 0.05, "left_eyebrow": 0.05}
_HAIR = (132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10)  # the part of the face's edge beside which hair usually is
_WIDER, _HIGHER = 1.3, 1.85  # how far hair reaches, in the face's half width and height above the cheekbones


def outlines(points: NDArray[np.float64]) -> dict[str, Outline]:
    """The outline of each part, from landmarks (468, 2) in pixels of the crop; those that outline nothing may be NaN.

    Hair has no landmarks: its outline is the upper face's, widened.
    """
    found = {name: points[list(landmarks)] for name, landmarks in _OUTLINES.items()}
    found["hair"] = _hair(points)
    return found


def paint(shapes: Mapping[str, Outline], unit: float, size: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """Masks (H, W) that share no pixel and together cover the crop, in `ORDER`; parts that are nowhere in it are left out.

    Args:
        shapes: the outlines by name; what no outline holds is background.
        unit: the eye distance in pixels.
        size: (H, W) of the crop.
    """
    drawn = np.zeros(size, np.uint8)  # the part's place in ORDER, for each pixel
    for number, name in enumerate(ORDER):
        if name in shapes:
            _fill(drawn, shapes[name], number, _GROWN.get(name, 0.0) * unit)
    return {name: drawn == number for number, name in enumerate(ORDER) if (drawn == number).any()}


def middle(outline: Outline) -> Point:
    """The centre of gravity of a polygon.

    >>> middle(np.array([(0.0, 0), (4, 0), (4, 2), (0, 2)]))
    Point(x=2.0, y=1.0)
    """
    x, y = outline.T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    cross = x * next_y - next_x * y  # twice the area between the origin and each side
    whole = 3 * float(cross.sum())
    if whole == 0:
        return Point(float(x.mean()), float(y.mean()))
    return Point(float(((x + next_x) * cross).sum()) / whole, float(((y + next_y) * cross).sum()) / whole)


def _fill(drawn: NDArray[np.uint8], outline: Outline, number: int, grown: float) -> None:
    """Paint a polygon, grown by so many pixels all around."""
    fine = 16  # of a pixel: OpenCV takes whole numbers
    # (0.5, 0.5) is the first pixel's centre here, (0, 0) is in OpenCV; far corners are cut, for OpenCV holds few bits.
    corners = np.clip((outline - 0.5) * fine, -(2**20), 2**20).round().astype(np.int32)
    cv2.fillPoly(drawn, [corners], number, shift=4)
    width = round(2 * grown)
    if width > 1:
        cv2.polylines(drawn, [corners], True, number, thickness=width, shift=4)


def _hair(points: NDArray[np.float64]) -> Outline:
    """The upper edge of the face moved outwards from the middle between the cheekbones, on the face's own axes."""
    right, left = points[234], points[454]
    middle, x = (right + left) / 2, left - right
    y = points[152] - points[10]  # not quite across x in a turned face, and so is its hair
    axes = np.column_stack([x / np.linalg.norm(x), y / np.linalg.norm(y)])  # (2, 2)
    edge = points[list(_both(*reversed(_HAIR)))] - middle
    return np.asarray((edge @ np.linalg.inv(axes).T * (_WIDER, _HIGHER)) @ axes.T + middle)
