"""Targets that are more than a class: a rank, one class rather than another, closeness to a reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whylight.errors import TargetError


@dataclass(frozen=True)
class Rank:
    """The k-th most probable class of each picture, counted from 0. Made by `rank`."""

    k: int

    def __str__(self) -> str:
        return f"rank{self.k}"


@dataclass(frozen=True)
class Difference:
    """One class rather than another. Made by `difference`."""

    a: int | str
    b: int | str

    def __str__(self) -> str:
        return f"{self.a} >> {self.b}"


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike the network's output is to a reference. Made by `similarity`."""

    reference: Tensor  # (C,)
    name: str

    def __call__(self, logits: Tensor) -> Tensor:
        """cos(z, r) of each picture's output z, (N, C) → (N,) float32; 0 where z is zero."""
        reference = self.reference.to(logits.device)
        return torch.nn.functional.cosine_similarity(logits.float(), reference.unsqueeze(0), dim=1, eps=1e-12)


def rank(k: int) -> Rank:
    """Target the k-th most probable class of each picture; 0 is the most probable, as target=None is.

    Raises:
        TargetError: if k is negative; and, once the model is known, if it has no so many classes.

    >>> rank(1)
    Rank(k=1)
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise TargetError(f"rank: expected 0 for the most probable class, 1 for the next, …; got {k!r}")
    return Rank(k)


def top(k: int) -> list[Rank]:
    """The k most probable classes of each picture, for `targets=`.

    >>> top(3)
    [Rank(k=0), Rank(k=1), Rank(k=2)]
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise TargetError(f"top: expected how many classes, at least 1; got {k!r}")
    return [rank(i) for i in range(k)]


def difference(a: int | str, b: int | str) -> Difference:
    """Target s_a − s_b, what speaks for class `a` rather than for class `b`; by index or name.

    Softmax turns this difference into the odds of `a` against `b`, whatever the other classes' scores are.

    Raises:
        TargetError: once the model is known: if one is no class of it, or both are the same.

    >>> difference("tabby", "tiger cat")
    Difference(a='tabby', b='tiger cat')
    """
    return Difference(a, b)


def similarity(reference: Tensor, name: str = "similarity to the reference") -> Similarity:
    """Target cos(z, r), the cosine of the angle between the network's output z and a reference embedding r.

    For networks that return an embedding, of a face say: where is the picture like that one?

    Args:
        reference: r, (C,) or (1, C), such as `model.logits(x)` of another picture gives.
        name: what to call it in labels.

    Raises:
        TargetError: if it is not one finite vector other than zero; and, once the model is known, if its length is another.

    >>> similarity(torch.tensor([0.0, 2.0]))(torch.tensor([[1.0, 0.0], [0.0, 3.0]])).tolist()
    [0.0, 1.0]
    """
    if not isinstance(reference, Tensor):
        raise TargetError(f"similarity: expected the reference as a tensor (C,), got {type(reference).__name__}")
    vector = reference.detach().float()
    vector = vector[0] if vector.ndim == 2 and len(vector) == 1 else vector
    if vector.ndim != 1:
        raise TargetError(
            f"similarity: expected one reference, shape (C,) or (1, C), got {tuple(reference.shape)}; "
            "give several as several targets"
        )
    if not vector.isfinite().all() or not vector.any():
        raise TargetError("similarity: the reference must be finite and not all zero, or it has no direction")
    with torch.inference_mode(False):
        return Similarity(vector.clone(), name)
