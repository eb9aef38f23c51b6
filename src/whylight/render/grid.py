"""Many small pictures in rows and columns with words on both, and one legend below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import WhylightError
from whylight.render.colormap import DEFAULT, table
from whylight.render.page import INK, SMALL, Box, Page, lines, ticks
from whylight.render.panel import LOCK

_MARGIN, _GAP, _LINE = 16, 10, 16  # round the page, between tiles, from line to line: pixels
_TITLE, _HEADING = 11.5, 10.0  # points
_LABEL = 120  # room for the words on rows
_LEAST = 112  # width of a column, however narrow its pictures are
_BAR = (260, 14)  # the colour bar
_WIDEST = 9  # columns side by side, the repeated ones included; more go below
_SIDE, _PIXELS = 65_000, 120_000_000  # what matplotlib draws, and what fits in memory


@dataclass(frozen=True)
class Tile:
    """A small picture, (h, w, 3) uint8, the lines of words under it, and what is written over it ("no positive evidence")."""

    pixels: NDArray[np.uint8]
    caption: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Tiles side by side, None where there is none; the words before them, and a heading above where a group begins."""

    tiles: Sequence[Tile | None]
    label: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Legend:
    """What the colours stand for: raw `limits` and units of a single scale, or (None) words for each; notes below."""

    limits: tuple[float, float] | None = None
    units: str = ""
    notes: Sequence[str] = field(default_factory=list)


def grid(
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    title: str = "",
    subtitle: str = "",
    legend: Legend | None = None,
    colormap: str = DEFAULT,
    repeated: int = 0,
) -> Image.Image:
    """Draw rows of tiles under the words on their columns, as an RGB picture.

    Args:
        rows: each with a tile, or None, for each column.
        columns: the words over them.
        title, subtitle: above all.
        legend: below all.
        colormap: of the legend's bar.
        repeated: how many of the first columns come again where the columns go on below because they are many.

    Raises:
        WhylightError: if the picture would be too large.

    >>> tile = Tile(np.zeros((60, 80, 3), np.uint8), "99.8 %")
    >>> grid([Row([tile, tile], "cat.jpg")], ["gradcam", "rise"], title="cat").mode
    'RGB'
    """
    with LOCK:
        return _Sheet(rows, columns, title, subtitle, legend or Legend(), colormap, repeated).drawn().picture()


def grid_document(
    kind: str,
    finer: int,
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    title: str = "",
    subtitle: str = "",
    legend: Legend | None = None,
    colormap: str = DEFAULT,
    repeated: int = 0,
) -> bytes:
    """The same as the bytes of a `pdf` or `svg` file; tiles take a place with so many times fewer pixels a side than they have."""
    with LOCK:
        sheet = _Sheet(rows, columns, title, subtitle, legend or Legend(), colormap, repeated, finer)
        return sheet.drawn().document(kind)


class _Sheet:
    """Everything measured first, then drawn."""

    def __init__(
        self,
        rows: Sequence[Row],
        columns: Sequence[str],
        title: str,
        subtitle: str,
        legend: Legend,
        colormap: str,
        repeated: int,
        finer: int = 1,
    ) -> None:
        self.finer = finer
        self.rows, self.columns, self.legend, self.colormap = rows, columns, legend, colormap
        tiles = [tile for row in rows for tile in row.tiles if tile is not None]
        self.cell = max([_LEAST, *(self.size(tile)[1] for tile in tiles)])
        self.heights: list[int] = [
            max([0, *(self.size(tile)[0] for tile in row.tiles if tile is not None)]) for row in rows
        ]
        self.bands = _bands(len(columns), repeated)
        self.indent = _LABEL + _GAP if any(row.label for row in rows) else 0
        widest = max(len(band) for band in self.bands)
        self.width = max(2 * _MARGIN + self.indent + widest * (self.cell + _GAP) - _GAP, 420)
        inner = self.width - 2 * _MARGIN
        self.titles = lines(title, inner, _TITLE, weight="bold")
        self.subtitles = lines(subtitle, inner, SMALL)
        self.heads = [lines(one, self.cell, _HEADING, weight="bold") for one in columns]
        self.labels = [lines(row.label, _LABEL, SMALL + 0.5, weight="bold", most=4) for row in rows]
        self.captions = {
            caption: [line for part in caption.split("\n") for line in lines(part, self.cell, SMALL)]
            for caption in {tile.caption for tile in tiles}  # many say the same
        }
        self.notes = [line for note in legend.notes for line in lines(note, inner, SMALL, most=4)]

    def size(self, tile: Tile) -> tuple[int, int]:
        """(height, width) of a tile's place."""
        height, width = tile.pixels.shape[:2]
        return max(1, round(height / self.finer)), max(1, round(width / self.finer))

    def drawn(self) -> Page:
        top = _MARGIN + 22 * len(self.titles) + _LINE * len(self.subtitles) + 6
        band_heights = [self._band_height(band) for band in self.bands]
        height = top + sum(band_heights) + _BAR[1] + 22 + _LINE * len(self.notes) + _MARGIN
        if max(self.width, height) > _SIDE or self.width * height > _PIXELS:
            raise WhylightError(
                f"grid: the picture would have {self.width:,} × {height:,} pixels; give fewer explanations, or a smaller tile"
            )
        page = Page(self.width, height)
        for number, line in enumerate(self.titles):
            page.write(_MARGIN, _MARGIN + 9 + 22 * number, line, _TITLE, weight="bold", colour=INK)
        for number, line in enumerate(self.subtitles):
            page.write(_MARGIN, _MARGIN + 7 + 22 * len(self.titles) + _LINE * number, line)
        for band, tall in zip(self.bands, band_heights, strict=True):
            self._draw_band(page, band, top)
            top += tall
        self._draw_legend(page, top)
        return page

    def _band_height(self, band: Sequence[int]) -> int:
        return self._head(band) + sum(self._row_height(number, band) for number in range(len(self.rows))) + 6

    def _head(self, band: Sequence[int]) -> int:
        return _LINE * max(len(self.heads[column]) for column in band) + 6

    def _row_height(self, number: int, band: Sequence[int]) -> int:
        heading = _LINE + 12 if self.rows[number].heading else 0
        return heading + max(self.heights[number], _LINE * len(self.labels[number])) + self._under(number, band) + 10

    def _under(self, number: int, band: Sequence[int]) -> int:
        shown = (self.rows[number].tiles[column] for column in band)
        return _LINE * max([0, *(len(self.captions[tile.caption]) for tile in shown if tile is not None)])

    def _draw_band(self, page: Page, band: Sequence[int], top: int) -> None:
        head = self._head(band)
        lefts = [_MARGIN + self.indent + place * (self.cell + _GAP) for place in range(len(band))]
        for column, left in zip(band, lefts, strict=True):
            written = self.heads[column]
            for number, line in enumerate(written):
                y = top + head - 6 - _LINE * (len(written) - number) + _LINE / 2
                page.write(left + self.cell / 2, y, line, _HEADING, weight="bold", colour=INK, centre=True)
        top += head
        for number, row in enumerate(self.rows):
            y = top
            if row.heading:
                (line,) = lines(row.heading, self.width - 2 * _MARGIN, _HEADING, weight="bold", most=1)
                page.write(_MARGIN, y + 12, line, _HEADING, weight="bold", colour=INK)
                y += _LINE + 12
            height = self.heights[number]
            for place, line in enumerate(self.labels[number]):
                middle = y + height / 2 + _LINE * (place - (len(self.labels[number]) - 1) / 2)
                page.write(_MARGIN, middle, line, SMALL + 0.5, weight="bold", colour=INK)
            for column, left in zip(band, lefts, strict=True):
                tile = row.tiles[column]
                if tile is not None:
                    self._draw_tile(page, tile, left, y, height)
            top += self._row_height(number, band)

    def _draw_tile(self, page: Page, tile: Tile, left: int, top: int, height: int) -> None:
        tall, wide = self.size(tile)
        page.show(Box(left + (self.cell - wide) // 2, top + (height - tall) // 2, wide, tall), tile.pixels)
        middle = left + self.cell / 2
        for number, line in enumerate(self.captions[tile.caption]):
            page.write(middle, top + height + 9 + _LINE * number, line, colour=INK, centre=True)
        for number, line in enumerate(written := lines(tile.note, self.cell - 16, SMALL) if tile.note else ()):
            y = top + height / 2 + 20 * (number - (len(written) - 1) / 2)
            page.write(middle, y, line, colour="white", centre=True, back="#000000b0")

    def _draw_legend(self, page: Page, top: int) -> None:
        width, height = _BAR
        if self.legend.limits is None and not self.legend.notes:
            return  # one map, and nothing on it
        page.show(Box(_MARGIN, top, width, height), table(self.colormap)[None])
        if self.legend.limits is None:
            page.write(_MARGIN + width + 8, top + height / 2, "from no evidence to the most of its scale", colour=INK)
        else:
            low, high = self.legend.limits
            for value in ticks(low, high, most=5):
                x = _MARGIN + 0.5 + (value - low) / (high - low) * (width - 1)
                page.write(x, top + height + 9, f"{value:.4g}", colour=INK, centre=True)
            page.write(_MARGIN + width + 12, top + height / 2, self.legend.units, colour=INK)
        for number, line in enumerate(self.notes):
            page.write(_MARGIN, top + height + 30 + _LINE * number, line)


def _bands(columns: int, repeated: int) -> list[list[int]]:
    """Which columns stand side by side: all, or about as many in each of several bands."""
    first, rest = list(range(repeated)), list(range(repeated, columns))
    count = max(1, -(-len(rest) // (_WIDEST - repeated)))
    each = -(-len(rest) // count)
    return [first + rest[start : start + each] for start in range(0, max(len(rest), 1), max(each, 1))]
