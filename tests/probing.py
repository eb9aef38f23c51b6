"""A stand-in for the engine's probe, written out: one input at a time or in chunks, on a tiny network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


class PlainProbe:
    """Scores (M,) of inputs (M, 3, H, W) by a function, in chunks of a given length; counts what it ran.

    Args:
        score: inputs of one picture → scores. For `after="probability"` its sigmoid is taken.
        chunk: how many at a time.
    """

    def __init__(self, score: Callable[[Tensor, int], Tensor], chunk: int = 5) -> None:
        self.score, self.chunk = score, chunk
        self.ran = 0

    def __call__(
        self,
        picture: int,
        count: int,
        make: Callable[[range], Tensor],
        *,
        after: Literal["logit", "probability"] = "logit",
    ) -> Iterator[tuple[range, Tensor]]:
        for first in range(0, count, self.chunk):
            indices = range(first, min(first + self.chunk, count))
            inputs = make(indices)
            assert inputs.shape[0] == len(indices)
            scores = self.score(inputs, picture)
            self.ran += len(indices)
            yield indices, (scores if after == "logit" else scores.sigmoid()).float()


def quadratic(seed: int, height: int, width: int) -> Callable[[Tensor, int], Tensor]:
    """A score that is not linear in the input: a weighted sum plus the square of another."""
    dice = torch.Generator().manual_seed(seed)
    one, two = torch.randn((2, 3, height, width), generator=dice) / (height * width) ** 0.5
    return lambda x, picture: (x * one).sum((1, 2, 3)) + (x * two).sum((1, 2, 3)) ** 2 + picture
