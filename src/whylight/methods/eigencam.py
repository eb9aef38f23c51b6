"""Eigen-CAM: what the activations have in common, whatever the class."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.registry import register


@register("eigencam", units="unit vector over places")
def eigencam(activations: Tensor) -> Tensor:
    """First right singular vector of A as a K × (h·w) matrix, with the sign that agrees with the mean activation.

    It does not depend on the target. Where A is zero everywhere there is no such vector, and the map is zero.

    Args:
        activations: A, (N, K, h, w).

    Returns:
        (N, h, w); the squares of each map sum to 1.

    Source: Muhammad and Yeasin, Eigen-CAM, IJCNN 2020.
    """
    n, k, h, w = activations.shape
    # Singular vectors are eigenvectors of the smaller of AᵀA and AAᵀ. In double precision, since squaring halves the digits;
    # Apple's MPS has none, so the processor does it there.
    matrix = activations.reshape(n, k, h * w)
    matrix = (matrix.cpu() if matrix.device.type == "mps" else matrix).double()
    transposed = matrix.transpose(1, 2)  # (N, h·w, K)
    if h * w <= k:
        first = torch.linalg.eigh(transposed @ matrix).eigenvectors[:, :, -1]  # (N, h·w), eigenvalues ascend
    else:
        first = (transposed @ torch.linalg.eigh(matrix @ transposed).eigenvectors[:, :, -1:]).squeeze(2)
        first = torch.nn.functional.normalize(first, dim=1)
    mean = matrix.mean(1)
    agreement = (first * mean).sum(1, keepdim=True)
    # Where the mean activation is silent on the sign, the map's own sum decides: never chance.
    sign = torch.where(
        agreement.abs() > 1e-12 * mean.norm(dim=1, keepdim=True), agreement, first.sum(1, keepdim=True)
    ).sign()
    blank = (matrix == 0).flatten(1).all(1, keepdim=True)
    signed = torch.where(blank, 0, first * torch.where(sign == 0, 1, sign))
    return signed.float().reshape(n, h, w).to(activations.device)
