"""Eigen-CAM: what the activations have in common, whatever the class."""

from __future__ import annotations

from torch import Tensor

from whylight.methods.parts.principal import first
from whylight.methods.registry import register


@register("eigencam", units="unit vector over places", signed=True)
def eigencam(activations: Tensor) -> Tensor:
    """First right singular vector of A as a K × (h·w) matrix, with the sign that agrees with the mean activation.

    It does not depend on the target. Where A is zero everywhere there is no such vector, and the map is zero.

    Args:
        activations: A, (N, K, h, w).

    Returns:
        (N, h, w); the squares of each map sum to 1.

    Source: Muhammad and Yeasin, Eigen-CAM, IJCNN 2020.
    """
    n, _, h, w = activations.shape
    return first(activations.flatten(2)).reshape(n, h, w)
