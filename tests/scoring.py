"""A stand-in for a model's scores, written out: one input at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class PlainScore:
    """Scores of inputs by a function of one input (3, H, W) and its picture's number; asks for `chunk` inputs at a time."""

    def __init__(self, function: Callable[[Tensor, int], float], chunk: int = 5) -> None:
        self.function, self.chunk = function, chunk
        self.ran = 0

    def __call__(self, of: Tensor, make: Callable[[range], Tensor]) -> Tensor:
        found = []
        for first in range(0, len(of), self.chunk):
            indices = range(first, min(first + self.chunk, len(of)))
            inputs = make(indices)
            assert inputs.ndim == 4
            assert len(inputs) == len(indices)
            found += [float(self.function(one, int(of[i]))) for one, i in zip(inputs, indices, strict=True)]
        self.ran += len(of)
        return torch.tensor(found)


def weighted(weights: Tensor) -> Callable[[Tensor, int], float]:
    """A linear score: Σ w·x over one input; weights (N, 3, H, W), one set for each picture."""
    return lambda x, picture: float((x * weights[picture]).sum())
