"""Noisy copies of an input: the same ones for the same seed, whatever else is in the batch."""

from __future__ import annotations

import torch
from torch import Tensor


def noisy_copies(picture: Tensor, copies: int, noise: float, seed: int) -> Tensor:
    """x + σ·N(0, 1), with σ = noise · (max x − min x).

    Args:
        picture: x, (3, H, W).
        copies: how many.
        noise: the standard deviation as a share of the input's own range.
        seed: equal seeds make equal copies.

    Returns:
        (copies, 3, H, W).
    """
    # Drawn on the processor: the devices' own generators give different numbers for one seed.
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn((copies, *picture.shape), generator=generator).to(picture)
    return picture + noise * (picture.max() - picture.min()) * draws
