"""One picture that can be shown on its own: picture | map | overlay, what was found, and a colour bar with the map's own units."""

from __future__ import annotations

import textwrap
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.render.colormap import DEFAULT, apply, quantize, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100.0
_SIDE = 420  # longest side of a tile, and
_SMALL = 240  # the least: smaller pictures are enlarged to it
_GAP, _MARGIN, _CAPTION = 14, 16, 22  # between tiles, round the panel, under a tile: pixels
_BAR, _BAR_ROOM = 16, 96  # the colour bar, and the room for it with its ticks and label
_BLANK = "no positive evidence"
_INK, _FAINT = "#1a1a1a", "#666666"

# matplotlib keeps font objects between figures; one figure at a time keeps web workers and thread pools out of each other's way.
_LOCK = threading.Lock()


class _Box(NamedTuple):
    """A rectangle of the panel in pixels, from its top left corner."""

    x: int
    y: int
    width: int
    height: int


def panel(
    picture: Image.Image,
    heat: NDArray[np.floating],
    overlay: Image.Image,
    *,
    title: str,
    subtitle: str = "",
    colormap: str = DEFAULT,
    bar_label: str = "",
    limits: tuple[float, float] | None = (0.0, 1.0),
    blank: bool = False,
) -> Image.Image:
    """Draw picture | map | overlay under a title and beside a colour bar; returns an RGB picture about 1,400 pixels wide.

    `heat` is (H, W) in [0, 1]; `limits` are the raw values that its 0 and 1 stand for, written at the bar's ticks (None: no bar) under
    `bar_label`, the units. Wide pictures are stacked instead of set side by side; tiny ones are enlarged, large ones reduced.
    `blank` says on the map that there is no positive evidence, so that an empty map is not taken for a failed one.

    >>> grey = Image.new("RGB", (64, 48), "grey")
    >>> panel(grey, np.zeros((48, 64)), grey, title="cat", blank=True).mode
    'RGB'
    """
    width, height = _tile_size(picture.size)
    colours = table(colormap)
    steps = cv2.resize(quantize(heat), (width, height), interpolation=_interpolation(heat.shape[1], width))
    tiles = [
        (_resize(picture, (width, height)), "picture"),
        (Image.fromarray(apply(np.asarray(steps, dtype=np.uint8), colours)), "map"),
        (_resize(overlay, (width, height)), "map over picture"),
    ]
    if limits is not None and not limits[1] > limits[0]:
        limits = None  # a map without any range has no scale to show
    stacked = width > 2 * height
    cell = (max(width, 160), max(height, 60))  # room for the captions, however narrow the picture is
    columns, rows = (1, 3) if stacked else (3, 1)
    body = columns * cell[0] + (columns - 1) * _GAP
    page_width = max(2 * _MARGIN + body + (_BAR_ROOM if limits else 0), 480)
    heads = _lines(title, page_width - 2 * _MARGIN, 10.2, 2)
    subs = _lines(subtitle, page_width - 2 * _MARGIN, 6.2, 2)
    top = _MARGIN + 22 * len(heads) + 17 * len(subs) + 8
    tall = rows * (cell[1] + _CAPTION) + (rows - 1) * 4
    page_height = top + tall + _MARGIN - 6

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _LOCK:
        figure = Figure(figsize=(page_width / _DPI, page_height / _DPI), dpi=_DPI, facecolor="white", edgecolor="none")
        canvas = FigureCanvasAgg(figure)
        y = _MARGIN
        for line in heads:
            _write(figure, _MARGIN, y + 9, line, 11.5, weight="bold")
            y += 22
        for line in subs:
            _write(figure, _MARGIN, y + 7, line, 8.5, colour=_FAINT)
            y += 17
        for number, (tile, caption) in enumerate(tiles):
            column, row = (0, number) if stacked else (number, 0)
            left = _MARGIN + column * (cell[0] + _GAP)
            upper = top + row * (cell[1] + _CAPTION + 4)
            box = _Box(left + (cell[0] - width) // 2, upper + (cell[1] - height) // 2, width, height)
            _show(figure, box, np.asarray(tile))
            if blank and number == 1:
                _write(figure, box.x + width / 2, box.y + height / 2, _BLANK, min(10.0, max(width, 160) / 18), colour="white", centre=True, back="#000000b0")
            _write(figure, left + cell[0] / 2, upper + cell[1] + 11, caption, 8.5, colour=_FAINT, centre=True)
        if limits:
            bar = _Box(_MARGIN + body + _GAP, top, _BAR, tall - _CAPTION)
            _colour_bar(figure, bar, colours, limits, bar_label)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _tile_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) at which a picture of a size is shown: the same shape, its longer side within bounds, no side under 1."""
    longest = max(size)
    scale = min(max(longest, _SMALL), _SIDE) / longest
    if size[0] > 2 * size[1]:
        scale *= 1.6 if longest * scale > _SMALL else 1.0  # stacked tiles have the whole width for themselves
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resize(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    picture = picture.convert("RGB")
    if max(picture.size) < 64:
        return picture.resize(size, Image.Resampling.NEAREST)  # show a tiny picture's pixels as what they are
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _interpolation(given: int, wanted: int) -> int:
    return cv2.INTER_AREA if wanted < given else cv2.INTER_LINEAR


def _lines(text: str, width: float, letter: float, most: int) -> list[str]:
    """Break a text into at most so many lines of a width in pixels, with … where it was cut."""
    letters = max(12, int(width / letter))
    return textwrap.wrap(text, width=letters, max_lines=most, placeholder=" …", break_long_words=True)


def _show(figure: Figure, box: _Box, pixels: NDArray[np.uint8]) -> None:
    """Put pixels on the page one to one: axes of exactly their size, no resampling."""
    width, height = figure.bbox.width, figure.bbox.height
    axes = figure.add_axes(
        (box.x / width, 1.0 - (box.y + box.height) / height, box.width / width, box.height / height)
    )
    axes.set_axis_off()
    axes.imshow(pixels, aspect="auto", interpolation="nearest", origin="upper")


def _write(
    figure: Figure,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    weight: str = "normal",
    colour: str = _INK,
    centre: bool = False,
    back: str | None = None,
    turn: float = 0.0,
) -> None:
    """Write one line, its middle at y (and x, if centred), in pixels from the top left; never read as a formula."""
    figure.text(
        x / figure.bbox.width,
        1.0 - y / figure.bbox.height,
        _printable(text),
        fontsize=size,
        fontfamily=_families(),
        fontweight=weight,
        color=colour,
        ha="center" if centre else "left",
        va="center",
        rotation=turn,
        parse_math=False,  # a class called "US$ / AU$" is no formula
        usetex=False,
        bbox={"facecolor": back, "edgecolor": "none", "boxstyle": "round,pad=0.4"} if back else None,
    )


def _colour_bar(
    figure: Figure, bar: _Box, colours: NDArray[np.uint8], limits: tuple[float, float], label: str
) -> None:
    """The bar, top = most evidence, with up to five round raw values beside it."""
    from matplotlib.lines import Line2D

    _show(figure, bar, colours[::-1][:, None, :])
    page_width, page_height = figure.bbox.width, figure.bbox.height
    low, high = limits
    for value in ticks(low, high, most=5 if bar.height >= 150 else 3):
        share = (value - low) / (high - low) if high > low else 0.0
        y = bar.y + bar.height - 0.5 - share * (bar.height - 1)
        mark = (bar.x + bar.width) / page_width, (bar.x + bar.width + 4) / page_width
        figure.add_artist(Line2D(mark, [1.0 - y / page_height] * 2, color=_INK, linewidth=0.8))
        _write(figure, bar.x + bar.width + 8, y, f"{value:.6g}", 8.5)
    if label:
        narrow = bar.height < 6.5 * len(label)
        lines = _lines(label, bar.height, 5.6, 1) if narrow else [label]
        _write(figure, bar.x + bar.width + 68, bar.y + bar.height / 2, lines[0], 8.5, colour=_FAINT, centre=True, turn=90)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Up to `most` round values from low to high, at least one.

    >>> ticks(0.0, 7.3)
    [0.0, 2.0, 4.0, 6.0]
    """
    if not high > low:
        return [low]
    from matplotlib.ticker import MaxNLocator

    margin = 1e-9 * (high - low)
    values = MaxNLocator(nbins=most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in values if low - margin <= value <= high + margin] or [low]


@lru_cache(maxsize=1)
def _families() -> list[str]:
    """The fonts to write with: matplotlib's own first, then those on this machine that know the scripts it lacks."""
    from matplotlib.font_manager import fontManager

    wanted = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Arial Unicode MS", "Microsoft YaHei", "PingFang SC", "Hiragino Sans")
    here = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in wanted if name in here)]


@lru_cache(maxsize=256)
def _printable(text: str) -> str:
    """The text with a ▯ for each letter that no font here can draw (matplotlib would warn for each)."""
    from matplotlib.font_manager import findfont, get_font

    known: set[int] = set()
    for family in _families():
        known |= get_font(findfont(family, fallback_to_default=True)).get_charmap().keys()
    return "".join(letter if ord(letter) in known else "▯" for letter in text)
