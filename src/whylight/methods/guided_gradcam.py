"""Guided Grad-CAM: guided backpropagation where Grad-CAM looks."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from whylight.methods.gradcam import gradcam
from whylight.methods.registry import Covering, register, same


@register("guided-gradcam", units="logit² per input unit", scale="robust", signed=True)
def guided_gradcam(
    activations: Tensor, gradients: Tensor, guided_gradients: Tensor, covering: Covering = same
) -> Tensor:
    """Σ over colours of guided ⊙ ↑relu(Σ_k mean(g_k) A_k), signed, with ↑ bilinear and half-pixel centres.

    Guided backpropagation shows the picture's edges for nearly any class; only the factor from Grad-CAM tells classes apart.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).
        guided_gradients: ∂s/∂x with negative gradients stopped at every rectifier, (N, 3, H, W).
        covering: lays a map on the grid over the whole input.

    Returns:
        (N, H, W).

    Source: Selvaraju et al., Grad-CAM, ICCV 2017; Springenberg et al., Striving for Simplicity, 2015.
    """
    coarse = covering(gradcam(activations, gradients)).unsqueeze(1)  # (N, 1, h, w)
    fine = interpolate(coarse, guided_gradients.shape[2:], mode="bilinear", align_corners=False)
    return guided_gradients.sum(1) * fine.squeeze(1)
