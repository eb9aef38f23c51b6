"""Saliency: how strongly the score answers to each pixel."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.registry import register


@register("saliency", units="logit per input unit", scale="robust", signed=False)
def saliency(input_gradients: Tensor) -> Tensor:
    """max over colours of |∂s/∂x|.

    Args:
        input_gradients: ∂s/∂x, (N, 3, H, W).

    Returns:
        (N, H, W), nowhere negative.

    Source: Simonyan et al., Deep Inside Convolutional Networks, 2014.
    """
    return input_gradients.abs().amax(1)
