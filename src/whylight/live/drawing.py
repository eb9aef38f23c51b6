"""A frame with its map on it, drawn fast: in the frame's own array, on a scale that is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from whylight.explanation import Explanation
from whylight.explanation.heat import Heat
from whylight.render.boxes import COLOURS, DARK, beside, line_width, tag
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
    drawn = pixels.copy()
    if steps is not None and look.alpha > 0:
        _lay(drawn, steps, *layers(look.colormap, float(look.alpha)))
    if look.boxes and boxes:
        _frame(drawn, boxes, names)
    if look.text and text:
        _write(drawn, text)
    return drawn


def _lay(pixels: Pixels, steps: Pixels, colour: Pixels, keep: Pixels) -> None:
    """Lay heat over a picture, in place; only where there is some, which is seldom everywhere."""
    (height, width), (h, w) = pixels.shape[:2], steps.shape
    full = np.asarray(cv2.resize(steps, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    down, across = slice(0, height), slice(0, width)
    if keep[0].min() == 255 and not colour[0].any():
        x, y, columns, rows = cv2.boundingRect(steps)
        # a step shows in the pixels up to one step beyond its own
        down = slice(max(0, (y - 1) * height // h), min(height, -(-(y + rows + 1) * height // h)))
        across = slice(max(0, (x - 1) * width // w), min(width, -(-(x + columns + 1) * width // w)))
    part, heat = pixels[down, across], np.ascontiguousarray(full[down, across])
    if heat.size:
        part[:] = cv2.add(cv2.multiply(part, apply(heat, keep), scale=1.0 / 255.0), apply(heat, colour))


def _frame(pixels: Pixels, boxes: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    """Draw boxes as `draw_boxes` does, in place: Pillow would copy the whole picture to and fro."""
    height, width = pixels.shape[:2]
    line = line_width((width, height))
    for number, box in enumerate(boxes):
        x0, y0, x1, y1 = (round(value) for value in box)
        for by, thick, colour in ((1, line + 2, DARK), (0, line, COLOURS[number % len(COLOURS)])):
            _ring(pixels, (x0 - by, y0 - by, max(x1, x0 + 1) + by, max(y1, y0 + 1) + by), thick, colour)
    for number, (box, name) in enumerate(zip(boxes, names, strict=False)):
        shown = np.asarray(tag(name, min(height, width), COLOURS[number % len(COLOURS)]))
        x, y = beside((width, height), (shown.shape[1], shown.shape[0]), box)
        shown = shown[: max(0, height - y), : width - x]
        pixels[y : y + shown.shape[0], x : x + shown.shape[1]] = shown


def _ring(pixels: Pixels, box: tuple[int, int, int, int], thick: int, colour: str) -> None:
    """The outline of a box, so thick, inside of it."""
    x0, y0, x1, y1 = box
    left, top = min(x0 + thick, x1), min(y0 + thick, y1)
    right, bottom = max(x1 - thick, x0), max(y1 - thick, y0)
    for part in ((x0, y0, x1, top), (x0, bottom, x1, y1), (x0, y0, left, y1), (right, y0, x1, y1)):
        across, down = slice(max(0, part[0]), max(0, part[2])), slice(max(0, part[1]), max(0, part[3]))
        pixels[down, across] = ImageColor.getrgb(colour)


def _write(pixels: Pixels, text: str) -> None:
    """A line in the lower left corner, white on dark, as much of it as there is room for."""
    height, width = pixels.shape[:2]
    shown = np.asarray(tag(text, min(height, width), DARK, "white"))[-height:, :width]
    pixels[height - shown.shape[0] :, : shown.shape[1]] = shown
