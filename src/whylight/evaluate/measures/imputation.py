"""Fill removed pixels from what is around them, so that the removal itself tells the network as little as can be.

Noisy linear imputation: each removed pixel is the weighted mean of its eight neighbours, 1/6 each of the four direct ones and 1/12
each of the diagonal ones, those outside the picture left out; all removed pixels at once, which is a sparse linear system; and
a little noise, so that smoothness does not give the removed area away.

Source: Rong, Leemann, Borisov, Kasneci and Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution Methods,
ICML 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NOISE = 0.01  # standard deviation, in units of the normalised input, as in the authors' code
TOLERANCE = 1e-3  # of the solution, relative to the picture's spread: a few thousandths at most, below the noise
_MOST = 500  # iterations; some thirty are usual
_COARSEST = 4  # side of the coarsest grid

Plane = NDArray[np.float32]  # (H, W); OpenCV filters it ten times as fast as torch's convolution
_WEIGHTS = np.array([1, 2, 1], np.float32)


def impute(x: Tensor, removed: Tensor) -> Tensor:
    """Solve for the removed pixels, without the noise.

    The system is symmetric and positive definite; it is solved by conjugate gradients. Their preconditioner adds corrections
    on ever coarser grids (Bramble, Pasciak and Xu, 1990), so that wide holes take hardly more iterations than narrow ones.

    Args:
        x: pictures (B, 3, H, W).
        removed: (B, H, W) bool; at least one pixel of each picture must be left.

    Returns:
        (B, 3, H, W) float32 on the pictures' device: `x` where nothing was removed.
    """
    planes, holes = x.detach().cpu().float().contiguous().numpy(), removed.detach().cpu().numpy()
    filled = np.empty_like(planes)
    for picture, hole, result in zip(planes, holes, filled, strict=True):
        levels = _Levels.of(hole.astype(np.float32))
        for channel, plane in enumerate(picture):
            result[channel] = _fill(plane, hole, levels)
    return torch.from_numpy(filled).to(x.device)


def noise(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """The noise that is added to removed pixels, the same for the same shape and seed."""
    return NOISE * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class _Levels(NamedTuple):
    """What belongs to a hole: its pixels, the weights inside the picture, and the preconditioner's factors from fine to coarse."""

    hole: Plane
    weights: Plane
    factors: list[Plane]

    @classmethod
    def of(cls, hole: Plane) -> _Levels:
        # On a coarse grid, a hill that is cut off at the hole's edge has the energy of a whole one, which is about 1 on every
        # grid in two dimensions, and that of its cut: the weights across the edge.
        weights = _around(np.ones_like(hole))
        factors, across = [hole / weights], hole * (weights - _around(hole))
        while min(across.shape) > 2 * _COARSEST:
            across = _down(across)
            factors.append(1 / (1 + across))
        return cls(hole, weights, factors)

    def precondition(self, residual: Plane) -> Plane:
        """An approximate solution for a residual: the sum of the corrections on all grids."""
        return self.hole * self._correct(residual, 0)

    def _correct(self, residual: Plane, level: int) -> Plane:
        own = residual * self.factors[level]
        if level + 1 < len(self.factors):
            own += _up(self._correct(_down(residual), level + 1), own.shape)
        return own


def _fill(plane: Plane, removed: NDArray[np.bool_], levels: _Levels) -> Plane:
    """One channel (H, W) with its hole filled."""
    hole, weights, _ = levels
    shift = plane[~removed].mean()  # numbers about zero keep their digits
    known = (plane - shift) * (1 - hole)
    residual = hole * _around(known)
    found, direction = np.zeros_like(known), np.zeros_like(known)
    before = 1.0
    enough = (TOLERANCE * float(np.abs(known).max())) ** 2  # the energy of such a change at one pixel
    for _ in range(_MOST):
        nearer = levels.precondition(residual)
        now = float(np.vdot(residual, nearer))  # the error's energy, nearly
        if now <= enough:
            break
        direction *= now / before
        direction += nearer
        pushed = weights * direction
        pushed -= _around(direction)
        pushed *= hole
        step = now / max(float(np.vdot(direction, pushed)), 1e-30)
        found += step * direction
        pushed *= step
        residual -= pushed
        before = now
    return np.where(removed, found + shift, plane)


def _around(u: Plane) -> Plane:
    """The weighted sum over the eight neighbours; nothing comes from outside the picture."""
    found = _spread(u, 1 / 12)  # (1, 2, 1) × (1, 2, 1) / 12 has the eight weights, and 1/3 in the middle
    found -= u * np.float32(1 / 3)
    return found


def _spread(u: Plane, scale: float) -> Plane:
    """(1, 2, 1) down and across, zeros outside; times a number."""
    found = cv2.sepFilter2D(u, -1, _WEIGHTS * np.float32(scale), _WEIGHTS, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(found, np.float32)


def _down(r: Plane) -> Plane:
    """To a grid of half the size: smoothed, and summed over 2 × 2. The transpose of `_up`."""
    h, w = r.shape
    wide = _spread(r, 1 / 16)
    if h % 2 or w % 2:
        wide = np.pad(wide, ((0, h % 2), (0, w % 2)))
    rows = wide[::2] + wide[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def _up(z: Plane, size: tuple[int, ...]) -> Plane:
    """To a grid of twice the size: repeated, and smoothed."""
    wide = np.asarray(cv2.resize(z, (2 * z.shape[1], 2 * z.shape[0]), interpolation=cv2.INTER_NEAREST), np.float32)
    return _spread(wide[: size[0], : size[1]], 1 / 16)
