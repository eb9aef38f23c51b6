"""Pictures at the size at which they are shown."""

from __future__ import annotations

from PIL import Image


def fit(picture: Image.Image, side: int) -> Image.Image:
    """The picture in the same shape with its longer side of so many pixels, mode RGB.

    >>> fit(Image.new("L", (400, 200)), 100).size
    (100, 50)
    """
    longest = max(picture.size)
    width, height = (max(1, round(one * side / longest)) for one in picture.size)
    return resized(picture, (width, height))


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at a (width, height), mode RGB; a tiny one's pixels are shown as what they are."""
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    if max(picture.size) < 64:
        return picture.resize(size, Image.Resampling.NEAREST)
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
