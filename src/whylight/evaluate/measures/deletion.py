"""Deletion and insertion: how fast the score falls as the hottest pixels go, and rises as they come.

Source: Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from whylight.errors import DataError
from whylight.evaluate.measures.ranking import TIES, ranks
from whylight.evaluate.measures.scoring import Score

Fill = Literal["mean", "blur"]


@dataclass(frozen=True)
class Protocol:
    """How the two curves are made.

    Args:
        steps: steps from the whole picture to none of it; each moves 1/steps of the pixels.
        deletion: what deleted pixels become: `"mean"` is 0 in the normalised input, the mean colour of the model's training
            pictures, `"blur"` the blurred picture.
        insertion: what there is before pixels are inserted.
        blur: side of the blur's kernel in pixels, odd; the default is that of the authors' code.
        sigma: its standard deviation in pixels.

    Raises:
        DataError: if a number cannot be used.
    """

    steps: int = 28
    deletion: Fill = "mean"
    insertion: Fill = "blur"
    blur: int = 11
    sigma: float = 5.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise DataError(f"steps: expected at least 1, got {self.steps}")
        if self.blur < 1 or self.blur % 2 == 0 or not self.sigma > 0:
            raise DataError(f"blur: expected an odd side and a sigma above 0, got {self.blur} and {self.sigma:g}")
        for name, fill in (("deletion", self.deletion), ("insertion", self.insertion)):
            if fill not in ("mean", "blur"):
                raise DataError(f"{name}: expected 'mean' or 'blur', got {fill!r}")

    def to_dict(self) -> dict[str, Any]:
        """All that somebody else needs to get the same figures."""
        blur = f"Gaussian of {self.blur} × {self.blur} pixels, sigma {self.sigma:g}, in the normalised input, edges repeated"
        words = {"mean": "0 in the normalised input", "blur": blur}
        return {
            "steps": self.steps,
            "deleted pixels become": words[self.deletion],
            "insertion starts from": words[self.insertion],
            "map": "enlarged to the input bilinearly, half-pixel centres",
            "equal pixels": TIES,
            "area": "trapezoids over the share of pixels, 0 … 1",
        }


class Curves(NamedTuple):
    """Scores along the way, (M, steps + 1) each: step s has s/steps of the pixels deleted, or inserted."""

    deletion: Tensor
    insertion: Tensor


def curves(score: Score, x: Tensor, heat: Tensor, of: Tensor, protocol: Protocol | None = None) -> Curves:
    """Delete and insert pixels, the hottest first.

    The ends of the curves, which all maps of a picture share, are computed once for each picture.

    Args:
        score: see `Score`.
        x: inputs (N, 3, H, W).
        heat: maps at the input's size, (M, H, W).
        of: (M,), the picture of each map.
        protocol: see `Protocol`.
    """
    protocol = protocol or Protocol()
    n, steps, device = len(x), protocol.steps, x.device
    pixels = heat.shape[1] * heat.shape[2]
    # (M, H, W): the step at which a pixel goes; the first has gone after step 1.
    turn = (ranks(heat) * steps).div(pixels, rounding_mode="floor").to(device, torch.int16) + 1
    # Channels last, (N, H, W, 3): what `where` makes has the order in which convolutions run fastest.
    whole = _last(x)
    fills = torch.stack(
        [_last(_filled(x, fill, protocol)) for fill in (protocol.deletion, protocol.insertion)]
    )  # (2, N, H, W, 3)

    bounds = torch.cat([whole, *fills])
    ends = score(torch.arange(n).repeat(3), lambda chunk: _first(bounds[chunk.start : chunk.stop]))
    full, deleted, begun = ends.reshape(3, n)

    inner = steps - 1
    maps = torch.arange(len(heat)).repeat_interleave(2 * inner)  # (jobs,)
    places = torch.arange(2 * inner).repeat(len(heat))  # which curve and step of its map a job is

    def make(chunk: range) -> Tensor:
        which, place = maps[chunk.start : chunk.stop], places[chunk.start : chunk.stop]
        inserting = (place >= inner).to(device, torch.long)
        step = (place % max(inner, 1) + 1).to(device, torch.int16)
        picture, gone = of[which].to(device), turn[which.to(device)] <= step[:, None, None]  # (m,), (m, H, W)
        kept = (gone == inserting.bool()[:, None, None]).unsqueeze(
            -1
        )  # deletion keeps what is not gone, insertion what is
        made = fills[inserting, picture]
        return _first(torch.where(kept, whole[picture], made, out=made))

    inside = score(of[maps], make).reshape(len(heat), 2, inner)
    first, last = (torch.stack([part[of] for part in pair]) for pair in ((full, begun), (deleted, full)))  # (2, M)
    found = torch.cat([first.T.unsqueeze(2), inside, last.T.unsqueeze(2)], 2)  # (M, 2, steps + 1)
    return Curves(found[:, 0], found[:, 1])


def area(curve: Tensor) -> Tensor:
    """The area under curves (M, S + 1) over [0, 1], by trapezoids: (M,).

    >>> area(torch.tensor([[1.0, 0.5, 0.0]])).item()
    0.5
    """
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def blurred(x: Tensor, side: int, sigma: float) -> Tensor:
    """Blur inputs (N, 3, H, W) with a Gaussian, cut off at `side` pixels and normalised; edges are repeated."""
    along = torch.arange(side, dtype=torch.float64) - side // 2
    weights = torch.exp(-0.5 * (along / sigma) ** 2)
    kernel = (weights / weights.sum()).to(x).expand(3, 1, side)
    margin = side // 2
    # Down, then across: a Gaussian is separable. Plain memory order: for 3 groups it is the faster.
    wide = F.pad(x.contiguous(), (margin, margin, margin, margin), mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel.unsqueeze(3), groups=3), kernel.unsqueeze(2), groups=3)


def _filled(x: Tensor, fill: Fill, protocol: Protocol) -> Tensor:
    return torch.zeros_like(x) if fill == "mean" else blurred(x, protocol.blur, protocol.sigma)


def _last(x: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, H, W, 3), contiguous."""
    return x.permute(0, 2, 3, 1).contiguous()


def _first(x: Tensor) -> Tensor:
    """(N, H, W, 3) → (N, 3, H, W), channels last in memory."""
    return x.permute(0, 3, 1, 2)
