"""Grad-CAM++: gradients weighted place by place, so that several instances of a class all count."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.registry import register


@register("gradcam++", units="logit", signed=False)
def gradcam_plusplus(activations: Tensor, gradients: Tensor) -> Tensor:
    """α = g² / (2g² + ΣA·g³) elementwise, 0 where the denominator is 0; relu(Σ_k (Σ α·relu(g_k)) A_k).

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: Chattopadhay et al., Grad-CAM++, WACV 2018, eq. 19, with the exponential of the score as its smooth function.
    """
    # α is a ratio of powers of g, and g may be as small as 1e-20 in a deep head: dividing both sides by g² first keeps every
    # term in the range of float32. α = 1 / (2 + ΣA·g), for g ≠ 0.
    denominator = 2 + activations.sum((2, 3), keepdim=True) * gradients  # (N, K, h, w)
    alpha = torch.where((gradients == 0) | (denominator == 0), 0, 1 / denominator)
    return cam(activations, (alpha * gradients.relu()).sum((2, 3))).relu()
