"""LayerCAM: positive gradients times activations, place by place; sharp on shallow layers too."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.hirescam import hirescam
from whylight.methods.registry import register


@register("layercam", units="logit", signed=False)
def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """relu(Σ_k relu(g_k) ⊙ A_k).

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).

    Returns:
        (N, h, w), nowhere negative.

    Source: Jiang et al., LayerCAM, IEEE TIP 2021.
    """
    return hirescam(activations, gradients.relu()).relu()
