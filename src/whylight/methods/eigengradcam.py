"""Eigen-Grad-CAM: what the evidence for the target has in common across channels."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.parts.principal import first
from whylight.methods.registry import register


@register("eigengradcam", units="unit vector over places", signed=True)
def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """First right singular vector of g ⊙ A as a K × (h·w) matrix, with the sign that agrees with Σ_k g_k ⊙ A_k.

    Eigen-CAM of the evidence, so it depends on the target. Where g ⊙ A is zero everywhere the map is zero.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w); the squares of each map sum to 1.

    Source: the pytorch-grad-cam project (EigenGradCAM), after Muhammad and Yeasin, Eigen-CAM, IJCNN 2020. It has no paper.
    """
    n, _, h, w = activations.shape
    return first((gradients * activations).flatten(2)).reshape(n, h, w)
