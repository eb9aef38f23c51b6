"""Heat in [0, 1] to colours, through a table of 256 entries."""

from __future__ import annotations

import difflib
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.render.bands import bands

# Plasma: its lightness rises evenly from dark to bright, so equal steps of evidence look equal, also printed in grey
# and to colour-blind eyes; and unlike inferno or viridis it is saturated all the way (blue, magenta, orange, yellow):
# hues that photographs of people, rooms and landscapes seldom have, so that a half-transparent layer of it is not
# taken for a part of the picture.
DEFAULT = "plasma"

# Blue against, red for, and nothing in the middle, which is seen through: for maps with a sign. Red and blue of one lightness
# are told apart by people who see red and green alike, too.
SIGNED = "signed"

# OpenCV carries these tables itself (within one level of matplotlib's), which spares a cold start the import of
# matplotlib. Its jet is the one that Grad-CAM pictures have been drawn with since 2017.
_OPENCV = {
    "plasma": cv2.COLORMAP_PLASMA,
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "turbo": cv2.COLORMAP_TURBO,
    "jet": cv2.COLORMAP_JET,
}


@lru_cache(maxsize=64)
def table(name: str = DEFAULT) -> NDArray[np.uint8]:
    """The 256 colours of a colormap, (256, 3) uint8 RGB, from no evidence to the most; read-only.

    Any matplotlib name does, also with `_r` for the reverse. An unknown name raises `WhylightError` with the nearest
    ones.

    >>> table("jet").shape
    (256, 3)
    """
    steps = np.arange(256, dtype=np.uint8)
    if name in _OPENCV:
        colours = np.array(cv2.applyColorMap(steps[:, None], _OPENCV[name])[:, 0, ::-1], dtype=np.uint8)  # from BGR
    else:
        from matplotlib import colormaps

        name = "RdBu_r" if name == SIGNED else name

        if name not in colormaps:
            near = difflib.get_close_matches(name.lower(), list(colormaps), n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"good ones are {', '.join(_OPENCV)}."
            raise WhylightError(f"colormap {name!r} is not known: {hint}")
        colours = np.array(colormaps[name](steps, bytes=True)[:, :3], dtype=np.uint8)
    colours.flags.writeable = False
    return colours


def colorize(heat: NDArray[np.floating], colormap: str = DEFAULT) -> NDArray[np.uint8]:
    """Colour a heat map: (H, W) in [0, 1] → (H, W, 3) uint8 RGB. Values outside are clipped.

    >>> colorize(np.zeros((2, 3)), "inferno")[0, 0].tolist()
    [0, 0, 4]
    """
    return apply(quantize(heat), table(colormap))


def quantize(heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round a heat map in [0, 1] to the 256 steps of a colour table: (H, W) float → (H, W) uint8."""
    if heat.ndim != 2 or heat.size == 0:
        raise WhylightError(f"heat must have the shape (height, width), each at least 1; given {heat.shape}")
    steps = np.empty(heat.shape, dtype=np.uint8)
    for rows in bands(heat.shape[1], heat.shape[0]):
        band = heat[rows]
        if np.isnan(band.min()):  # a minimum carries NaN on; drawn as any colour at all it would be a lie
            raise WhylightError("heat holds values that are not numbers (NaN); the map it came from cannot be shown")
        clipped = np.clip(band.astype(np.float32, copy=False), 0.0, 1.0)
        steps[rows] = cv2.convertScaleAbs(clipped, alpha=255.0)  # rounded
    return steps


def apply(steps: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Look every step up in a table: (H, W) uint8, (256, 3) uint8 → (H, W, 3) uint8."""
    table = np.ascontiguousarray(colours)[:, None, :]
    height, width = steps.shape
    found = np.empty((height, width, 3), dtype=np.uint8)
    for rows in bands(width, height):
        found[rows] = cv2.applyColorMap(steps[rows], table)
    return found
