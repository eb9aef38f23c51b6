"""Take an object out of a picture, so that the next look finds another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.boxes.box import Box, Rectangle
from whylight.errors import WhylightError

Eraser = Literal["blur", "mean", "inpaint"]
DEFAULT: Eraser = "blur"  # benchmarks/localization/sequential.py compares them
MARGIN = 0.1  # of a box's sides, taken away around it: what sticks out of a box is often enough for the classifier
_BLUR = 0.5  # standard deviation of the blur, as a share of the box's shorter side
_LONGEST = 256  # pixels along a patch's longer side while it is blurred or painted; what comes out has no detail anyway
_RADIUS = 5  # pixels around each painted one that it is continued from


def erase(picture: Image.Image, boxes: Sequence[Box], how: Eraser = DEFAULT, *, margin: float = MARGIN) -> Image.Image:
    """Take what is in the boxes out of a picture.

    Args:
        picture: RGB.
        boxes: in its pixels.
        how: `"blur"`: smear it, half of its size wide. `"mean"`: fill it with the mean colour of what surrounds it. `"inpaint"`:
            continue the surroundings into it (Telea, An image inpainting technique based on the fast marching method, 2004).
        margin: share of a box's sides by which it is enlarged on each side first.

    Returns:
        A new picture of the same size; outside of the enlarged boxes it is the same to the last bit.

    Raises:
        WhylightError: if `how` is unknown.
    """
    if how not in get_args(Eraser):
        raise WhylightError(f"erase: expected one of {', '.join(get_args(Eraser))}, got {how!r}")
    pixels = np.array(picture.convert("RGB"))  # (H, W, 3)
    for box in boxes:
        _fill(pixels, _enlarged(box, margin, picture.size), how)
    return Image.fromarray(pixels)


def _enlarged(box: Rectangle, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box[:4]
    across, down = margin * (x1 - x0), margin * (y1 - y0)
    return (
        max(0, round(x0 - across)),
        max(0, round(y0 - down)),
        min(size[0], round(x1 + across)),
        min(size[1], round(y1 + down)),
    )


def _fill(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], how: Eraser) -> None:
    """Change what is in a box, in place; it is worked on together with as much again of its surroundings."""
    if box[0] >= box[2] or box[1] >= box[3]:
        return
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = _enlarged(box, 0.5, (width, height))
    around = pixels[y0:y1, x0:x1]  # a view
    inside = np.zeros(around.shape[:2], np.uint8)
    inside[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0] = 255
    scale = min(1.0, _LONGEST / max(around.shape[:2]))
    small_size = (max(1, round(around.shape[1] * scale)), max(1, round(around.shape[0] * scale)))
    small = cv2.resize(around, small_size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(inside, small_size, interpolation=cv2.INTER_NEAREST)
    if how == "mean":
        rest = small[mask == 0] if (mask == 0).any() else small.reshape(-1, 3)
        filled = np.broadcast_to(np.rint(rest.mean(0)).astype(np.uint8), small.shape)
    elif how == "blur":
        filled = cv2.GaussianBlur(small, (0, 0), _BLUR * scale * min(box[2] - box[0], box[3] - box[1]) + 1)
    elif (mask == 0).any():
        filled = cv2.inpaint(small, mask, _RADIUS, cv2.INPAINT_TELEA)
    else:  # nothing to continue from
        filled = np.broadcast_to(np.rint(small.reshape(-1, 3).mean(0)).astype(np.uint8), small.shape)
    filled = cv2.resize(filled, (around.shape[1], around.shape[0]), interpolation=cv2.INTER_LINEAR)
    around[inside > 0] = filled[inside > 0]
