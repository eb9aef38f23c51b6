"""Several maps of one picture in one: a colour for each, and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.render.bands import bands
from whylight.render.page import INK, Box, Page, lines
from whylight.render.panel import LOCK

# Okabe and Ito's colours, which people with any common colour blindness tell apart; the brightest first.
COLOURS: tuple[tuple[int, int, int], ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (0, 114, 178),
    (213, 94, 0),
    (120, 120, 120),
)
_SIDE, _GAP, _MARGIN, _LEGEND, _LINE = 420, 14, 16, 300, 44


def blend(picture: Image.Image, heats: NDArray[np.floating], alpha: float = 0.6) -> Image.Image:
    """Colour each pixel of a picture as the strongest of the maps (r, H, W) in [0, 1] there, the more the stronger."""
    colours = np.asarray([COLOURS[i % len(COLOURS)] for i in range(len(heats))], dtype=np.float32)
    width, height = picture.size
    whole = Image.new("RGB", picture.size, None)
    for rows in bands(width, height):
        part = picture.crop((0, rows.start, width, rows.stop))
        pixels = np.asarray(part.convert("RGB"), dtype=np.float32)  # (h, W, 3)
        strength = heats[:, rows].max(0)[:, :, None] * alpha
        colour = colours[heats[:, rows].argmax(0)]
        mixed = (pixels * (1 - strength) + colour * strength).round().astype(np.uint8)
        whole.paste(Image.fromarray(mixed), (0, rows.start))
    return whole


def concept_panel(
    picture: Image.Image, heats: NDArray[np.floating], labels: Sequence[str], *, title: str, subtitle: str = ""
) -> Image.Image:
    """Draw picture | concepts over picture | legend, one line for each of the r labels, as an RGB picture."""
    longest = max(picture.size)
    width, height = (max(1, round(side * _SIDE / longest)) for side in picture.size)
    mixed = blend(picture, heats)
    tall = max(height, _LINE * len(labels))
    with LOCK:
        page = Page(2 * _MARGIN + 2 * (width + _GAP) + _LEGEND, tall + 2 * _MARGIN + 46)
        top = _MARGIN + 46
        room = page.width - 2 * _MARGIN
        for line in lines(title, room, 11.5, weight="bold", most=1):
            page.write(_MARGIN, _MARGIN + 9, line, 11.5, weight="bold", colour=INK)
        for line in lines(subtitle, room, 8.5, most=1):
            page.write(_MARGIN, _MARGIN + 30, line)
        for number, one in enumerate((picture.convert("RGB"), mixed)):
            small = cv2.resize(np.asarray(one), (width, height), interpolation=cv2.INTER_AREA)
            page.show(Box(_MARGIN + number * (width + _GAP), top, width, height), np.asarray(small, dtype=np.uint8))
        left = _MARGIN + 2 * (width + _GAP)
        for number, label in enumerate(labels):
            y = top + number * _LINE
            patch = np.full((18, 18, 3), COLOURS[number % len(COLOURS)], dtype=np.uint8)
            page.show(Box(left, y + 4, 18, 18), patch)
            for row, line in enumerate(lines(label, _LEGEND - 30, 8.5)):
                page.write(left + 28, y + 13 + 15 * row, line, colour=INK)
        return page.picture()
