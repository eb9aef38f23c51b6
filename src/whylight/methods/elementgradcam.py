"""Element-wise Grad-CAM: only what speaks for the target, in every channel and place."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.registry import register


@register("elementgradcam", units="logit", signed=False)
def elementgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k relu(g_k ⊙ A_k): evidence against the target in one channel does not cancel evidence for it in another.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: the pytorch-grad-cam project (GradCAMElementWise). It has no paper; where A ≥ 0 it equals LayerCAM.
    """
    return (gradients * activations).relu().sum(1)
