"""Max-sensitivity: how far the map can move when the picture hardly does.

Source: Yeh, Hsieh, Suggala, Inouye and Ravikumar, On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Explain = Callable[[Tensor, Tensor], Tensor]  # inputs (M, 3, H, W), the picture (M,) of each → maps (M, h, w)

RADIUS = 0.02
SAMPLES = 10
PROTOCOL: dict[str, Any] = {
    "noise": f"uniform in ±{RADIUS:g} at every value of the normalised input, {SAMPLES} samples (seed 0)",
    "distance": "largest norm of the difference to the map without noise, relative to that map's norm",
}


def noisy(x: Tensor, radius: float = RADIUS, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """Copies of inputs (N, 3, H, W) with noise, the same noise for each picture: (N · samples, 3, H, W), picture by picture."""
    dice = torch.Generator().manual_seed(seed)
    noise = (2 * torch.rand((samples, *x.shape[1:]), generator=dice) - 1) * radius
    return (x.unsqueeze(1) + noise.to(x)).flatten(0, 1)


def sensitivity(explain: Explain, x: Tensor, maps: Tensor) -> Tensor:
    """The largest relative change of each picture's map under the noise, (N,); NaN where the map is zero everywhere.

    Args:
        explain: makes the maps of noisy copies, for the class that was explained.
        x: inputs (N, 3, H, W).
        maps: their maps (N, h, w), without noise.
    """
    of = torch.arange(len(x)).repeat_interleave(SAMPLES)
    moved = explain(noisy(x), of).detach().cpu().float()
    still = maps.detach().cpu().float()
    far = (moved - still[of]).flatten(1).norm(dim=1).reshape(len(x), SAMPLES).amax(1)
    size = still.flatten(1).norm(dim=1)
    return torch.where(size > 0, far / size.clamp(min=1e-30), torch.nan)
