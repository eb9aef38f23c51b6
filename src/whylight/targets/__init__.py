"""What to explain: a class by index or name, one class for each picture, a rank, a difference, or any function of the logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from whylight.errors import TargetError
from whylight.targets.kinds import Difference, Rank, Similarity, difference, rank, similarity, top
from whylight.targets.names import index_of
from whylight.targets.resolved import Resolved
from whylight.targets.text import parse

__all__ = [
    "Difference",
    "Rank",
    "Resolved",
    "Similarity",
    "Target",
    "difference",
    "parse",
    "rank",
    "resolve",
    "similarity",
    "top",
]

Target = int | str | Rank | Difference | Similarity | Callable[[Tensor], Tensor] | Sequence[int | str] | Tensor | None


def resolve(target: Target, classes: Sequence[str]) -> Resolved:
    """Make a target concrete.

    Args:
        target: a class by index or name; None for each picture's top class; what `rank`, `difference` or `similarity` made;
            a list, array or tensor (N,) with one class for each picture; or a function (N, C) logits → (N,) scores.
        classes: the model's classes.

    Raises:
        TargetError: if an index is out of range, a name is unknown or ambiguous, or it is nothing of these.

    >>> resolve("dog", ["cat", "dog"]).index
    1
    >>> resolve(["dog", 0], ["cat", "dog"]).each
    (1, 0)
    >>> resolve(difference("dog", "cat"), ["cat", "dog"]).name
    'dog rather than cat'
    """
    if target is None:
        return Resolved()
    if isinstance(target, Rank):
        if target.k >= len(classes):
            raise TargetError(
                f"rank {target.k}: this model has {len(classes)} classes, so ranks 0 to {len(classes) - 1}"
            )
        return Resolved(rank=target.k)
    if isinstance(target, Difference):
        return _difference(_class_of(target.a, classes), _class_of(target.b, classes), classes)
    if isinstance(target, Similarity):
        if len(target.reference) != len(classes):
            raise TargetError(
                f"similarity: the reference has {len(target.reference)} numbers, and the network's output has {len(classes)}"
            )
        return Resolved(function=target, name=target.name)
    if isinstance(target, (Tensor, np.ndarray)):
        return _from_array(target, classes)
    if isinstance(target, (list, tuple)):
        if not target:
            raise TargetError("target: expected one class for each picture, got an empty list")
        return Resolved(each=tuple(_class_of(one, classes) for one in target))
    if callable(target):
        return Resolved(function=target, name=getattr(target, "__name__", type(target).__name__).strip("<>"))
    return Resolved(index=_class_of(target, classes))


def _class_of(target: Any, classes: Sequence[str]) -> int:
    if isinstance(target, str):
        return index_of(target, classes)
    if isinstance(target, bool) or not isinstance(target, (int, np.integer)):
        raise TargetError(f"target {target!r}: expected a class index, a class name, a function of the logits, or None")
    if not 0 <= target < len(classes):
        raise TargetError(f"target {target}: this model has classes 0 to {len(classes) - 1}")
    return int(target)


def _from_array(target: Any, classes: Sequence[str]) -> Resolved:
    values = target.tolist()
    if target.ndim > 1 or not isinstance(values[0] if target.ndim and len(values) else values, (int, str)):
        raise TargetError(
            f"target: expected one class index for each picture, shape (N,); got {target.dtype} of shape {tuple(target.shape)}"
        )
    return resolve(values, classes)


def _difference(a: int, b: int, classes: Sequence[str]) -> Resolved:
    if a == b:
        raise TargetError(f"difference: both sides are class {a} ({classes[a]})")
    return Resolved(function=lambda logits: logits[:, a] - logits[:, b], name=f"{classes[a]} rather than {classes[b]}")
