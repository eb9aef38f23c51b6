"""ROAD, remove and debias: the score as ever more of the picture is removed, the most relevant first and the least relevant first.

Source: Rong, Leemann, Borisov, Kasneci and Kasneci, A Consistent and Efficient Evaluation Strategy for Attribution Methods,
ICML 2022.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from whylight.evaluate.measures.imputation import NOISE, impute, noise
from whylight.evaluate.measures.ranking import TIES, ranks
from whylight.evaluate.measures.scoring import Score

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PROTOCOL: dict[str, Any] = {
    "shares removed": list(SHARES),
    "removed pixels become": "noisy linear imputation: weights 1/6 and 1/12, "
    f"noise of standard deviation {NOISE:g} in the normalised input",
    "equal pixels": TIES,
    "combined": "mean over the shares of (least relevant first − most relevant first) / 2",
}


class Road(NamedTuple):
    """Scores at each share that was removed, (M, len(SHARES)) each."""

    morf: Tensor  # the most relevant pixels removed first: should fall at once
    lerf: Tensor  # the least relevant first: should stay

    @property
    def combined(self) -> Tensor:
        """(M,): by how much it matters more what the map calls relevant, in -0.5 … 0.5; 0 for a map of chance."""
        return (self.lerf - self.morf).mean(1) / 2


def road(score: Score, x: Tensor, heat: Tensor, of: Tensor) -> Road:
    """Remove shares of the pixels in both orders, fill them from what is around, and score what comes out.

    Args:
        score: see `Score`.
        x: inputs (N, 3, H, W).
        heat: maps at the input's size, (M, H, W).
        of: (M,), the picture of each map.
    """
    place = ranks(heat).to(x.device)  # (M, H, W)
    pixels = place[0].numel()
    kinds = 2 * len(SHARES)
    added = noise(tuple(x.shape[1:])).to(x)

    def make(chunk: range) -> Tensor:
        removed = torch.stack([_removed(place[job // kinds], job % kinds, pixels) for job in chunk])  # (m, H, W)
        pictures = x[of[[job // kinds for job in chunk]]]
        return impute(pictures, removed) + added * removed.unsqueeze(1)

    found = score(of.repeat_interleave(kinds), make).reshape(len(heat), 2, len(SHARES))
    return Road(found[:, 0], found[:, 1])


def _removed(place: Tensor, kind: int, pixels: int) -> Tensor:
    """Which pixels are removed: (H, W) bool."""
    order, share = divmod(kind, len(SHARES))
    count = round(SHARES[share] * pixels)
    return place < count if order == 0 else place >= pixels - count
