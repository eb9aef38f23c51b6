"""Fill removed pixels from what is around them, so that the removal itself tells the network as little as can be.

Noisy linear imputation: each removed pixel is the weighted mean of its eight neighbours, 1/6 each of the four direct ones and 1/12
each of the diagonal ones, those outside the picture left out; all removed pixels at once, which is a sparse linear system; and
a little noise, so that smoothness does not give the removed area away.

Source: Rong, Leemann, Borisov, Kasneci and Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution Methods,
ICML 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

NOISE = 0.01  # standard deviation, in units of the normalised input, as in the authors' code
TOLERANCE = 1e-4  # of the solution, relative to the picture's spread: far below the noise
_MOST = 500  # iterations; some twenty are usual
_COARSEST = 4  # side of the coarsest grid


def impute(x: Tensor, removed: Tensor) -> Tensor:
    """Solve for the removed pixels, without the noise.

    The system is symmetric and positive definite; it is solved by conjugate gradients. Their preconditioner adds corrections
    on ever coarser grids (Bramble, Pasciak and Xu, 1990), so that wide holes take no more iterations than narrow ones.

    Args:
        x: pictures (B, C, H, W).
        removed: (B, H, W) bool; at least one pixel of each picture must be left.

    Returns:
        (B, C, H, W) float32: `x` where nothing was removed.
    """
    x, hole = x.float(), removed.unsqueeze(1).float()  # (B, 1, H, W)
    shift = _mean_of_kept(x, hole)
    known = (x - shift) * (1 - hole)
    weights = _around(torch.ones_like(hole))  # (B, 1, H, W): the sum of the weights that lie inside the picture
    scale = _Levels.of(hole, weights)
    residual = hole * _around(known)
    found, direction = torch.zeros_like(known), torch.zeros_like(known)
    before = torch.ones_like(shift)
    # Relative to the energy of a step of the picture's own spread at one pixel.
    enough = (TOLERANCE * known.abs().amax((2, 3), keepdim=True)).square()
    for _ in range(_MOST):
        nearer = scale.precondition(residual)
        now = (residual * nearer).sum((2, 3), keepdim=True)  # (B, C, 1, 1), the error's energy, nearly
        if bool((now <= enough).all()):
            break
        direction = nearer + direction * (now / before.clamp(min=1e-30))
        pushed = hole * (weights * direction - _around(direction))
        step = now / (direction * pushed).sum((2, 3), keepdim=True).clamp(min=1e-30)
        found, residual, before = found + step * direction, residual - step * pushed, now
    return torch.where(removed.unsqueeze(1), found + shift, x)


def noise(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """The noise that is added to removed pixels, the same for the same shape and seed."""
    return NOISE * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class _Levels(NamedTuple):
    """What the preconditioner multiplies residuals with, from the finest grid to the coarsest, and where the hole is."""

    hole: Tensor
    factors: list[Tensor]

    @classmethod
    def of(cls, hole: Tensor, weights: Tensor) -> _Levels:
        # On a coarse grid, a hill that is cut off at the hole's edge has the energy of a whole one, which is about 1 on every
        # grid in two dimensions, and that of its cut: the weights across the edge.
        factors, across = [hole / weights], hole * (weights - _around(hole))
        while min(across.shape[2:]) > 2 * _COARSEST:
            across = _down(across)
            factors.append(1 / (1 + across))
        return cls(hole, factors)

    def precondition(self, residual: Tensor) -> Tensor:
        """An approximate solution for a residual: the sum of the corrections on all grids."""
        return self.hole * self._correct(residual, 0)

    def _correct(self, residual: Tensor, level: int) -> Tensor:
        own = residual * self.factors[level]
        if level + 1 == len(self.factors):
            return own
        return own + _up(self._correct(_down(residual), level + 1), residual.shape[2:])


def _mean_of_kept(x: Tensor, hole: Tensor) -> Tensor:
    kept = (1 - hole).sum((2, 3), keepdim=True)
    return (x * (1 - hole)).sum((2, 3), keepdim=True) / kept.clamp(min=1)


def _around(u: Tensor) -> Tensor:
    """The weighted sum over the eight neighbours; nothing comes from outside the picture."""
    return _spread(u) / 12 - u / 3  # (1, 2, 1) × (1, 2, 1) / 12 has the eight weights, and 1/3 in the middle


def _spread(u: Tensor) -> Tensor:
    """(1, 2, 1) down and across, zeros outside."""
    wide = F.pad(u, (1, 1, 1, 1))
    rows = wide[..., :-2, :] + wide[..., 2:, :] + 2 * wide[..., 1:-1, :]
    return rows[..., :-2] + rows[..., 2:] + 2 * rows[..., 1:-1]


def _down(r: Tensor) -> Tensor:
    """To a grid of half the size: smoothed, and summed over 2 × 2. The transpose of `_up`."""
    h, w = r.shape[2:]
    return 4 * F.avg_pool2d(F.pad(_spread(r) / 16, (0, w % 2, 0, h % 2)), 2)


def _up(z: Tensor, size: torch.Size) -> Tensor:
    """To a grid of twice the size: repeated, and smoothed."""
    wide = z.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : size[0], : size[1]]
    return _spread(wide) / 16
