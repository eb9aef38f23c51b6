"""The cells of a grid on the sides of a picture: where they lie, and what lies between them."""

from __future__ import annotations

from functools import lru_cache
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
    lower, share, beyond = _between(cells, pixels, start, stop, first, last)
    return _matrix(cells, lower, 1 - share, share, beyond)


@lru_cache(maxsize=16)  # of a moving picture it is the same for every frame
def hermite(
    cells: int, pixels: int, start: float, stop: float, first: float = 0.0, last: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The two (pixels, cells) matrices of cubic interpolation: of the cells' values, and of their `slopes`.

    The arguments are those of `interpolation`. The matrices are not to be written on: they are handed out again.
    """
    lower, t, beyond = _between(cells, pixels, start, stop, first, last)
    values = _matrix(cells, lower, (1 + 2 * t) * (1 - t) ** 2, t**2 * (3 - 2 * t), beyond)
    return values, _matrix(cells, lower, t * (1 - t) ** 2, t**2 * (t - 1), beyond)


def slopes(maps: Tensor, dim: int) -> Tensor:
    """How steeply maps rise at each cell along a dimension, per cell, such that cubic pieces between cells never overshoot.

    The harmonic mean of the steps to both neighbours where both go one way, else 0, so that a cell above or below both stays the
    extreme (Fritsch & Butland, A method for constructing local monotone piecewise cubic interpolants, 1984).

    >>> slopes(torch.tensor([[0.0, 1.0, 4.0, 2.0]]), 1).tolist()
    [[0.0, 1.5, 0.0, 0.0]]
    """
    count = maps.shape[dim]
    steps = torch.cat([maps.narrow(dim, 0, 1), maps, maps.narrow(dim, count - 1, 1)], dim).diff(dim=dim)
    before, after = steps.narrow(dim, 0, count), steps.narrow(dim, 1, count)
    both = before * after
    return torch.where(both > 0, 2 * both / (before + after), 0.0)


def _between(
    cells: int, pixels: int, start: float, stop: float, first: float, last: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each pixel: the cell before it, how far it is on the way to the next (0 … 1), and whether it lies outside."""
    centres = (torch.arange(pixels, dtype=torch.float64) + 0.5) / pixels
    along = (centres - start) / (stop - start)  # 0 … 1 across what the network saw
    position = ((along - first) / (last - first) * cells - 0.5).clamp(0, cells - 1)
    lower = position.floor().long().clamp(max=max(cells - 2, 0))
    return lower, (position - lower).float(), (along < 0) | (along > 1)


def _matrix(cells: int, lower: Tensor, of_lower: Tensor, of_next: Tensor, beyond: Tensor) -> Tensor:
    matrix = torch.zeros(len(lower), cells)
    rows = torch.arange(len(lower))
    matrix[rows, lower] = of_lower
    matrix[rows, (lower + 1).clamp(max=cells - 1)] += of_next
    matrix[beyond] = 0
    return matrix
