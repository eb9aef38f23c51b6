"""FEM: where channels are unusually strong, whatever the class."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.parts.options import number
from whylight.methods.registry import register


@register("fem", units="activation")
def fem(activations: Tensor, *, sigmas: float = 2.0) -> Tensor:
    """Σ_k μ_k · [A_k > μ_k + sigmas · σ_k], with the mean μ_k and standard deviation σ_k of channel k over its places.

    It does not depend on the target.

    Args:
        activations: A, (N, K, h, w).
        sigmas: how many standard deviations above its mean a channel counts as strong.

    Returns:
        (N, h, w), signed only where a channel's mean is negative.

    Raises:
        MethodError: if an option is out of range.

    Source: Fuad et al., Features Understanding in 3D CNNs for Actions Recognition in Video, IPTA 2020.
    """
    sigmas = number("fem", "sigmas", sigmas)
    std, mean = torch.std_mean(activations, (2, 3), correction=0, keepdim=True)  # (N, K, 1, 1)
    return torch.where(activations > mean + sigmas * std, mean, 0).sum(1)
