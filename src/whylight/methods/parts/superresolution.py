"""One map at the picture's resolution, from coarse maps of the picture's transformed copies.

    h* = argmin_h Σ_l ‖M_l ⊙ (D T_l h − g_l)‖² + λ_tv·TV(h) + λ_e·‖h‖²

with A = (D T_l)_l and M of `resampling.Operator`. The weights of the penalties are given per unit of the data, so
that they mean the same for any number of copies, sizes and magnitudes: with m = ΣM² over all cells, s the root of the
weighted mean square of g, and c the side of a cell in pixels,

    λ_tv = tv · s·c·m / (H·W),    λ_e = ridge · m / (H·W).

For u = h/s this makes the energy a sum of means: of squared misses over cells, of tv·c·|∇u| over places, of ridge·u² over pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from whylight.methods.parts.resampling import Operator

CHECK = 5  # iterations between tests of convergence
BALANCE = 10.0  # step of the dual variable, for maps of mean square 1: of 0.3 … 100 it converges fastest
POWER = 30  # iterations that find the curvature's bound; 10 % are added for what they miss
HALF = 0.5**0.5


class Solution(NamedTuple):
    """Maps, and how near the minimum they are."""

    values: Tensor  # (N, H, W), h
    iterations: Tensor  # (N,) int64
    gap: Tensor  # (N,), E(h) − min E is at most this share of E(0)
    converged: Tensor  # (N,) bool: gap ≤ tolerance


def superresolve(
    maps: Tensor, operator: Operator, *, tv: float, ridge: float, tolerance: float, most: int = 1000
) -> Solution:
    """Solve for N pictures at once, by a primal-dual method with a metric (Condat 2013, Vũ 2013).

    With F the quadratic part, D the differences of `differences`, p the dual of the total variation and P a metric in which
    half of F's curvature and σDᵀD are below 1:

        u⁺ = u − P⁻¹(∇F(u) + Dᵀp),    p⁺ = project(p + σD(2u⁺ − u), |p| ≤ λ_tv)

    The total variation is exact, not smoothed. A picture is done when its energy is certain to be near its minimum: F is
    strongly convex, so that for any u and any allowed p

        E(u) − min E ≤ λ_tv·TV(u) − ⟨p, Du⟩ + ‖∇F(u) + Dᵀp‖² / (4·λ_e).

    Args:
        maps: g, (N, copies, h, w).
        operator: A, of these copies.
        tv: weight of the total variation, 0 or more.
        ridge: weight of the squares, above 0: it makes the minimum unique.
        tolerance: how near, as a share of E(0).
        most: iterations after which to stop in any case.

    Returns:
        h and how it was reached. Maps of zeros give zeros; maps c·g give c·h for c > 0.
    """
    maps = maps.float()
    energy, metric = Energy(maps, operator, tv, ridge), _metric(operator)
    n, (height, width) = len(maps), operator.size
    inverse = metric.inverse(energy)
    values = maps.new_zeros((n, height, width))
    iterations = torch.zeros(n, dtype=torch.int64, device=maps.device)
    gaps = maps.new_zeros(n)
    active = torch.arange(n, device=maps.device)  # pictures still to be done; the batch shrinks to them
    u = values.clone()  # (n, H, W)
    p = maps.new_zeros((4, n, height - 1, width - 1))
    for iteration in range(most + 1):
        slope, pull = energy.slope(u), spread(p)  # ∇F(u) and Dᵀp, (n, H, W)
        residual = slope + pull
        if iteration % CHECK == 0 or iteration == most:
            gap = energy.gap(u, pull, residual)
            done = (gap <= tolerance) if iteration < most else torch.ones_like(gap, dtype=torch.bool)
            if bool(done.any()):
                at = active[done]
                values[at], iterations[at], gaps[at] = u[done] * energy.scale[done, None, None], iteration, gap[done]
                if bool(done.all()):
                    break
                left = ~done
                active, u, p, residual = active[left], u[left], p[:, left], residual[left]
                energy.keep(left)
        moved = u - metric.filter(residual, inverse)
        p = project(p + BALANCE * energy.tv * differences(2 * moved - u), energy.tv)
        u = moved
    return Solution(values, iterations, gaps, gaps <= tolerance)


class Energy:
    """E/m·H·W of the pictures still to be done, for maps of mean square 1."""

    def __init__(self, maps: Tensor, operator: Operator, tv: float, ridge: float) -> None:
        (height, width), (h, w) = operator.size, operator.grid
        n, self.operator, self.ridge = len(maps), operator, ridge
        self.tv = tv * math.sqrt(height * width / (h * w))
        self.gain = height * width / operator.total
        peak = maps.abs().amax((1, 2, 3))  # squares of tiny numbers would vanish
        data = operator.arrange(maps / torch.where(peak == 0, 1, peak)[:, None, None, None])  # (rows, N or 2·N)
        square = (operator.weights * data.square()).sum(0).reshape(-1, n).sum(0) / operator.total
        root = torch.where(square == 0, 1, square).sqrt()
        self.scale = peak * root  # (N,)
        self.data = (data.reshape(len(data), -1, n) / root).flatten(1)

    def slope(self, u: Tensor) -> Tensor:
        """∇F(u), (n, H, W)."""
        missed = self.operator.weights * (self.operator(u) - self.data)
        return 2 * self.gain * self.operator.adjoint(missed) + 2 * self.ridge * u

    def gap(self, u: Tensor, pull: Tensor, residual: Tensor) -> Tensor:
        """What is left to gain at most, as a share of E(0), (n,)."""
        slack = self.tv * length(differences(u)).sum((1, 2)) - (pull * u).sum((1, 2))
        return (slack + residual.square().sum((1, 2)) / (4 * self.ridge)) / u[0].numel()

    def keep(self, left: Tensor) -> None:
        """Go on with these of the pictures only."""
        self.scale = self.scale[left]
        self.data = self.data.reshape(len(self.data), -1, len(left))[:, :, left].flatten(1)


class Metric:
    """P: the curvature of the data and of the differences, both taken as functions of frequency.

    In the cosine basis, which turns Neumann differences into the numbers `laplacian`. The mean over a cell of side c damps
    frequency ω by sinc(cω/2) ≤ (1 + c²ω²/12)^−½ along each axis, however the cell is turned: K = 1/(1 + c²·laplacian/12)
    is what AᵀA would be if cells lay everywhere, and `top` the factor by which it is larger than that at most.
    """

    def __init__(self, operator: Operator) -> None:
        (height, width), (h, w) = operator.size, operator.grid
        device = operator.weights.device
        self.rows, self.columns = cosines(height).to(device), cosines(width).to(device)
        of_rows, of_columns = (
            2 - 2 * torch.cos(torch.pi * torch.arange(side, device=device) / side) for side in operator.size
        )
        self.laplacian = of_rows[:, None] + of_columns  # (H, W)
        self.damping = 1 / (1 + height * width / (h * w) * self.laplacian / 12)
        unit, gain = self.damping**-0.5, 2 * height * width / operator.total
        v = torch.randn((1, height, width), generator=torch.Generator().manual_seed(0)).to(device)
        for _ in range(POWER):
            seen = operator.weights * operator(self.filter(v / v.norm(), unit))
            v = self.filter(gain * operator.adjoint(seen), unit)
        self.top = 1.1 * float(v.norm())

    def inverse(self, energy: Energy) -> Tensor:
        """P⁻¹ as a function of frequency, (H, W)."""
        return 1 / (self.top * self.damping / 2 + energy.ridge + BALANCE * energy.tv * self.laplacian)

    def filter(self, u: Tensor, gain: Tensor) -> Tensor:
        """Multiply the frequencies of u (N, H, W) by `gain` (H, W)."""
        found: Tensor = self.rows.T @ (gain * (self.rows @ u @ self.columns.T)) @ self.columns
        return found


@lru_cache(maxsize=4)
def _metric(operator: Operator) -> Metric:
    return Metric(operator)


def cosines(size: int) -> Tensor:
    """The orthonormal cosine basis, (frequencies, places)."""
    at = torch.arange(size, dtype=torch.float64)
    basis = torch.cos(torch.pi * at[:, None] * (at + 0.5) / size) * (2 / size) ** 0.5
    basis[0] *= HALF
    found: Tensor = basis.float()
    return found


def differences(u: Tensor) -> Tensor:
    """D: (N, H, W) → (4, N, H−1, W−1). TV(u) = Σ|Du|, the four differences at each place where four pixels meet.

    Isotropic: |Du|² is the mean of the two squared differences along x plus that along y. Unlike forward differences, it
    does not change when the picture is mirrored.
    """
    dx, dy = HALF * (u[:, :, 1:] - u[:, :, :-1]), HALF * (u[:, 1:] - u[:, :-1])
    return torch.stack([dx[:, :-1], dx[:, 1:], dy[:, :, :-1], dy[:, :, 1:]])


def spread(p: Tensor) -> Tensor:
    """Dᵀ: (4, N, H−1, W−1) → (N, H, W)."""
    top, bottom, left, right = HALF * p
    out = p.new_zeros((p.shape[1], p.shape[2] + 1, p.shape[3] + 1))
    out[:, :-1, :-1] -= top + left
    out[:, :-1, 1:] += top - right
    out[:, 1:, :-1] += left - bottom
    out[:, 1:, 1:] += bottom + right
    return out


def length(p: Tensor) -> Tensor:
    """|p| at each place: (4, N, H−1, W−1) → (N, H−1, W−1)."""
    return p.square().sum(0).sqrt()


def project(p: Tensor, radius: float) -> Tensor:
    """Shorten p to at most `radius` at each place."""
    return p * (radius / length(p).clamp(min=radius)) if radius > 0 else torch.zeros_like(p)
