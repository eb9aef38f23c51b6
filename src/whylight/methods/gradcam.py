"""Grad-CAM: channels weighted by their mean gradient."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.registry import register


@register("gradcam", units="logit", signed=False)
def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """relu(Σ_k mean(g_k) A_k).

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017.
    """
    return cam(activations, gradients.mean((2, 3))).relu()
