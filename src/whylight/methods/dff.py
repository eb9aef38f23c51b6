"""Deep feature factorisation: the few concepts that the activations are made of, and where each is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from whylight.methods.parts.options import number, whole
from whylight.methods.parts.principal import leading
from whylight.methods.registry import Maps, register

NAME = "dff"


@register("dff", units="activation", signed=False)
def dff(
    activations: Tensor, gradients: Tensor, *, concepts: int = 5, iterations: int = 200, tolerance: float = 1e-4
) -> Maps:
    """Map W_r of the concept r that adds most to the score: relu(A) ≈ Σ_r W_r H_r, and r has the largest Σ g ⊙ (W_r H_r).

    Args:
        activations: A, (N, K, h, w).
        gradients: g = ∂s/∂A, (N, K, h, w).
        concepts: how many concepts, and further options as for `factorise`.

    Returns:
        (N, h, w), nowhere negative. Details: the chosen concept, what each concept adds to the score to first order, the share
        of the activations that the concepts leave unexplained, and the sweeps it took.

    Raises:
        MethodError: if an option is out of range.

    Source: Collins et al., Deep Feature Factorization for Concept Discovery, ECCV 2018.
    """
    maps, directions, details = factorise(activations, concepts, iterations=iterations, tolerance=tolerance)
    # (N, r): Σ over places and channels of g_kp W_rp H_rk.
    adds = torch.einsum("nkhw,nrhw,nrk->nr", gradients, maps, directions)
    best = adds.argmax(1)  # (N,)
    for detail, number_, row in zip(details, best.tolist(), adds.tolist(), strict=True):
        detail |= {"concept": number_, "contributions": row}
    return Maps(maps[torch.arange(len(maps), device=maps.device), best], details)


def factorise(
    activations: Tensor, concepts: int, *, iterations: int = 200, tolerance: float = 1e-4, shared: bool = False
) -> tuple[Tensor, Tensor, list[dict[str, Any]]]:
    """Non-negative W (h·w × r) and H (r × K) that make |relu(A)ᵀ − W H|² small, for each picture, or for all together.

    Alternating exact minimisation over one concept at a time, which never makes the error larger, from a start that depends on
    A alone; it stops when a sweep improves the error by less than `tolerance` of itself. Where a sweep improves it by just about
    that much, rounding decides whether it is the last: two machines may be a sweep apart, as a rule less than a percent of a map.

    Args:
        activations: A, (N, K, h, w).
        concepts: r.
        iterations: sweeps at most.
        tolerance: see above.
        shared: one H for all pictures, so that concept 1 is the same thing in each; otherwise each has its own.

    Returns:
        maps W (N, r, h, w) in units of activation, strongest concept first; directions H (N, r, K) of unit length; and for each
        picture its "unexplained" share |relu(A)ᵀ − W H| / |relu(A)|, and "sweeps". Concepts with nothing left for them are zero.

    Raises:
        MethodError: if an option is out of range.

    Source: the factorisation is Collins et al., ECCV 2018; its updates are Cichocki and Phan, 2009 (HALS); its start is
    Boutsidis and Gallopoulos, 2008 (NNDSVD).
    """
    concepts, iterations = whole(NAME, "concepts", concepts), whole(NAME, "iterations", iterations)
    tolerance = number(NAME, "tolerance", tolerance)
    n, _, h, w = activations.shape
    rows = activations.detach().float().relu().flatten(2).transpose(1, 2)  # (N, h·w, K)
    found = [_factorise(v, concepts, iterations, tolerance) for v in ([rows.flatten(0, 1)] if shared else rows)]
    join = torch.cat if shared else torch.stack
    maps = join([m for m, _, _ in found], 1).reshape(concepts, n, h, w)
    maps = maps.transpose(0, 1)  # (N, r, h, w)
    directions = torch.stack([d for _, d, _ in found]).expand(n, -1, -1)  # (N, r, K)
    left = (rows - maps.flatten(2).transpose(1, 2) @ directions).flatten(1).norm(dim=1)  # (N,)
    size = rows.flatten(1).norm(dim=1)
    unexplained = torch.where(size == 0, 0, left / size).tolist()
    sweeps = [s for _, _, s in found] * (n if shared else 1)
    return maps, directions, [{"unexplained": u, "sweeps": s} for u, s in zip(unexplained, sweeps, strict=True)]


def _factorise(v: Tensor, concepts: int, iterations: int, tolerance: float) -> tuple[Tensor, Tensor, int]:
    """v (P, K) ≈ wᵀ h: w (r, P), h (r, K) with rows of unit length, strongest first; and the sweeps it took."""
    w, h = _start(v, concepts)
    size, before = float(v.square().sum()), torch.inf
    sweep = 0
    while sweep < iterations:
        sweep += 1
        w = _improve(w, h @ h.T, h @ v.T)
        grams, products = w @ w.T, w @ v  # (r, r), (r, K)
        h = _improve(h, grams, products)
        # |v − wᵀh|², from what is at hand.
        error = max(size - 2 * float((products * h).sum()) + float((grams * (h @ h.T)).sum()), 0.0)
        if before - error <= tolerance * error:
            break
        before = error
    length = h.norm(dim=1, keepdim=True)
    w, h = w * length, torch.where(length == 0, 0, h / length)
    order = w.norm(dim=1).argsort(descending=True, stable=True)
    return w[order], h[order], sweep


def _improve(rows: Tensor, grams: Tensor, products: Tensor) -> Tensor:
    """Each row of `rows` (r, D) in turn becomes the best one ≥ 0, given the others.

    Args:
        rows: the factor to improve.
        grams: (r, r), inner products of the other factor's rows.
        products: (r, D), inner products of the other factor's rows with the data.
    """
    # Row j is relu((products_j − Σ_{i≠j} grams_ji rows_i) / grams_jj), 0 where the other factor has nothing in row j.
    own = grams.diagonal().unsqueeze(1)  # (r, 1)
    wanted = torch.where(own == 0, 0, products / own)  # (r, D)
    taken = torch.where(own == 0, 0, -grams / own).fill_diagonal_(0)  # (r, r)
    rows = rows.clone()
    for j in range(len(rows)):
        rows[j] = torch.addmv(wanted[j], rows.T, taken[j]).relu_()
    return rows


def _start(v: Tensor, concepts: int) -> tuple[Tensor, Tensor]:
    """w (r, P) and h (r, K) from the singular vectors of v (P, K), each cut to the stronger of its positive and negative part."""
    right = leading(v.unsqueeze(0), concepts)[0]  # (r, K), zero beyond the rank of v
    left = right @ v.T  # (r, P), as long as the singular values
    positive, negative = (
        left.relu().norm(dim=1) * right.relu().norm(dim=1),
        (-left).relu().norm(dim=1) * (-right).relu().norm(dim=1),
    )
    sign = torch.where(positive >= negative, 1.0, -1.0).unsqueeze(1)
    return (sign * left).relu(), torch.nn.functional.normalize((sign * right).relu(), dim=1)
