"""HiResCAM: gradients times activations, place by place."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.registry import register


@register("hirescam", units="logit", signed=True)
def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Σ_k g_k ⊙ A_k, signed. On a head of pooling and one linear layer its sum is the logit minus the bias.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w).

    Source: Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations, 2020.
    """
    return torch.einsum("nkhw,nkhw->nhw", gradients, activations)
