"""A picture in another size: averaged where it shrinks, interpolated where it grows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Pixels (H, W[, 3]) in another size; at least one pixel each way."""
    size = (max(1, width), max(1, height))
    shrinks = size[0] < pixels.shape[1] or size[1] < pixels.shape[0]
    result: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(result, np.uint8)
