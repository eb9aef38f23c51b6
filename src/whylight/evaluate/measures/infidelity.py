"""Infidelity: whether the map says how much the score changes when a part of the picture is hidden.

Source: Yeh, Hsieh, Suggala, Inouye and Ravikumar, On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from whylight.evaluate.measures.scoring import Score

SQUARES = 64
SIDE = 4  # a square's side is this part of the input's
PROTOCOL: dict[str, Any] = {
    "perturbations": f"{SQUARES} squares, their side 1/{SIDE} of the input's, at places drawn once for all pictures (seed 0); "
    "the pixels in them become 0 in the normalised input",
    "scale": "each map is multiplied by the number that makes its infidelity least, as the map's units are no probabilities",
}


def squares(size: tuple[int, int], seed: int = 0) -> Tensor:
    """Where the squares are: (SQUARES, H, W) bool, each inside the picture."""
    h, w = size
    tall, wide = max(1, h // SIDE), max(1, w // SIDE)
    dice = torch.rand((2, SQUARES), generator=torch.Generator().manual_seed(seed))
    top, left = (dice[0] * (h - tall + 1)).long(), (dice[1] * (w - wide + 1)).long()
    rows, columns = torch.arange(h), torch.arange(w)
    down = (rows >= top[:, None]) & (rows < top[:, None] + tall)  # (SQUARES, H)
    across = (columns >= left[:, None]) & (columns < left[:, None] + wide)  # (SQUARES, W)
    return down.unsqueeze(2) & across.unsqueeze(1)


def infidelity(score: Score, x: Tensor, heat: Tensor, of: Tensor) -> Tensor:
    """E[(a·Σ map over the square − (score − score without the square))²] with the best a, of each map (M,).

    The squares are the same for all maps, so each picture is run once with each, however many maps it has. A constant map has
    the same sum for each square.

    Args:
        score: see `Score`.
        x: inputs (N, 3, H, W).
        heat: maps at the input's size, (M, H, W), in their own units, with their sign.
        of: (M,), the picture of each map.
    """
    hidden = squares((x.shape[2], x.shape[3])).to(x.device)
    n, jobs = len(x), SQUARES + 1

    def make(chunk: range) -> Tensor:
        number = torch.tensor(chunk, device=x.device)
        picture, square = number // jobs, number % jobs  # square 0 hides nothing
        kept = ~hidden[(square - 1).clamp(min=0)] | (square == 0)[:, None, None]
        return x[picture] * kept.unsqueeze(1)

    found = score(torch.arange(n).repeat_interleave(jobs), make).reshape(n, jobs).double()
    change = (found[:, :1] - found[:, 1:])[of]  # (M, SQUARES)
    claimed = heat.detach().cpu().double().flatten(1) @ hidden.cpu().double().flatten(1).T  # (M, SQUARES)
    best = (claimed * change).sum(1) / claimed.square().sum(1).clamp(min=1e-300)
    return (best.unsqueeze(1) * claimed - change).square().mean(1).float()
