"""RISE: the mean of random masks, each weighted by the score of what it leaves of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.options import choice, number, whole
from whylight.methods.registry import Maps, Probe, register

_CHECKED = 100  # masks between two looks at the standard error


@register("rise", units="probability")
def rise(
    inputs: Tensor,
    probe: Probe,
    *,
    masks: int = 4000,
    grid: int = 7,
    keep: float = 0.5,
    tolerance: float | None = None,
    seed: int = 0,
    after: Literal["logit", "probability"] = "probability",
) -> Maps:
    """E[s(x ⊙ M) M] / p over random masks M, estimated without the noise that the masks' own mean adds.

    A mask is a grid of Bernoulli(p) numbers, enlarged bilinearly to (grid + 1) · ⌈H / grid⌉ and cut to H × W at a random place;
    ⊙ on the preprocessed input, so that what is masked turns to the mean colour. Since E[M] = p is known,

        E[s M] / p = E[s] + Cov(s, M) / p,

    and both terms are estimated by their usual unbiased estimators, s̄ + Σ (sᵢ - s̄)(Mᵢ - p) / ((n - 1) p). The published
    Σ sᵢ Mᵢ / (n p) has the same expectation, and the noise of s̄ · ΣMᵢ / (n p) besides. Mask i depends on the seed and on i alone.

    Args:
        inputs: x, (N, 3, H, W).
        probe: gives the scores.
        masks: how many, or the most, where `tolerance` is given; at least 2.
        grid: cells along each side of a mask.
        keep: p, the share of the picture that a mask lets through.
        tolerance: stop early, when the map's standard error is at most this part of the map's spread (both root mean squares
            over its pixels). At 0.1 the map correlates by about 0.99 with that of all masks. None runs all of them.
        seed: of the masks.
        after: `"probability"` as published, or `"logit"`.

    Returns:
        (N, H, W) in units of the score: what a pixel's being shown makes of it. Details: `masks` run, `standard_error`.

    Raises:
        MethodError: if an option is out of range.

    Source: Petsiuk, Das and Saenko, RISE, BMVC 2018.
    """
    whole("rise", "masks", masks, least=2)
    whole("rise", "grid", grid)
    whole("rise", "seed", seed, least=0)
    if number("rise", "keep", keep, below=1) == 0:
        raise MethodError(
            "method 'rise': keep=0; masks that hide everything tell nothing: give a number between 0 and 1"
        )
    if tolerance is not None:
        number("rise", "tolerance", tolerance)
    choice("rise", "after", after, ("logit", "probability"))
    plan = Masks(inputs.shape[2], inputs.shape[3], grid, keep, seed, inputs.device)
    found, details = [], []
    for picture in range(len(inputs)):
        sums = _one(inputs[picture], picture, probe, plan, masks, tolerance, after)
        found.append(sums.map().float())
        details.append({"masks": sums.count, "standard_error": float(sums.standard_error())})
    return Maps(torch.stack(found), details)


def _one(
    x: Tensor,
    picture: int,
    probe: Probe,
    plan: Masks,
    count: int,
    tolerance: float | None,
    after: Literal["logit", "probability"],
) -> Sums:
    sums = Sums(plan)
    for indices, scores in probe(picture, count, lambda chunk: x * plan(chunk).unsqueeze(1), after=after):
        drawn = plan(indices)  # (n, H, W)
        first = 0
        while first < len(scores):
            # Sums are taken up to the next look and no further, so that where it stops does not depend on the chunks.
            last = min(len(scores), first + _CHECKED - sums.count % _CHECKED)
            sums.add(scores[first:last], drawn[first:last])
            first = last
            if tolerance is not None and sums.count % _CHECKED == 0 and sums.settled(tolerance):
                return sums
    return sums


class Masks:
    """Random masks by number: the same mask for the same number, in whatever order or chunk it is asked for.

    Args:
        height, width: of the masks.
        grid: cells along each side.
        keep: probability that a cell is shown.
        seed: of all masks together.
        device: where they are made.
    """

    def __init__(self, height: int, width: int, grid: int, keep: float, seed: int, device: torch.device) -> None:
        self.keep, self._grid, self._seed, self._device = keep, grid, seed, device
        self._rows, self._columns = _enlarge(height, grid, device), _enlarge(width, grid, device)  # (cell, side, grid)
        self._held: tuple[range, Tensor] = (range(0), torch.empty(0))

    def __call__(self, indices: range) -> Tensor:
        """Masks (n, H, W) in [0, 1] with these numbers."""
        if self._held[0] != indices:
            self._held = (indices, self._make(indices))
        return self._held[1]

    def _make(self, indices: range) -> Tensor:
        cells = self._grid**2
        dice = uniform(self._seed, indices, cells + 2)  # (n, grid² + 2)
        shown = (dice[:, :cells] < self.keep).float().reshape(-1, self._grid, self._grid).to(self._device)
        down = (dice[:, cells] * len(self._rows)).long().to(self._device)  # how far the cut is moved
        right = (dice[:, cells + 1] * len(self._columns)).long().to(self._device)
        # (n, H, grid) @ (n, grid, grid) @ (n, grid, W): bilinear enlargement is separable, and only the cut is computed.
        return self._rows[down] @ shown @ self._columns[right].transpose(1, 2)


@dataclass
class Sums:
    """What is remembered of all masks so far: sums over them, one number for each pixel."""

    plan: Masks
    count: int = 0

    def __post_init__(self) -> None:
        self._plain: Tensor | None = None  # Σ (1, s) d, with d = M - p: (2, H, W)
        self._squared: Tensor | None = None  # Σ (1, s, s²) d²: (3, H, W)
        self._total = self._start = 0.0  # Σ s; scores are taken relative to the first, which spares digits

    def add(self, scores: Tensor, drawn: Tensor) -> None:
        """Add scores (n,) and their masks (n, H, W)."""
        if self._plain is None or self._squared is None:
            self._start = float(scores[0])
            self._plain = drawn.new_zeros((2, *drawn.shape[1:]), dtype=_digits(drawn))
            self._squared = drawn.new_zeros((3, *drawn.shape[1:]), dtype=_digits(drawn))
        s = scores.to(drawn.device).float() - self._start
        d = (drawn - self.plan.keep).flatten(1)  # (n, H·W)
        powers = torch.stack([torch.ones_like(s), s, s * s])  # (3, n)
        self._plain += (powers[:2] @ d).view_as(self._plain)
        self._squared += (powers @ (d * d)).view_as(self._squared)
        self._total += float(s.sum(dtype=torch.float64 if s.device.type != "mps" else None))
        self.count += len(scores)

    def map(self) -> Tensor:
        """The map (H, W)."""
        assert self._plain is not None
        mean = self._total / self.count
        covariance = (self._plain[1] - mean * self._plain[0]) / max(1, self.count - 1)
        return self._start + mean + covariance / self.plan.keep

    def variance(self) -> Tensor:
        """The variance (H, W) of the map's Cov(s, M) / p: what would change from one set of masks to another."""
        assert self._plain is not None
        assert self._squared is not None
        mean, n = self._total / self.count, self.count
        # Of the products (sᵢ - s̄)(Mᵢ - p): the mean of squares less the square of the mean.
        squares = (self._squared[2] - 2 * mean * self._squared[1] + mean**2 * self._squared[0]) / n
        average = (self._plain[1] - mean * self._plain[0]) / n
        return (squares - average**2).clamp_min(0) / (n * self.plan.keep**2)

    def standard_error(self) -> float:
        """Root mean square over the pixels of the map's standard error."""
        return math.sqrt(float(self.variance().mean()))

    def settled(self, tolerance: float) -> bool:
        """Whether the standard error is at most `tolerance` times the map's spread."""
        found = self.map()
        spread = math.sqrt(float((found - found.mean()).square().mean()))
        return self.standard_error() <= tolerance * spread


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


def _enlarge(side: int, grid: int, device: torch.device) -> Tensor:
    """Every cut of the bilinear enlargement: (cell, side, grid), one matrix from cells to pixels for each place of the cut."""
    cell = math.ceil(side / grid)
    whole = torch.nn.functional.interpolate(
        torch.eye(grid).unsqueeze(1), size=(grid + 1) * cell, mode="linear", align_corners=False
    )  # (grid, 1, (grid + 1) · cell)
    return whole[:, 0].T.unfold(0, side, 1)[:cell].transpose(1, 2).to(device)


def _digits(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64  # Apple's has no double precision
