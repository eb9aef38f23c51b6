"""A target made concrete for one model: what the engine scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from whylight.errors import TargetError


@dataclass(frozen=True)
class Resolved:
    """A target made concrete.

    Args:
        index: class index, or None where the pictures decide it, each has its own, or the target is a function.
        function: (N, C) logits → (N,) scores, or None for a class.
        name: a function's name, for labels and file names.
        rank: where the pictures decide: which of their classes by probability, 0 being the first.
        each: the class index of each picture, in the order of the pictures, where each has its own.
    """

    index: int | None = None
    function: Callable[[Tensor], Tensor] | None = None
    name: str = ""
    rank: int = 0
    each: tuple[int, ...] | None = None

    def indices(self, logits: Tensor) -> Tensor | None:
        """The class index of each picture (N,) int64, or None for a function.

        Raises:
            TargetError: if each picture has its own class, and there are more or fewer pictures than classes.
        """
        if self.function is not None:
            return None
        if self.each is not None:
            self.check(len(logits))
            return torch.tensor(self.each, device=logits.device)
        if self.index is not None:
            return torch.full((len(logits),), self.index, device=logits.device)
        if self.rank:
            return logits.argsort(dim=1, descending=True, stable=True)[:, self.rank]
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

    def take(self, pictures: slice | Sequence[int]) -> Resolved:
        """The same target for some of the pictures, by their places in the list: for batches.

        Raises:
            TargetError: if a place lies behind the last class that was given.
        """
        if self.each is None:
            return self
        places = range(len(self.each))[pictures] if isinstance(pictures, slice) else pictures
        if isinstance(pictures, slice) and pictures.stop is not None and pictures.stop > len(self.each):
            self.check(pictures.stop)
        if any(place >= len(self.each) for place in places):
            self.check(max(places) + 1)
        return replace(self, each=tuple(self.each[place] for place in places))

    def check(self, pictures: int) -> None:
        """See whether the target is for this number of pictures: one class for each, or one for all.

        Raises:
            TargetError: naming both numbers.
        """
        if self.each is not None and len(self.each) != pictures:
            raise TargetError(
                f"target: {len(self.each)} classes for {pictures} pictures; give one class for each picture, or one for all. "
                "Several targets for every picture are given as targets=[…]"
            )
