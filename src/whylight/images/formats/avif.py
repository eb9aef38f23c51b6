"""AVIF: Pillow's reader, which is shown the still picture alone, once it is known what that costs."""

from __future__ import annotations

import io
from typing import IO

from PIL import AvifImagePlugin, ImageFile, features

from whylight.images.formats.boxes import Container
from whylight.images.limits import Refusal

COST = 1.25  # Pillow holds the picture three times over while it decodes: 11 bytes a pixel


def opened(data: bytes, max_pixels: int, cost: float) -> ImageFile.ImageFile:
    """Open the still picture of an AVIF file.

    Raises:
        Refusal: it is cut short, holds none, or more than is allowed; or this Pillow was built without AVIF.
    """
    found = Container(data, "AVIF", max_pixels, cost)
    if not features.check("avif"):
        raise Refusal("this Pillow was built without AVIF; its wheels have it: pip install --force-reinstall pillow")
    stream: IO[bytes] = io.BytesIO(found.still)
    return AvifImagePlugin.AvifImageFile(stream)
