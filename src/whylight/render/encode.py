"""Pixels to the bytes of a file, at the speed of OpenCV, and an error that says what is wrong where it gives up."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WriteError
from whylight.render.bands import bands

_LONGEST = {"JPEG": 65_500, "WEBP": 16_383, "PNG": 1_000_000}  # pixels a side that a format or its library has room for

# Level 1: a third of the time of PNG's default level for a tenth more bytes.
_OPTIONS = {"PNG": [cv2.IMWRITE_PNG_COMPRESSION, 1], "JPEG": [cv2.IMWRITE_JPEG_QUALITY, 92]}
_KINDS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG"}


def encode(pixels: NDArray[np.uint8], suffix: str, *, spoil: bool = False) -> bytes:
    """Encode RGB pixels as PNG or JPEG. Other threads go on meanwhile.

    Args:
        pixels: (H, W, 3) uint8.
        suffix: `"png"` or `"jpg"`, with or without a dot.
        spoil: use the memory of `pixels` for the work, which leaves red and blue exchanged in it: a large picture is then
            held once and not twice.

    Returns:
        The bytes of the file.

    Raises:
        WriteError: the format has no room for such a picture, or there is not enough memory.

    >>> encode(np.zeros((2, 3, 3), np.uint8), "png")[:4]
    b'\\x89PNG'
    """
    kind = _KINDS.get(suffix.lstrip(".").lower())
    if kind is None:
        raise WriteError(f"a picture cannot be written as {suffix!r}; use png or jpg")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise WriteError(f"a picture to be written has the shape (height, width, 3), not {pixels.shape}")
    height, width = pixels.shape[:2]
    check_sides((width, height), kind)
    try:
        if spoil and pixels.flags.writeable:
            for rows in bands(width, height):
                pixels[rows] = cv2.cvtColor(pixels[rows], cv2.COLOR_RGB2BGR)
        else:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), dtype=np.uint8)
        done, data = cv2.imencode("." + kind.lower(), pixels, _OPTIONS[kind])
        del pixels  # where nobody else holds them, their memory is free for the copy
        if done:
            return bytes(data.data)
        reason = "the encoder gave up"
    except MemoryError:
        reason = "there is not enough memory"
    except cv2.error as error:
        reason = (
            "there is not enough memory" if error.code == cv2.Error.StsNoMem else error.err or "the encoder gave up"
        )
    raise WriteError(
        f"a picture of {width} × {height} pixels cannot be written as {kind}: {reason}; make the picture smaller"
    )


def check_sides(size: tuple[int, int], kind: str) -> None:
    """Refuse a (width, height) that a kind of file, as Pillow calls it, has no room for.

    Raises:
        WriteError: if there is none.

    >>> check_sides((65_500, 1), "JPEG")
    """
    longest = _LONGEST.get(kind)
    if longest is not None and max(size) > longest:
        way = "make the picture smaller" if kind == "PNG" else "write it as PNG"
        raise WriteError(
            f"a picture of {size[0]} × {size[1]} pixels is too long for {kind}, which ends at {longest:,} a side; {way}"
        )
