"""Looking at a turned picture, and bringing back what was found in it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.boxes.box import Box
from whylight.faces.types import Face, Point


def turned(pixels: NDArray[np.uint8], angle: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Turn a picture (H, W[, 3]) counter-clockwise about its centre, on a canvas large enough for all of it.

    Returns:
        The turned picture, what is new in it grey; and (2, 3) pixels of the picture → pixels of the turned one, the first pixel's
        centre at (0.5, 0.5).
    """
    height, width = pixels.shape[:2]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    wide = math.ceil(abs(cos) * width + abs(sin) * height - 1e-6)
    high = math.ceil(abs(sin) * width + abs(cos) * height - 1e-6)
    turn = np.array([[cos, sin], [-sin, cos]])  # y points down
    shift = np.array([wide / 2, high / 2]) - turn @ (width / 2, height / 2)
    counted = turn @ (0.5, 0.5) + shift - 0.5  # OpenCV counts from the first pixel's centre
    result: Any = cv2.warpAffine(
        pixels, np.column_stack([turn, counted]), (wide, high), borderValue=(127, 127, 127), flags=cv2.INTER_LINEAR
    )
    return result, np.column_stack([turn, shift])


def turned_back(face: Face, matrix: NDArray[np.float64], angle: float) -> Face:
    """A face found in a turned picture, in pixels of the picture: the box keeps its centre and sides and stays upright."""
    inverse = np.linalg.inv(matrix[:, :2])

    def back(x: float, y: float) -> Point:
        here = inverse @ (np.array([x, y]) - matrix[:, 2])
        return Point(float(here[0]), float(here[1]))

    box = face.box
    centre = back((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    x0, y0 = round(centre.x - (box.x1 - box.x0) / 2), round(centre.y - (box.y1 - box.y0) / 2)
    return replace(
        face,
        box=Box(x0, y0, x0 + box.x1 - box.x0, y0 + box.y1 - box.y0, box.score),
        points={name: back(*point) for name, point in face.points.items()},
        angle=angle,
    )
