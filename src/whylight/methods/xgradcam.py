"""XGrad-CAM: channel weights that satisfy sensitivity and conservation as far as they can."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.registry import register


@register("xgradcam", units="logit", signed=False)
def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """relu(Σ_k w_k A_k) with w_k = Σ(g_k·A_k) / ΣA_k, 0 where a channel sums to 0.

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: Fu et al., Axiom-based Grad-CAM, BMVC 2020.
    """
    total = activations.sum((2, 3))  # (N, K)
    weights = torch.where(total == 0, 0, torch.einsum("nkhw,nkhw->nk", gradients, activations) / total)
    return cam(activations, weights).relu()
