"""What to explain: a class by index or name, the top class, or any function of the logits."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whylight.errors import TargetError

Target = int | str | Callable[[Tensor], Tensor] | None


@dataclass(frozen=True)
class Resolved:
    """A target made concrete.

    Args:
        index: class index, or None for the top class of each picture or for a function.
        function: (N, C) logits → (N,) scores, or None for a class.
        name: a function's name, for labels and file names.
    """

    index: int | None = None
    function: Callable[[Tensor], Tensor] | None = None
    name: str = ""

    def indices(self, logits: Tensor) -> Tensor | None:
        """The class index of each picture (N,), or None for a function."""
        if self.function is not None:
            return None
        if self.index is not None:
            return torch.full((len(logits),), self.index, device=logits.device)
        return logits.argmax(1)

    def scores(self, logits: Tensor) -> Tensor:
        """The score s of each picture (N,), differentiable in the logits."""
        indices = self.indices(logits)
        if indices is not None:
            return logits.gather(1, indices.unsqueeze(1)).squeeze(1)
        assert self.function is not None
        scores = self.function(logits)
        if not isinstance(scores, Tensor) or scores.shape != logits.shape[:1]:
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise TargetError(
                f"target {self.name}: the function got logits of shape {tuple(logits.shape)} and must return one score for each "
                f"picture, shape ({len(logits)},); it returned {got}. For example: lambda logits: logits[:, 3] - logits[:, 5]"
            )
        return scores


def resolve(target: Target, classes: Sequence[str]) -> Resolved:
    """Make a target concrete.

    Raises:
        TargetError: if the index is out of range, or the name is unknown or ambiguous.

    >>> resolve("dog", ["cat", "dog"]).index
    1
    """
    if target is None:
        return Resolved()
    if isinstance(target, bool) or not (isinstance(target, (int, str)) or callable(target)):
        raise TargetError(f"target {target!r}: expected a class index, a class name, a function of the logits, or None")
    if callable(target):
        return Resolved(function=target, name=getattr(target, "__name__", type(target).__name__).strip("<>"))
    if isinstance(target, int):
        if not 0 <= target < len(classes):
            raise TargetError(f"target {target}: this model has classes 0 to {len(classes) - 1}")
        return Resolved(index=target)
    return Resolved(index=_index_of(target, classes))


def _index_of(label: str, classes: Sequence[str]) -> int:
    exact = [i for i, name in enumerate(classes) if name == label]
    wanted = label.casefold().strip()
    # Class lists give synonyms behind a comma ("tabby, tabby cat"): each of them names the class.
    matches = exact or [
        i for i, name in enumerate(classes) if wanted in (part.strip() for part in name.casefold().split(","))
    ]
    matches = matches or [i for i, name in enumerate(classes) if name.casefold() == wanted]
    if len(matches) == 1:
        return matches[0]
    if matches:
        places = ", ".join(f"{i} ({classes[i]})" for i in matches)
        raise TargetError(f"target {label!r} names several classes: {places}. Give the index")
    if label.isascii() and label.isdigit():  # an index that came as text, from a command line say
        return int(label) if int(label) < len(classes) else _unknown(label, classes)
    return _unknown(label, classes)


def _unknown(label: str, classes: Sequence[str]) -> int:
    parts = {part.strip(): name for name in classes for part in (name.casefold(), *name.casefold().split(","))}
    near = dict.fromkeys(parts[p] for p in difflib.get_close_matches(label.casefold(), parts, n=3, cutoff=0.5))
    hint = (
        f"Near it: {', '.join(near)}"
        if near
        else f"It has {len(classes)}: {', '.join(classes[:8])}{', …' * (len(classes) > 8)}"
    )
    raise TargetError(f"target {label!r} is no class of this model. {hint}")
