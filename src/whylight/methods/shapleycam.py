"""ShapleyCAM: Grad-CAM's weights, corrected by the curvature of the score."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.registry import register


@register("shapleycam", units="logit", signed=False)
def shapleycam(activations: Tensor, gradients: Tensor, curvature: Tensor) -> Tensor:
    """relu(Σ_k mean(g_k − ½ (H·A)_k) A_k), with H the Hessian of the score by the activations.

    The weights are Shapley values of a game between places whose worth is the score's second-order expansion around A. After a
    head that is linear in pieces, as most are, H is zero and the map is Grad-CAM's.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).
        curvature: H·A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: Cai, CAMs as Shapley Value-based Explainers, The Visual Computer 2025.
    """
    return cam(activations, (gradients - curvature / 2).mean((2, 3))).relu()
