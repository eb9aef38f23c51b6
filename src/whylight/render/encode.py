"""Pixels as the bytes of a file."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def encode(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """Stand-in until images lands."""
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if suffix == "png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    data: Any
    _, data = cv2.imencode(f".{suffix}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return bytes(data)
