"""The cells of a grid on the sides of a picture: where they lie, and what lies between them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Span(NamedTuple):
    """Between which shares of the height and width of what a network saw a map's cells are spread evenly: (0, 0, 1, 1) is all.

    Cells may end before the border does (a pooling dropped what did not fill its last window), or beyond it (padding made one).
    """

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0


WHOLE = Span()


def lay(maps: Tensor, span: Span, size: tuple[int, int]) -> Tensor:
    """Maps (…, h, w) whose cells have their places in `span`, on cells (…, *size) that are spread over all of it: bilinear."""
    down = interpolation(maps.shape[-2], size[0], 0, 1, span.top, span.bottom)
    across = interpolation(maps.shape[-1], size[1], 0, 1, span.left, span.right)
    return down.to(maps) @ maps @ across.T.to(maps)


def interpolation(cells: int, pixels: int, start: float, stop: float, first: float = 0.0, last: float = 1.0) -> Tensor:
    """The (pixels, cells) matrix of linear interpolation from cells to the pixels of a side.

    The cells are spread over the share `first` … `last` of [start, stop], itself a share of the side; outside of that it is 0.
    """
    centres = (torch.arange(pixels, dtype=torch.float64) + 0.5) / pixels
    along = (centres - start) / (stop - start)  # 0 … 1 across what the network saw
    position = ((along - first) / (last - first) * cells - 0.5).clamp(0, cells - 1)
    lower = position.floor().long().clamp(max=max(cells - 2, 0))
    share = (position - lower).float()
    matrix = torch.zeros(pixels, cells)
    rows = torch.arange(pixels)
    matrix[rows, lower] = 1 - share
    matrix[rows, (lower + 1).clamp(max=cells - 1)] += share
    matrix[(along < 0) | (along > 1)] = 0
    return matrix
