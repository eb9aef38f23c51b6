"""KPCA-CAM: the first principal component of the places in a kernel's space."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.parts.options import choice, number
from whylight.methods.parts.principal import eigh, with_sign
from whylight.methods.registry import register

NAME = "kpcacam"


@register("kpcacam", units="kernel units", signed=True)
def kpcacam(activations: Tensor, *, kernel: str = "sigmoid", gamma: float | None = None) -> Tensor:
    """√λ·u: the coordinate of each place along the first kernel principal component of the activations.

    Places are vectors x_p of K numbers, less their mean. λ and u are the first eigenvalue and eigenvector of the centred kernel
    matrix C κ(x_p, x_q) C, with C = I − 1/(h·w). The sign agrees with the mean activation. It does not depend on the target.
    Where all places are alike the map is zero.

    Args:
        activations: A, (N, K, h, w).
        kernel: κ: "sigmoid", tanh(γ x·y + 1); "rbf", exp(−γ |x − y|²); or "linear", x·y.
        gamma: γ; None is 1/K.

    Returns:
        (N, h, w); each map sums to 0.

    Raises:
        MethodError: if an option is out of range.

    Source: Karmani et al., KPCA-CAM, MMSP 2024.
    """
    choice(NAME, "kernel", kernel, ("sigmoid", "rbf", "linear"))
    n, k, h, w = activations.shape
    g = 1 / k if gamma is None else number(NAME, "gamma", gamma)
    # In double precision, which Apple's MPS does not have.
    a = activations.cpu() if activations.device.type == "mps" else activations
    x = a.double().flatten(2).transpose(1, 2)  # (N, P, K)
    x = x - x.mean(1, keepdim=True)
    products = x @ x.transpose(1, 2)  # (N, P, P), and so below
    if kernel == "linear":
        values = products
    elif kernel == "sigmoid":
        values = (g * products + 1).tanh()
    else:
        squares = products.diagonal(dim1=1, dim2=2)  # (N, P)
        values = (-g * (squares.unsqueeze(1) + squares.unsqueeze(2) - 2 * products)).exp()
    centred = values - values.mean(1, keepdim=True) - values.mean(2, keepdim=True) + values.mean((1, 2), keepdim=True)
    eigenvalues, vectors = eigh(centred)  # ascending
    strength = eigenvalues[:, -1]  # (N,). The sigmoid is no true kernel: its eigenvalues may be negative, too
    noise = 10 * h * w * torch.finfo(torch.float64).eps * values.abs().amax((1, 2))
    size = torch.where(strength <= noise, 0, strength).sqrt().unsqueeze(1)  # NaN stays NaN
    first = with_sign(vectors[:, :, -1:].transpose(1, 2), x.mean(2), x.square().mean(2).sum(1).sqrt()).squeeze(
        1
    )  # (N, P)
    return (size * first).float().reshape(n, h, w).to(activations.device)
