"""Lay a heat map over the picture it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import WhylightError
from whylight.render.bands import Band, bands
from whylight.render.colormap import DEFAULT, SIGNED, apply, quantize, table

# The rainbows' low end is a strong blue that people read as "cold", so they want the even blend that class activation
# maps have always been shown with. Every other map fades in.
UNIFORM = frozenset({"jet", "turbo", "rainbow", "hsv", "nipy_spectral", "gist_rainbow"})


def overlay(
    picture: Image.Image, heat: NDArray[np.floating], *, alpha: float = 0.5, colormap: str = DEFAULT
) -> Image.Image:
    """Blend a heat map over a picture; the result has the picture's size, mode RGB.

    `heat` is (H, W) in [0, 1]; of another size than the picture it is stretched over it, bilinear with half-pixel
    centres. The opacity grows with the evidence: where there is none, the picture stays as it is to the last bit;
    `alpha` (in [0, 1]) says how much the strongest evidence covers, from nothing to all. The rainbows (`jet`,
    `turbo`, …) are blended evenly instead: `alpha` everywhere, the classic look. Out-of-range `alpha`, an unknown
    colormap or a heat map with NaN raise `WhylightError`.

    >>> grey = Image.new("RGB", (4, 2), "grey")
    >>> overlay(grey, np.zeros((2, 4))).tobytes() == grey.tobytes()
    True
    """
    check_alpha(alpha)
    width, height = picture.size
    if heat.shape != (height, width):
        heat = np.asarray(cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))
    steps = quantize(heat)
    some = ((rows, steps[rows]) for rows in bands(width, height))
    return overlay_steps(picture, some, alpha=alpha, colormap=colormap)


def overlay_steps(
    picture: Image.Image, steps: Iterable[Band], *, alpha: float = 0.5, colormap: str = DEFAULT
) -> Image.Image:
    """The same from a heat map of the picture's size that was rounded to the 256 steps of a colour table.

    `steps` are some whole rows of it at a time, (h, W) uint8, each with which rows they are.
    """
    whole = Image.new("RGB", picture.size, None)
    for rows, band in blended(picture, steps, alpha, colormap):
        whole.paste(Image.fromarray(band), (0, rows.start))
    return whole


def blended(picture: Image.Image, steps: Iterable[Band], alpha: float, colormap: str) -> Iterator[Band]:
    """The rows of `overlay_steps`, (h, W, 3) uint8, as they are made."""
    check_alpha(alpha)
    colour, keep = layers(colormap, float(alpha))
    for rows, heat in steps:
        part = picture.crop((0, rows.start, picture.width, rows.stop))
        pixels = np.asarray(part if part.mode == "RGB" else part.convert("RGB"))  # (h, W, 3) uint8
        # out = picture·(1 − a) + colour·a, all in uint8: a 12-megapixel picture stays a matter of milliseconds
        kept = cv2.multiply(pixels, apply(heat, keep), scale=1.0 / 255.0)
        yield rows, np.asarray(cv2.add(kept, apply(heat, colour)), dtype=np.uint8)


def check_alpha(alpha: float) -> None:
    if not 0.0 <= alpha <= 1.0:
        raise WhylightError(f"alpha is an opacity from 0 (picture only) to 1 (map only); given {alpha}")


def opacity(colormap: str, alpha: float) -> NDArray[np.float64]:
    """How much each of the 256 steps of heat covers of the picture: (256,) in [0, 1]."""
    if colormap in UNIFORM:
        return np.full(256, alpha)
    steps = np.linspace(0.0, 1.0, 256)
    strength = np.abs(2.0 * steps - 1.0) if colormap == SIGNED else steps
    # Full opacity from half of the peak on, so that the whole hot part shows its true colours; smooth at both
    # ends, so that the edge of the evidence is no contour that the map does not have. The exponent: as only the
    # hot part is covered at all, the same alpha can cover it more than an even blend does (0.5 → 0.62), which
    # keeps it legible over busy pictures and in grey.
    rise = np.clip(strength / 0.5, 0.0, 1.0)
    return np.asarray((1.0 - (1.0 - alpha) ** 1.4) * rise * rise * (3.0 - 2.0 * rise), dtype=np.float64)


@lru_cache(maxsize=64)
def layers(colormap: str, alpha: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two (256, 3) tables: the colour already times its opacity, and what is kept of the picture (255 = all)."""
    covers = opacity(colormap, alpha)
    colour = np.rint(table(colormap) * covers[:, None])
    keep = np.repeat(np.rint(255.0 * (1.0 - covers))[:, None], 3, axis=1)
    return colour.astype(np.uint8), keep.astype(np.uint8)
