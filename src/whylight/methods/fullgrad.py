"""FullGrad: what the input and every bias contribute to the score."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from whylight.methods.parts.options import choice
from whylight.methods.registry import register


@register("fullgrad", units="sum of scaled maps", signed=False)
def fullgrad(
    inputs: Tensor, input_gradients: Tensor, bias_gradients: tuple[Tensor, ...], *, rescale: str = "layer"
) -> Tensor:
    """ψ(x ⊙ ∂s/∂x) + Σ_l Σ_c ψ(b_l ⊙ ∂s/∂z_l)_c, with ψ = bilinear upsample ∘ rescale to 0…1 ∘ absolute value.

    For a network of rectifiers the terms under ψ add up to the logit exactly; ψ only makes them fit to be seen. Each picture is
    rescaled by itself. Biases of one place, as of a layer behind the pooling, say nothing about where and are left out.

    Args:
        inputs: x, (N, 3, H, W).
        input_gradients: ∂s/∂x, (N, 3, H, W).
        bias_gradients: for every bias, b_l ⊙ ∂s/∂z_l, (N, C_l, h_l, w_l).
        rescale: "layer" scales all channels of a layer as one, as in the authors' code, and a silent channel stays silent;
            "channel" scales each by itself, as their equation reads.

    Returns:
        (N, H, W), nowhere negative.

    Raises:
        MethodError: if an option is out of range.

    Source: Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019.
    """
    dims = (1, 2, 3) if choice("fullgrad", "rescale", rescale, ("layer", "channel")) == "layer" else (2, 3)
    total = _unit(inputs * input_gradients, dims)
    for term in bias_gradients:
        if term.shape[2:] == (1, 1):
            continue
        # Upsampling is linear: the channels are added up before it, not after.
        small = _unit(term, dims).unsqueeze(1)  # (N, 1, h_l, w_l)
        total = total + interpolate(small, inputs.shape[2:], mode="bilinear", align_corners=False).squeeze(1)
    return total


def _unit(term: Tensor, dims: tuple[int, ...]) -> Tensor:
    """|term| (N, C, h, w) scaled to 0…1 over `dims`, 0 where it is the same everywhere; summed over channels to (N, h, w)."""
    size = term.abs()
    low, high = size.amin(dims, keepdim=True), size.amax(dims, keepdim=True)
    return torch.where(high == low, 0, (size - low) / (high - low)).sum(1)
