"""Transformed copies of a picture, and what a coarse map of such a copy measures of the picture.

A copy's pixel p shows the picture at M p + t, both counted from the middle of the frame, read bilinearly between pixel
centres. A map of h × w cells over the copy sees the mean over each cell's area. Both steps are linear, so that the cell's
value is a fixed weighted mean of the picture's pixels: one row of a sparse matrix.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from whylight.errors import MethodError

EDGE = 1e-4  # pixels; a source this near the frame's edge is on it, whatever the rounding
NOTHING = 1e-9  # shares of a pixel below this are rounding


class Transforms(NamedTuple):
    """L ways to look at a picture: copies show it at M p + t.

    Args:
        matrix: M, (L, 2, 2) float64, for (x, y) in pixels from the middle.
        shift: t, (L, 2) float64, for (x, y) in widths and heights of the frame.
        mirrored: whether each copy is followed by the same copy of the mirrored picture: then there are 2·L, interleaved.
    """

    matrix: Tensor
    shift: Tensor
    mirrored: bool

    @property
    def copies(self) -> int:
        """How many copies there are."""
        return len(self.matrix) * (2 if self.mirrored else 1)


class Box(NamedTuple):
    """The range from which transforms are drawn.

    Args:
        rotation: largest angle either way, in degrees.
        shift: largest shift either way, in widths and heights of the frame.
        scale: largest factor of enlargement and of reduction, 1 or more; factors are even on a logarithmic scale.
        mirrored: whether each is also made of the picture mirrored left to right.
    """

    rotation: float
    shift: float
    scale: float
    mirrored: bool


def draw(copies: int, box: Box, seed: int) -> Transforms:
    """Draw transforms evenly from a box; the first is the identity.

    Scrambled Sobol points cover the box more evenly than independent ones do, and `seed` alone fixes them. With mirrored
    copies the set stays the same when the picture is mirrored, so that the map of a mirrored picture is the mirrored map.

    Raises:
        MethodError: if mirrored copies do not come in pairs.
    """
    if box.mirrored and copies % 2:
        raise MethodError(f"copies: expected an even number, since flip=True makes them in pairs, got {copies}")
    count = copies // 2 if box.mirrored else copies
    points = torch.zeros((count, 4), dtype=torch.float64)  # (L, 4) in [-1, 1]
    if count > 1:
        sobol = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)
        points[1:] = 2 * sobol.draw(count - 1, dtype=torch.float64) - 1
    angle = torch.deg2rad(points[:, 0] * box.rotation)
    enlarged = torch.as_tensor(box.scale, dtype=torch.float64) ** points[:, 1]
    cos, sin = angle.cos() / enlarged, angle.sin() / enlarged
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # (L, 2, 2)
    return Transforms(matrix, points[:, 2:] * box.shift, box.mirrored)


def sources(matrix: Tensor, shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Where the pixels of copies come from: (L, H, W, 2), x and y in pixel indices.

    The middle of the frame is at ((W − 1) / 2, (H − 1) / 2), since pixel i covers [i − ½, i + ½].
    """
    height, width = size
    extent = torch.tensor([width, height], dtype=torch.float64)
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2,
        indexing="ij",
    )
    turned = torch.einsum("lij,hwj->lhwi", matrix, torch.stack([x, y], -1))
    return turned + (shift * extent + (extent - 1) / 2)[:, None, None]


def warp(pictures: Tensor, transforms: Transforms, copies: range) -> Tensor:
    """Make some of the copies of every picture; what lies outside the frame is its reflection.

    A reflection has no edges and no flat areas that the network would take for evidence.

    Args:
        pictures: (N, C, H, W).
        transforms: L of them.
        copies: which copies, out of `transforms.copies`.

    Returns:
        (len(copies), N, C, H, W).
    """
    n, c, height, width = pictures.shape
    each = 2 if transforms.mirrored else 1
    chosen = [copy // each for copy in copies]
    where = sources(transforms.matrix[chosen], transforms.shift[chosen], (height, width))
    extent = torch.tensor([width, height], dtype=torch.float64)
    grids = ((2 * where + 1) / extent - 1).to(pictures)  # (len(copies), H, W, 2), the frame is [-1, 1]
    out = pictures.new_empty((len(copies), n, c, height, width))
    for row, (copy, grid) in enumerate(zip(copies, grids, strict=True)):
        seen = pictures.flip(3) if transforms.mirrored and copy % 2 else pictures
        out[row] = grid_sample(
            seen, grid.expand(n, -1, -1, -1), mode="bilinear", padding_mode="reflection", align_corners=False
        )
    return out


class Operator:
    """A: the pixels of a picture → the cells of its copies' maps. Sparse; built once, applied to any number of pictures.

    Row (l, i, j) is what cell (i, j) of copy l averages: T_l reads the picture bilinearly, D takes the true mean over the
    cell's area; a pixel on the border of two cells belongs to both by its share. Where a part of the cell shows what lies
    outside the frame, the row is the mean over the rest, and its weight M in the norm is the rest's share of the cell.

    Copies of the mirrored picture need no rows of their own: they are the same rows, applied to the mirrored pixels.

    Args:
        transforms: L transforms.
        size: (H, W) of the pictures.
        grid: (h, w) of the maps.
        device: where to keep it.

    Raises:
        MethodError: if the grid is finer than the pictures.
    """

    def __init__(
        self,
        transforms: Transforms,
        size: tuple[int, int],
        grid: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        if grid[0] > size[0] or grid[1] > size[1]:
            raise MethodError(
                f"a map of {grid[0]}×{grid[1]} places is finer than its input of {size[0]}×{size[1]} pixels"
            )
        self.size, self.grid, self.mirrored = size, grid, transforms.mirrored
        self.copies = transforms.copies
        cells, pixels = grid[0] * grid[1], size[0] * size[1]
        counts, columns, values, weights = [], [], [], []
        for matrix, shift in zip(transforms.matrix, transforms.shift, strict=True):
            row, column, value, weight = _rows(sources(matrix[None], shift[None], size)[0], size, grid)
            counts.append(torch.bincount(row, minlength=cells))
            columns.append(column.int())
            values.append(value.float())
            weights.append(weight.float())
        ends = torch.cat(counts).cumsum(0)
        start = torch.cat([ends.new_zeros(1), ends]).int()
        shape = (len(transforms.matrix) * cells, pixels)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
            rows = torch.sparse_csr_tensor(
                start, torch.cat(columns), torch.cat(values), shape, device=device, check_invariants=False
            )
            self._rows, self._columns = rows, rows.t().to_sparse_csr()
        self.weights = torch.cat(weights).to(device).unsqueeze(1)  # M², (L·h·w, 1)

    @property
    def total(self) -> float:
        """ΣM² over the cells of all copies."""
        return float(self.weights.double().sum()) * (2 if self.mirrored else 1)

    def __call__(self, pictures: Tensor) -> Tensor:
        """A u for pictures u (N, H, W) → (L·h·w, N), or (L·h·w, 2·N) with the mirrored pictures' columns last."""
        both = torch.cat([pictures, pictures.flip(2)]) if self.mirrored else pictures
        return self._rows @ both.flatten(1).t().contiguous()

    def adjoint(self, cells: Tensor) -> Tensor:
        """Aᵀ r for r shaped as `__call__` returns it → (N, H, W)."""
        out = (self._columns @ cells).t().reshape(-1, *self.size)
        if not self.mirrored:
            return out
        straight, mirrored = out.chunk(2)
        return straight + mirrored.flip(2)

    def arrange(self, maps: Tensor) -> Tensor:
        """Bring maps (N, copies, h, w), in the order of `warp`, to the shape that `__call__` returns."""
        n, each = len(maps), 2 if self.mirrored else 1
        split = maps.reshape(n, -1, each, *self.grid)  # (N, L, 1 or 2, h, w)
        return split.permute(1, 3, 4, 2, 0).reshape(-1, each * n).contiguous()


@lru_cache(maxsize=4)
def operator(
    copies: int, box: Box, seed: int, size: tuple[int, int], grid: tuple[int, int], device: torch.device
) -> Operator:
    """The operator of drawn transforms, kept for the next pictures of this size."""
    return Operator(draw(copies, box, seed), size, grid, device)


def _rows(source: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One copy's entries, in order of rows: row, column, value; and the weights M² (h·w,) of its rows."""
    (height, width), (h, w) = size, grid
    pixels = height * width
    x, y = source.unbind(-1)  # (H, W)
    inside = (x >= -0.5 - EDGE) & (x <= width - 0.5 + EDGE) & (y >= -0.5 - EDGE) & (y <= height - 0.5 + EDGE)
    x0, y0 = x.floor(), y.floor()
    keys, shares = [], []
    for cell_y, area_y in _cells(height, h):
        for cell_x, area_x in _cells(width, w):
            cell = cell_y[:, None] * w + cell_x  # (H, W)
            area = area_y[:, None] * area_x * inside
            for dy, near_y in ((0, 1 - (y - y0)), (1, y - y0)):
                for dx, near_x in ((0, 1 - (x - x0)), (1, x - x0)):
                    # Between the outermost centres and the frame's edge the outermost pixel goes on.
                    column = (y0 + dy).clamp(0, height - 1) * width + (x0 + dx).clamp(0, width - 1)
                    share = area * near_y * near_x
                    some = share > NOTHING
                    keys.append(cell[some] * pixels + column[some].long())
                    shares.append(share[some])
    # Equal keys are readings of one pixel by one cell: one entry. Sorting short integers is several times faster.
    key = torch.cat(keys)
    ordered, order = (key.int() if h * w * pixels < 2**31 else key).sort()
    key, at = torch.unique_consecutive(ordered, return_inverse=True)
    value = torch.zeros(len(key), dtype=torch.float64).index_add_(0, at, torch.cat(shares)[order])
    row, column = key.long() // pixels, key.long() % pixels
    seen = torch.zeros(h * w, dtype=torch.float64).index_add_(
        0, row, value
    )  # pixels of each cell that show the picture
    return row, column, value / seen[row], (seen * (h * w / pixels)).square()


def _cells(pixels: int, cells: int) -> list[tuple[Tensor, Tensor]]:
    """Which cells each pixel of an axis lies in, and by what share: the first one, and the next where any pixel reaches it."""
    at = torch.arange(pixels, dtype=torch.float64)
    first = (at * cells / pixels + NOTHING).floor()
    share = ((first + 1) * pixels / cells - at).clamp(max=1)  # up to the first cell's end
    found = [(first.long(), share)]
    if bool((share < 1 - NOTHING).any()):
        found.append((first.long().add(1).clamp(max=cells - 1), 1 - share))
    return found
