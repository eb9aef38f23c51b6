"""Maps that know nothing of the picture: what any figure must be read beside."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

BLOB, RANDOM = "centred blob", "random 7 × 7 map"
BASELINES = (BLOB, RANDOM)
CELLS = 7  # of the random map, a side: those of the last layer of most classifiers at 224 pixels
WIDTH = 0.25  # of the blob: its standard deviation, in shares of each side


def blob(size: tuple[int, int]) -> Tensor:
    """A hill in the middle of the picture, (h, w) float32 in (0, 1]: photographers put their subject there.

    A Gaussian of the distance to the centre, in shares of the sides: its level lines are ellipses of the picture's own shape.
    """
    down, across = (torch.exp(-0.5 * (((torch.arange(n) + 0.5) / n - 0.5) / WIDTH) ** 2) for n in size)
    return torch.outer(down, across)


def random_map(picture: str, seed: int = 0, cells: int = CELLS) -> Tensor:
    """A map of random cells, (cells, cells) float32, uniform in [0, 1); enlarged bilinearly, as blocky as an activation map.

    Args:
        picture: its name: each has a map of its own, and always the same.
        seed: decides the maps of all pictures together.
        cells: along each side.
    """
    number = int.from_bytes(hashlib.sha256(f"{seed}/{picture}".encode(errors="surrogateescape")).digest()[:7])
    return torch.rand((cells, cells), generator=torch.Generator().manual_seed(number))


def baseline(name: str, picture: str, size: tuple[int, int], seed: int = 0) -> Tensor:
    """The map of a baseline by its name: (h, w); the blob's is of the given size."""
    return blob(size) if name == BLOB else random_map(picture, seed)
