"""SmoothGrad: saliency averaged over noisy copies of the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.parts.noise import noisy_copies
from whylight.methods.parts.options import choice, number, whole
from whylight.methods.registry import GradientAt, register
from whylight.methods.saliency import saliency

NAME = "smoothgrad"


@register(
    "smoothgrad",
    units="logit per input unit",
    scale="robust",
    signed=False,
    cost="{copies} forwards and backwards through the whole network",
)
def smoothgrad(
    inputs: Tensor,
    gradient_at: GradientAt,
    *,
    copies: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    average: str = "gradient",
) -> Tensor:
    """max over colours of |mean over copies of ∂s/∂x (x + ε)|, ε ~ N(0, σ²), σ = noise · (max x − min x).

    Args:
        inputs: x, (N, 3, H, W).
        gradient_at: inputs and the number of the picture each belongs to → scores and ∂s/∂x there.
        copies: how many noisy copies.
        noise: standard deviation of the noise, as a share of the input's range.
        seed: equal seeds give equal maps.
        average: "gradient" as in the paper, where gradients that change sign from copy to copy cancel, or "absolute", where
            they add up.

    Returns:
        (N, H, W), nowhere negative.

    Raises:
        MethodError: if an option is out of range.

    Source: Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.
    """
    copies, noise, seed = (
        whole(NAME, "copies", copies),
        number(NAME, "noise", noise),
        whole(NAME, "seed", seed, least=0),
    )
    choice(NAME, "average", average, ("gradient", "absolute"))
    means = []
    for index, picture in enumerate(inputs):
        owner = torch.full((copies,), index, device=inputs.device)
        gradients = gradient_at(noisy_copies(picture, copies, noise, seed), owner)[1]  # (copies, 3, H, W)
        means.append((gradients if average == "gradient" else gradients.abs()).mean(0))
    return saliency(torch.stack(means))
