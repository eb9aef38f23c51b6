"""A picture that speaks for itself: picture | map | overlay, what was found, a colour bar in the map's own units."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.render.colormap import DEFAULT, apply, quantize, table
from whylight.render.fit import resized
from whylight.render.page import INK, Box, Page, lines

_SIDE = 420  # longest side of a tile, and
_LEAST = 240  # the least: smaller pictures are enlarged to it
_GAP, _MARGIN, _CAPTION = 14, 16, 22  # between tiles, round the panel, under a tile: pixels
_BAR, _BAR_ROOM = 16, 96  # the colour bar, and the room for it with its ticks and label
_FINER = 3  # pixels of a document for each of a panel, a side
_TITLE, _TITLE_LINE, _SUBTITLE_LINE = 11.5, 22, 17  # points; pixels from line to line

# One figure at a time: matplotlib shares fonts between figures, and web workers and thread pools draw at once.
LOCK = threading.Lock()


def panel(
    picture: Image.Image,
    heat: NDArray[np.floating] | NDArray[np.uint8],
    overlay: Image.Image,
    *,
    title: str,
    subtitle: str = "",
    colormap: str = DEFAULT,
    bar_label: str = "",
    limits: tuple[float, float] | None = (0.0, 1.0),
    blank: str = "",
) -> Image.Image:
    """Draw picture | map | overlay under a title and beside a colour bar, as an RGB picture about 1,400 pixels wide.

    `heat` is (H, W) in [0, 1], or rounded to the 256 steps of a colour table already, uint8; `limits` are the raw values
    that its 0 and 1 stand for, written at the bar's ticks
    (None: no bar) over `bar_label`, the units. Wide pictures are stacked instead of set side by side; tiny ones are
    enlarged, large ones reduced. `blank` is written on an empty map, such as "no positive evidence", so that it is
    not taken for a failed one.

    >>> grey = Image.new("RGB", (64, 48), "grey")
    >>> panel(grey, np.zeros((48, 64)), grey, title="cat", blank="no positive evidence").mode
    'RGB'
    """
    with LOCK:
        return _page(
            picture,
            heat,
            overlay,
            title=title,
            subtitle=subtitle,
            colormap=colormap,
            bar_label=bar_label,
            limits=limits,
            blank=blank,
        ).picture()


def document(kind: str, shown: Image.Image | Mapping[str, Any]) -> bytes:
    """A picture, or the arguments of a panel, as the bytes of a `pdf` or `svg` file, for papers.

    A panel's words stay text, and its pictures have up to three times the pixels a side; the same page is the same bytes.

    >>> grey = Image.new("RGB", (64, 48), "grey")
    >>> document("pdf", {"picture": grey, "heat": np.zeros((48, 64)), "overlay": grey, "title": "cat"})[:5]
    b'%PDF-'
    """
    with LOCK:
        if isinstance(shown, Mapping):
            return _page(**shown, finer=_FINER).document(kind)
        page = Page(*shown.size)
        page.show(Box(0, 0, *shown.size), np.asarray(shown.convert("RGB")))
        return page.document(kind)


def _page(
    picture: Image.Image,
    heat: NDArray[np.floating] | NDArray[np.uint8],
    overlay: Image.Image,
    *,
    title: str,
    subtitle: str = "",
    colormap: str = DEFAULT,
    bar_label: str = "",
    limits: tuple[float, float] | None = (0.0, 1.0),
    blank: str = "",
    finer: int = 1,
) -> Page:
    """The page; its pictures have so many times the pixels a side that they take, where there are so many."""
    size = width, height = _tile_size(picture.size)
    times = max(1.0, min(finer, max(picture.size) / max(size)))
    sharp = round(times * width), round(times * height)
    colours = table(colormap)
    fine = np.asarray(heat) if heat.dtype == np.uint8 else quantize(np.asarray(heat))
    steps = cv2.resize(fine, sharp, interpolation=cv2.INTER_AREA if sharp[0] < fine.shape[1] else cv2.INTER_LINEAR)
    tiles = {
        "picture": np.asarray(resized(picture, sharp)),
        "map": apply(np.asarray(steps, dtype=np.uint8), colours),
        "map over picture": np.asarray(resized(overlay, sharp)),
    }
    bar = limits if limits is not None and limits[1] > limits[0] else None  # without a range there is no scale to show
    cell = (max(width, 160), max(height, 60))  # room for the captions, however narrow the picture is
    columns, rows = (1, 3) if width > 2 * height else (3, 1)
    body = columns * (cell[0] + _GAP) - _GAP
    page_width = max(2 * _MARGIN + body + (_BAR_ROOM if bar else 0), 480)
    titles = lines(title, page_width - 2 * _MARGIN, _TITLE, weight="bold")
    subtitles = lines(subtitle, page_width - 2 * _MARGIN, 8.5)
    top = _MARGIN + _TITLE_LINE * len(titles) + _SUBTITLE_LINE * len(subtitles) + 8
    tall = rows * (cell[1] + _CAPTION + 4) - 4
    page = Page(page_width, top + tall + _MARGIN - 6)
    for number, line in enumerate(titles):
        page.write(_MARGIN, _MARGIN + 9 + number * _TITLE_LINE, line, _TITLE, weight="bold", colour=INK)
    for number, line in enumerate(subtitles):
        page.write(_MARGIN, _MARGIN + 7 + len(titles) * _TITLE_LINE + number * _SUBTITLE_LINE, line)
    for number, (caption, pixels) in enumerate(tiles.items()):
        left = _MARGIN + (number % columns) * (cell[0] + _GAP)
        upper = top + (number // columns) * (cell[1] + _CAPTION + 4)
        page.show(Box(left + (cell[0] - width) // 2, upper + (cell[1] - height) // 2, width, height), pixels)
        page.write(left + cell[0] / 2, upper + cell[1] + 11, caption, centre=True)
        if blank and caption == "map":
            middle = left + cell[0] / 2, upper + cell[1] / 2
            page.write(*middle, blank, 9.0, colour="white", centre=True, back="#000000b0")
    if bar:
        page.colour_bar(Box(_MARGIN + body + _GAP, top, _BAR, tall - _CAPTION), colours, bar, bar_label)
    return page


def _tile_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) at which a picture of a size is shown: the same shape, its longer side within bounds."""
    longest = max(size)
    side = float(min(max(longest, _LEAST), _SIDE))
    if size[0] > 2 * size[1] and longest > _LEAST:
        side *= 1.6  # stacked tiles have the whole width for themselves
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))
