"""CAM: class activation mapping."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.registry import register


@register("cam", units="logit × places", signed=True)
def cam(activations: Tensor, class_weights: Tensor) -> Tensor:
    """Σ_k w_k A_k, signed: each place's share of the class logit, before the average over places is taken.

    Only for a head of global average pooling and one linear layer, where mean(map) = logit − bias holds exactly.

    Args:
        activations: A, (N, K, h, w).
        class_weights: w, (N, K).

    Returns:
        (N, h, w).

    Source: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
    """
    # A batched matrix-vector product: it never writes the (N, K, h, w) product out.
    n, k, h, w = activations.shape
    return (class_weights.unsqueeze(1) @ activations.reshape(n, k, h * w)).reshape(n, h, w)
