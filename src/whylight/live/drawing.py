"""A frame with its map on it, drawn fast: in the frame's own array, on a scale that is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.explanation import Explanation
from whylight.explanation.heat import Heat
from whylight.render.boxes import draw_boxes
from whylight.render.colormap import DEFAULT, apply, quantize
from whylight.render.overlay import layers

Pixels = NDArray[np.uint8]
_SIDE = 320  # pixels of the longer side at which heat is placed; it is smooth, and is stretched from there


@dataclass(frozen=True)
class Look:
    """How frames are drawn.

    Attributes:
        alpha: how much the strongest evidence covers, 0 to 1.
        colormap: any name that overlays take.
        boxes: draw them, with their numbers.
        text: write the class and its probability into the corner.
    """

    alpha: float = 0.5
    colormap: str = DEFAULT
    boxes: bool = True
    text: bool = True


def heat_of(explanation: Explanation, high: float) -> NDArray[np.uint8] | None:
    """The 256 steps of heat, (h, w) uint8, over the whole frame, at no more than some hundred pixels a side; None: nothing to see.

    Args:
        explanation: of the frame.
        high: the map's value that is drawn as the most; its `level` is drawn as nothing.
    """
    if explanation.is_blank or not high > explanation.level:
        return None
    width, height = explanation.picture.size
    part = min(1.0, _SIDE / max(width, height))
    size = max(1, round(height * part)), max(1, round(width * part))
    shown = Heat(
        explanation.map,
        explanation.level,
        explanation.region,
        (width, height),
        size,
        high,
        explanation.span,
        for_eyes=True,
    )
    steps = np.empty(size, np.uint8)
    for rows, band in shown.bands():
        steps[rows] = quantize(band.numpy())
    return steps


def draw(
    pixels: Pixels,
    steps: Pixels | None,
    look: Look,
    boxes: Sequence[Sequence[float]] = (),
    names: Sequence[str] = (),
    text: str = "",
) -> Pixels:
    """A new picture: (H, W, 3) uint8 RGB, the frame with the map, boxes and a line of text on it.

    Args:
        pixels: of the frame, left as they are.
        steps: of `heat_of`; None: no map.
        look: how.
        boxes: x0, y0, x1, y1 in the frame's pixels.
        names: one for each.
        text: for the corner.
    """
    height, width = pixels.shape[:2]
    if steps is None or look.alpha == 0:
        drawn = pixels.copy()
    else:
        full = np.asarray(cv2.resize(steps, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        colour, keep = layers(look.colormap, float(look.alpha))
        kept = cv2.multiply(pixels, apply(full, keep), scale=1.0 / 255.0)
        drawn = np.asarray(cv2.add(kept, apply(full, colour)), dtype=np.uint8)
    if look.boxes and boxes:
        drawn = np.array(draw_boxes(Image.fromarray(drawn), boxes, names, spoil=True))
    if look.text and text:
        _write(drawn, text)
    return drawn


def _write(pixels: Pixels, text: str) -> None:
    """A line in the lower left corner, white on dark."""
    height, width = pixels.shape[:2]
    scale = max(0.35, min(width, height) / 640)
    line = " ".join(text.split()).encode("ascii", "replace").decode()  # OpenCV's letters are no more than that
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(scale * 1.6))
    (wide, tall), below = cv2.getTextSize(line, font, scale, thick)
    pad = round(tall * 0.6)
    top = max(0, height - tall - below - 2 * pad)
    ground = pixels[top:, : min(width, wide + 2 * pad)]
    ground[:] = (ground.astype(np.uint16) // 4).astype(np.uint8)
    cv2.putText(pixels, line, (pad, height - below - pad), font, scale, (255, 255, 255), thick, cv2.LINE_AA)
