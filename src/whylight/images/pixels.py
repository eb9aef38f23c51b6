"""Every kind of pixel to 8-bit RGB: deep grey is scaled and not clipped, transparency lies over white.

A picture of 100 megapixels takes 400 MB as Pillow holds it. So what needs steps in between is done in bands of whole rows:
beside the picture and the result there is never more than a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from whylight.images.limits import Refusal, check_size

_BAND = 2**20  # pixels
_RANGES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16))
_Change = Callable[[Image.Image], Image.Image]


def to_rgb(picture: Image.Image, turn: Image.Transpose | None = None) -> Image.Image:
    """A new RGB picture, turned. PIL decodes 16-bit colour to 8 by itself; grey deeper than 8 bits is left to us.

    Raises:
        Refusal: the picture is in colours or numbers that cannot be shown.
    """
    mode = picture.mode
    if mode == "I" or mode == "F" or mode.startswith("I;16"):
        change = _from_deep_grey(picture)
    elif mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        change = _over_white
    elif turn is None:
        return _converted(picture)
    else:
        change = _converted
    size = picture.size
    result = Image.new("RGB", size if turn not in SIDEWAYS else size[::-1], None)
    for top, band in _bands(picture):
        changed = change(band)
        result.paste(
            changed if turn is None else changed.transpose(turn), _corner(turn, size[1], top, top + band.height)
        )
    return result


SIDEWAYS = (
    *(Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270),
    *(Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
)
_FROM_THE_END = (
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_180,
    *SIDEWAYS[1:3],
)  # the first row comes last


def _corner(turn: Image.Transpose | None, height: int, top: int, bottom: int) -> tuple[int, int]:
    """Where the rows from top to bottom come to lie."""
    at = height - bottom if turn in _FROM_THE_END else top
    return (at, 0) if turn in SIDEWAYS else (0, at)


def _bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Copies of so many whole rows at a time, each with the number of its first row."""
    width, height = picture.size
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))


def _converted(picture: Image.Image) -> Image.Image:
    try:
        return picture.convert("RGB")
    except (ValueError, OSError):
        raise Refusal(f"pictures in colour mode {picture.mode} cannot be read; convert it to RGB") from None


def _over_white(picture: Image.Image) -> Image.Image:
    key = picture.info.get("transparency")
    if (
        picture.mode == "RGB" and isinstance(key, tuple) and max(key) > 255
    ):  # a 16-bit PNG: PIL reduced the pixels, not the key
        picture = picture.copy()
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    if picture.mode in {"La", "RGBa"}:  # colours multiplied by alpha beforehand
        picture = picture.convert(picture.mode.upper())
    rgba = picture.convert("RGBA")
    white = Image.new("RGB", rgba.size, (255, 255, 255))
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _from_deep_grey(picture: Image.Image) -> _Change:
    """What brings a band of 16-bit, 32-bit and float grey to 0…255.

    A file says how many bits its numbers have room for, not how many are used: 12 bits are stored in 16, and 8 in 32. So
    the range is that of the fewest bits (8, 10, 12, 14 or 16) that hold the largest number; floats may lie in 0…1, too; whatever
    fits none of these is stretched from its lowest to its highest value.
    """
    low, high = np.inf, -np.inf
    for _, band in _bands(picture):
        grey = np.asarray(band)
        low, high = float(np.minimum(low, grey.min())), float(np.maximum(high, grey.max()))  # which keep a NaN
    if not np.isfinite(low) or not np.isfinite(high):
        raise Refusal("some of its values are not finite numbers; fill them before reading it as a picture")
    if low < 0 or high > 65535:
        start, span = low, high - low or 1.0
    elif picture.mode == "F" and high <= 1:
        start, span = 0.0, 1.0
    else:
        start, span = 0.0, next(most for most in _RANGES if high <= most)
    key = picture.info.get("transparency")

    def change(band: Image.Image) -> Image.Image:
        grey = np.asarray(band)
        eight = np.rint((grey.astype(np.float64) - start) * (255.0 / span)).astype(np.uint8)
        if isinstance(key, int):  # the one grey value that a PNG declares transparent
            eight = np.where(grey == key, np.uint8(255), eight)
        return Image.fromarray(eight).convert("RGB")

    return change


def from_array(array: np.ndarray) -> Image.Image:
    """A new RGB picture from uint8 values (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Raises:
        Refusal: if it is no such array.
    """
    shape = " × ".join(map(str, array.shape)) or "no dimensions"
    if array.dtype != np.uint8:
        way = {
            "f": "for values in 0…1 pass (255 * array).round().astype(numpy.uint8)",
            "b": "pass 255 * array.astype(numpy.uint8)",
        }.get(array.dtype.kind, "scale the values to 0…255 and pass array.astype(numpy.uint8)")
        raise Refusal(f"a picture must be uint8, not {array.dtype}; {way}")
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in {2, 3} or channels not in {1, 3, 4}:
        hint = (
            "; channels come last: pass array.transpose(1, 2, 0)"
            if array.ndim == 3 and array.shape[0] in {1, 3}
            else ""
        )
        raise Refusal(f"a picture has shape (H, W), (H, W, 3) or (H, W, 4), not {shape}{hint}")
    if array.size == 0:
        raise Refusal(f"the picture has no pixels: {shape}")
    height, width = array.shape[:2]
    check_size((width, height), None)
    result = Image.new("RGB", (width, height), None)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        band = array[top : top + rows]
        picture = Image.fromarray(np.ascontiguousarray(band[..., 0] if band.ndim == 3 and channels == 1 else band))
        result.paste(_over_white(picture) if channels == 4 else picture.convert("RGB"), (0, top))
    return result
