"""Every kind of pixel to 8-bit RGB: deep grey is scaled and not clipped, transparency lies over white."""

from __future__ import annotations

import numpy as np
from PIL import Image

from whylight.errors import ImageError


def to_rgb(picture: Image.Image, name: str) -> Image.Image:
    """A new RGB picture. PIL decodes 16-bit colour to 8 by itself; grey deeper than 8 bits is left to us."""
    mode = picture.mode
    if mode == "I" or mode == "F" or mode.startswith("I;16"):
        return _from_deep_grey(picture, name)
    if mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        return _over_white(picture)
    try:
        return picture.convert("RGB")
    except (ValueError, OSError):
        raise ImageError(f"{name}: pictures in colour mode {mode} cannot be read; convert it to RGB") from None


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


def _from_deep_grey(picture: Image.Image, name: str) -> Image.Image:
    """16-bit, 32-bit and float grey, brought to 0…255.

    The range is the 16-bit one, also for 32-bit pictures whose values fit it; floats may lie in 0…1 or 0…255; whatever
    fits none of these is stretched from its lowest to its highest value.
    """
    grey = np.asarray(picture)
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise ImageError(f"{name}: some of its values are not finite numbers; fill them before reading it as a picture")
    if low < 0 or high > 65535:
        start, span = low, high - low or 1.0
    elif picture.mode != "F" or high > 255:
        start, span = 0.0, 65535.0
    else:
        start, span = 0.0, (255.0 if high > 1 else 1.0)
    eight = np.rint((grey.astype(np.float64) - start) * (255.0 / span)).astype(np.uint8)
    key = picture.info.get("transparency")
    if isinstance(key, int):  # the one grey value that a PNG declares transparent
        eight = np.where(grey == key, np.uint8(255), eight)
    return Image.fromarray(eight).convert("RGB")


def from_array(array: np.ndarray) -> Image.Image:
    shape = " × ".join(map(str, array.shape)) or "no dimensions"
    if array.dtype != np.uint8:
        way = {
            "f": "for values in 0…1 pass (255 * array).round().astype(numpy.uint8)",
            "b": "pass 255 * array.astype(numpy.uint8)",
        }.get(array.dtype.kind, "scale the values to 0…255 and pass array.astype(numpy.uint8)")
        raise ImageError(f"<array>: a picture must be uint8, not {array.dtype}; {way}")
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in {2, 3} or channels not in {1, 3, 4}:
        hint = (
            "; channels come last: pass array.transpose(1, 2, 0)"
            if array.ndim == 3 and array.shape[0] in {1, 3}
            else ""
        )
        raise ImageError(f"<array>: a picture has shape (H, W), (H, W, 3) or (H, W, 4), not {shape}{hint}")
    if array.size == 0:
        raise ImageError(f"<array>: the picture has no pixels: {shape}")
    pixels = np.ascontiguousarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)
    picture = Image.fromarray(pixels)
    return _over_white(picture) if channels == 4 else picture.convert("RGB")
