"""A white page on which pixels, words and a colour bar are put at exact places: matplotlib without its global state."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DPI = 100.0
INK, FAINT = "#1a1a1a", "#666666"
SMALL = 8.5  # points, for all but the title


class Box(NamedTuple):
    """A rectangle of the page in pixels, from its top left corner."""

    x: int
    y: int
    width: int
    height: int


class Page:
    """A page of a size in pixels. Hold a lock while using it: matplotlib keeps fonts between figures."""

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white", edgecolor="none")
        self._canvas = FigureCanvasAgg(self._figure)

    def show(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Put pixels (h, w, 3) into a box: one to one where it has their size, else each pixel as a block."""
        left, bottom = box.x / self.width, 1.0 - (box.y + box.height) / self.height
        axes = self._figure.add_axes((left, bottom, box.width / self.width, box.height / self.height))
        axes.set_axis_off()
        axes.imshow(pixels, aspect="auto", interpolation="none", origin="upper")

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float = SMALL,
        *,
        weight: str = "normal",
        colour: str = FAINT,
        centre: bool = False,
        back: str | None = None,
        turn: float = 0.0,
    ) -> None:
        """Write one line, its middle at y (and at x, if centred); never read as a formula."""
        self._figure.text(
            x / self.width,
            1.0 - y / self.height,
            printable(text),
            fontsize=size,
            fontfamily=[*_families(), "sans-serif"],  # the last for an SVG where none of them is
            fontweight=weight,
            color=colour,
            ha="center" if centre else "left",
            va="center",
            rotation=turn,
            parse_math=False,  # a class called "US$ / AU$" is no formula
            usetex=False,
            bbox={"facecolor": back, "edgecolor": "none", "boxstyle": "round,pad=0.4"} if back else None,
        )

    def colour_bar(self, bar: Box, colours: NDArray[np.uint8], limits: tuple[float, float], label: str) -> None:
        """Draw a bar, top = most evidence, with up to five round raw values and their units beside it."""
        from matplotlib.lines import Line2D

        self.show(bar, colours[::-1][:, None, :])
        low, high = limits
        right = bar.x + bar.width
        for value in ticks(low, high, most=5 if bar.height >= 150 else 3):
            y = bar.y + bar.height - 0.5 - (value - low) / (high - low) * (bar.height - 1)
            ends = [right / self.width, (right + 4) / self.width]
            self._figure.add_artist(Line2D(ends, [1.0 - y / self.height] * 2, color=INK, linewidth=0.8))
            self.write(right + 8, y, f"{value:.6g}", colour=INK)
        for line in lines(label, bar.height, SMALL, most=1):
            self.write(right + 68, bar.y + bar.height / 2, line, centre=True, turn=90.0)

    def picture(self) -> Image.Image:
        """Draw it all: an RGB picture."""
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")

    def document(self, kind: str) -> bytes:
        """All of it as the bytes of a `pdf` or `svg` file: words as text, a PDF's fonts within it; the same each time."""
        from matplotlib import rc_context

        file = io.BytesIO()
        with rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "whylight"}):
            unsaid = {
                "pdf": {"CreationDate": None, "Creator": "whylight"},
                "svg": {"Date": None, "Creator": "whylight"},
            }
            self._figure.savefig(file, format=kind, dpi=DPI, metadata=unsaid[kind], facecolor="white")
        return file.getvalue()


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


def lines(text: str, width: float, size: float, *, weight: str = "normal", most: int = 2) -> Sequence[str]:
    """Break a text into at most so many lines of a width in pixels, with … where it was cut."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    font.set_size(size, DPI)

    def wide(line: str) -> float:
        font.set_text(line, 0.0)
        return float(font.get_width_height()[0]) / 64.0  # it counts in 64ths of a pixel

    text = printable(" ".join(text.split()))
    broken: list[str] = []
    for letters in range(int(width / size * 2), 4, -3):  # letters differ in width: try fewer until the widest line fits
        broken = textwrap.wrap(text, width=letters, max_lines=most, placeholder=" …")
        if all(wide(line) <= width for line in broken):
            break
    return broken


@lru_cache(maxsize=1)
def _families() -> list[str]:
    """The fonts to write with: matplotlib's own first, then those on this machine that know the scripts it lacks."""
    from matplotlib.font_manager import fontManager

    here = {font.name for font in fontManager.ttflist}
    wanted = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Arial Unicode MS", "Microsoft YaHei", "PingFang SC")
    return ["DejaVu Sans", *(name for name in wanted if name in here)]


@lru_cache(maxsize=256)
def printable(text: str) -> str:
    """The text with a ▯ for each letter that no font here can draw (matplotlib would warn for each)."""
    from matplotlib.font_manager import findfont, get_font

    known: set[int] = set()
    for family in _families():
        known |= get_font(findfont(family)).get_charmap().keys()
    return "".join(letter if ord(letter) in known else "▯" for letter in text)
