"""The leading right singular vectors of activations, with signs that do not flip."""

from __future__ import annotations

import torch
from torch import Tensor

# Below this share of what it could be, a sum says nothing about a sign: networks compute in float32, and where a norm layer makes
# channels cancel, their mean is rounding alone, which differs from machine to machine.
SILENT = 1e-4


def first(matrix: Tensor) -> Tensor:
    """First right singular vector of each K × P matrix, its sign agreeing with the mean row.

    Args:
        matrix: (N, K, P): rows are channels, columns are places.

    Returns:
        (N, P), of unit length; zero where the matrix is zero.
    """
    return leading(matrix, 1).squeeze(1)


def leading(matrix: Tensor, rank: int) -> Tensor:
    """The `rank` leading right singular vectors of each K × P matrix, strongest first.

    Args:
        matrix: (N, K, P): rows are channels, columns are places.
        rank: how many vectors.

    Returns:
        (N, rank, P) float32: orthonormal rows, each with the sign that agrees with the mean row of the matrix. Rows beyond the
        matrix's own rank are zero. Those of a matrix with NaN or infinity are NaN.
    """
    _, k, p = matrix.shape
    kept = min(rank, k, p)
    # Singular vectors are eigenvectors of the smaller of MᵀM and MMᵀ. In double precision, since squaring halves the digits;
    # Apple's MPS has none, so the processor does it there.
    m = (matrix.cpu() if matrix.device.type == "mps" else matrix).double()
    transposed = m.transpose(1, 2)  # (N, P, K)
    if p <= k:
        values, vectors = eigh(transposed @ m)  # (N, P), (N, P, P): eigenvalues ascend
        vectors = vectors[:, :, -kept:].flip(2)  # (N, P, kept)
    else:
        values, left = eigh(m @ transposed)  # (N, K), (N, K, K)
        vectors = transposed @ left[:, :, -kept:].flip(2)  # (N, P, kept), each as long as its singular value
        if kept > 1:  # rounding costs the weak ones their right angles
            vectors = torch.linalg.qr(vectors).Q
        vectors = torch.nn.functional.normalize(vectors, dim=1)
    vectors, values = vectors.transpose(1, 2), values[:, -kept:].flip(1)  # (N, kept, P), (N, kept)
    # Squared singular values that rounding alone explains belong to no vector.
    real = values > values[:, :1] * max(k, p) * torch.finfo(torch.float64).eps
    vectors = torch.where(real.unsqueeze(2), with_sign(vectors, m.mean(1), m.square().mean(1).sum(1).sqrt()), 0)
    vectors = torch.where(values[:, :1].isnan().unsqueeze(2), torch.nan, vectors)
    vectors = torch.nn.functional.pad(vectors, (0, 0, 0, rank - kept))
    return vectors.float().to(matrix.device)


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (N, P), ascending, and eigenvectors (N, P, P) of symmetric matrices; NaN for one that is not finite.

    One of a batch must not fail the others.
    """
    sick = ~matrix.isfinite().flatten(1).all(1)
    values, vectors = torch.linalg.eigh(torch.where(sick.reshape(-1, 1, 1), 0, matrix))
    return torch.where(sick.unsqueeze(1), torch.nan, values), vectors


def with_sign(vectors: Tensor, reference: Tensor, size: Tensor | None = None) -> Tensor:
    """Turn each unit vector so that it agrees with a reference; where that is silent its own sum decides, then its cubes.

    Args:
        vectors: (N, r, P), float64.
        reference: (N, P), float64: a mean over rows.
        size: (N,), how long that mean would be if the rows were alike; None: as long as it is.

    Returns:
        (N, r, P).
    """
    agreement = vectors @ reference.unsqueeze(2)  # (N, r, 1)
    size = reference.norm(dim=1) if size is None else size
    total = vectors.sum(2, keepdim=True)
    heard = total.abs() > SILENT * vectors.shape[2] ** 0.5
    own = torch.where(heard, total, vectors.pow(3).sum(2, keepdim=True))
    sign = torch.where(agreement.abs() > SILENT * size.reshape(-1, 1, 1), agreement, own).sign()
    return vectors * torch.where(sign == 0, 1, sign)
