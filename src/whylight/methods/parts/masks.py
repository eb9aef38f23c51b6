"""Random masks by number, and sums over them without ever making them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

_AT_ONCE = 1000  # masks whose cells are in memory together; even, so that pairs stay together


class Cells(NamedTuple):
    """What n masks are made of."""

    shown: Tensor  # (n, grid, grid), 0 or 1, float64
    down: Tensor  # (n,), how far each cut is moved down, in pixels
    right: Tensor  # (n,), and to the right


class Masks:
    """Random masks by number: the same mask for the same number, in whatever order or chunk it is asked for.

    A mask is a grid of Bernoulli(p) cells G, enlarged bilinearly and cut at random: M = U G Vᵀ, where the cut chooses the rows
    U (H, grid) and V (W, grid) of two interpolation matrices. These rows sum to 1, so E[M] = p everywhere, and so sums of masks
    are sums of cells, one for each place of the cut, enlarged once at the end.

    Masks 2j and 2j + 1 are a pair: one cut, and opposite dice u and 1 - u for the cells, so that at p = 1/2 one mask shows what
    the other hides. Each by itself is distributed as above; masks of different pairs are independent.

    Args:
        height, width: of the masks.
        grid: cells along each side.
        keep: p, the probability that a cell is shown.
        seed: of all masks together.
        device: where they are made.
    """

    def __init__(self, height: int, width: int, grid: int, keep: float, seed: int, device: torch.device) -> None:
        self.size, self.grid, self.keep = (height, width), grid, keep
        self._seed, self._device = seed, device
        self._rows, self._columns = _enlarge(height, grid), _enlarge(width, grid)  # (cuts, side, grid), float64
        self._fast = tuple(sides.float().to(device) for sides in (self._rows, self._columns))

    def __call__(self, indices: range) -> Tensor:
        """Masks (n, H, W) in [0, 1] with these numbers, float32."""
        cells, (rows, columns) = self.cells(indices), self._fast
        shown, down, right = (part.to(self._device) for part in (cells.shown.float(), cells.down, cells.right))
        return rows[down] @ shown @ columns[right].transpose(1, 2)  # only the cut is computed

    def cells(self, indices: range) -> Cells:
        """The cells and cuts of the masks with these numbers."""
        cells = self.grid**2
        pairs = range(indices.start // 2, (indices.stop + 1) // 2)
        dice = uniform(self._seed, pairs, cells + 2)  # (pairs, grid² + 2)
        each = torch.arange(indices.start, indices.stop)
        dice, second = dice[each // 2 - pairs.start], (each % 2 == 1).unsqueeze(1)  # (n, grid² + 2), (n, 1)
        shown = torch.where(second, dice[:, :cells] >= 1 - self.keep, dice[:, :cells] < self.keep)
        shown = shown.double().reshape(-1, self.grid, self.grid)
        return Cells(shown, (dice[:, cells] * len(self._rows)).long(), (dice[:, cells + 1] * len(self._columns)).long())

    def samples(self, indices: range) -> Tensor:
        """The masks with these numbers, less p, at `points` × `points` places: (n, points²) float64."""
        tops, lefts = (
            sides[:, places] for sides, places in zip((self._rows, self._columns), self._points, strict=True)
        )
        cells = self.cells(indices)
        return (tops[cells.down] @ (cells.shown - self.keep) @ lefts[cells.right].transpose(1, 2)).flatten(1)

    def weighed(self, weights: Tensor) -> Tensor:
        """Σ wᵢ (Mᵢ - p) over the first masks, for weights (n,) float64: (H, W)."""
        heights, widths, g = len(self._rows), len(self._columns), self.grid
        sums = weights.new_zeros((heights * widths, g, g))  # one sum of cells for each place of the cut
        for chunk in chunks(len(weights)):
            cells = self.cells(chunk)
            w = weights[chunk.start : chunk.stop].reshape(-1, 1, 1)
            sums.index_add_(0, cells.down * widths + cells.right, w * (cells.shown - self.keep))
        # Σ over cuts (d, r) of U_d S_dr V_rᵀ: the columns first, (heights, grid, W), then the rows.
        across = torch.einsum("drab,rxb->dax", sums.view(heights, widths, g, g), self._columns)
        return torch.einsum("dya,dax->yx", self._rows, across)

    def squares(self, weights: Tensor) -> Tensor:
        """Mean over the pixels of (Σ wᵢ (Mᵢ - p))², the sum over each pair of the first masks: (pairs,) float64."""
        # A pair has one cut, so its sum is U G Vᵀ, too; Σ over pixels of (U G Vᵀ)² is the trace of Gᵀ (UᵀU) G (VᵀV).
        down, right = (sides.transpose(1, 2) @ sides for sides in (self._rows, self._columns))  # (cuts, grid, grid)
        found = []
        for chunk in chunks(len(weights)):
            cells = self.cells(chunk)
            weighed = weights[chunk.start : chunk.stop].reshape(-1, 1, 1) * (cells.shown - self.keep)
            if len(chunk) % 2:  # the last one is alone
                weighed = torch.cat([weighed, torch.zeros_like(weighed[:1])])
            sums = weighed[::2] + weighed[1::2]  # (pairs, grid, grid)
            found.append((sums * (down[cells.down[::2]] @ sums @ right[cells.right[::2]])).sum((1, 2)))
        return torch.cat(found) / math.prod(self.size)

    def covariance(self, weights: Tensor) -> Tensor:
        """Cov(f, M), exact, for f = Σ w (M - p) over the sampled places, weights (points²,): (H, W)."""
        # Cells are independent with variance p (1 - p), and so are the two directions of the cut.
        down, right = self._spread
        (tops, lefts), side = self._points, self.points
        return self.keep * (1 - self.keep) * (down[:, tops] @ weights.view(side, side) @ right[lefts])

    @property
    def points(self) -> int:
        """Sampled places along each side: one more than there are cells, as many as a cut can touch."""
        return self.grid + 1

    @cached_property
    def sampled_variance(self) -> float:
        """The mean variance of the sampled places."""
        down, right = (s[p, p].mean() for s, p in zip(self._spread, self._points, strict=True))
        return self.keep * (1 - self.keep) * float(down * right)

    @cached_property
    def _points(self) -> tuple[Tensor, Tensor]:
        """Rows and columns of the sampled places, evenly spread."""
        at = (torch.arange(self.points, dtype=torch.float64) + 0.5) / self.points
        height, width = self.size
        return (at * height).long(), (at * width).long()

    @cached_property
    def _spread(self) -> tuple[Tensor, Tensor]:
        """E[U Uᵀ] (H, H) and E[V Vᵀ] (W, W) over the cuts."""
        rows, columns = (
            torch.einsum("cxa,cya->xy", sides, sides) / len(sides) for sides in (self._rows, self._columns)
        )
        return rows, columns


def uniform(seed: int, indices: range, numbers: int) -> Tensor:
    """Random numbers in [0, 1), (len(indices), numbers) float64: row i is the same whenever index i is asked for.

    Each is a hash of its own place (SplitMix64, Steele, Lea and Flood, OOPSLA 2014), so there is no state to wind forward.
    """
    rows = torch.arange(indices.start, indices.stop, dtype=torch.int64).unsqueeze(1)
    place = rows * numbers + torch.arange(numbers, dtype=torch.int64)
    start = _mix(torch.tensor(seed, dtype=torch.int64))  # so that neighbouring seeds share no stretch of places
    return _shift(_mix(start + place), 11).double() * 2.0**-53


def _mix(z: Tensor) -> Tensor:
    """SplitMix64's step on 64-bit integers, which wrap round."""
    z = (z + 1) * -0x61C8864680B583EB
    z = (z ^ _shift(z, 30)) * -0x40A7B892E31B1A47
    z = (z ^ _shift(z, 27)) * -0x6B2FB644ECCEEE15
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros, as for numbers without a sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _enlarge(side: int, grid: int) -> Tensor:
    """Every cut of the bilinear enlargement: (cell, side, grid), one matrix from cells to pixels for each place of the cut."""
    cell = math.ceil(side / grid)
    cells = torch.eye(grid, dtype=torch.float64).unsqueeze(1)
    whole = torch.nn.functional.interpolate(cells, size=(grid + 1) * cell, mode="linear", align_corners=False)
    return whole[:, 0].T.unfold(0, side, 1)[:cell].transpose(1, 2).contiguous()


def chunks(count: int) -> list[range]:
    """The first numbers in parts whose cells fit into memory easily."""
    return [range(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]
