"""Smooth Grad-CAM++: Grad-CAM++ with derivatives averaged over noisy copies of the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.parts.noise import noisy_copies
from whylight.methods.parts.options import number, whole
from whylight.methods.registry import LookAt, register

NAME = "smoothgradcam++"


@register(
    "smoothgradcam++",
    units="logit",
    signed=False,
    cost="{copies} forwards, and as many backwards through the head unless that is linear",
)
def smoothgradcam_plusplus(
    activations: Tensor, inputs: Tensor, look_at: LookAt, *, copies: int = 16, noise: float = 0.15, seed: int = 0
) -> Tensor:
    """relu(Σ_k (Σ α_k·relu(D¹_k)) A_k), α = D² / (2D² + ΣA·D³), 0 where the denominator is 0.

    Dᵖ is the mean of gᵖ over noisy copies of the picture; A is that of the picture itself. Without noise it is Grad-CAM++. (The
    paper prints D¹ above the fraction, with which that would not hold.)

    Args:
        activations: A, (N, K, h, w).
        inputs: x, (N, 3, H, W).
        look_at: inputs and the number of the picture each belongs to → activations and gradients there.
        copies: how many noisy copies.
        noise: standard deviation of the noise, as a share of the input's range.
        seed: equal seeds give equal maps.

    Returns:
        (N, h, w), nowhere negative.

    Raises:
        MethodError: if an option is out of range.

    Source: Omeiza et al., Smooth Grad-CAM++, 2019.
    """
    copies, noise, seed = (
        whole(NAME, "copies", copies),
        number(NAME, "noise", noise),
        whole(NAME, "seed", seed, least=0),
    )
    weights = []
    for index, (picture, a) in enumerate(zip(inputs, activations, strict=True)):
        owner = torch.full((copies,), index, device=inputs.device)
        g = look_at(noisy_copies(picture, copies, noise, seed), owner)[1]  # (copies, K, h, w)
        # Gradients may be as small as 1e-20, and their cubes leave float32: powers are taken of g / m.
        m = g.abs().max()
        g = torch.where(m == 0, 0, g / m)
        square, cube = g.square().mean(0), g.pow(3).mean(0)  # (K, h, w), and so below
        denominator = 2 * square + m * a.sum((1, 2), keepdim=True) * cube
        alpha = torch.where(denominator == 0, 0, square / denominator)
        weights.append(m * (alpha * g.mean(0).relu()).sum((1, 2)))  # (K,)
    return cam(activations, torch.stack(weights)).relu()
