"""Input × gradient: each pixel's share of the score's linear part."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.hirescam import hirescam
from whylight.methods.registry import register


@register("inputxgradient", units="logit", scale="robust", signed=True)
def inputxgradient(inputs: Tensor, input_gradients: Tensor) -> Tensor:
    """Σ over colours of x ⊙ ∂s/∂x, signed. For a network of rectifiers without biases its sum is the logit.

    Args:
        inputs: x, (N, 3, H, W), after preprocessing: 0 is the mean colour.
        input_gradients: ∂s/∂x, (N, 3, H, W).

    Returns:
        (N, H, W).

    Source: Shrikumar et al., Not Just a Black Box, 2016.
    """
    return hirescam(inputs, input_gradients)
