"""RISE as it is commonly written: every mask in memory, a hundred at a time, float32, softmax."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

BATCH = 100


def masks(count: int, side: int = 224, cells: int = 7, keep: float = 0.5) -> Tensor:
    """Random masks (count, 1, side, side): grids of zeros and ones, enlarged and cut at random."""
    dice = np.random.default_rng(0)
    cell = -(-side // cells)
    made = np.empty((count, 1, side, side), np.float32)
    for i in range(count):
        grid = (dice.random((cells, cells)) < keep).astype(np.float32)
        whole = cv2.resize(grid, ((cells + 1) * cell,) * 2, interpolation=cv2.INTER_LINEAR)
        y, x = dice.integers(0, cell, 2)
        made[i, 0] = whole[y : y + side, x : x + side]
    return torch.from_numpy(made)


def explain(module: nn.Module, x: Tensor, drawn: Tensor, target: int, keep: float = 0.5) -> Tensor:
    """The map (side, side) of one picture (1, 3, side, side) from masks (count, 1, side, side)."""
    with torch.no_grad():
        scores = [module(x * drawn[i : i + BATCH]).softmax(1)[:, target] for i in range(0, len(drawn), BATCH)]
    weighed = torch.cat(scores) @ drawn.reshape(len(drawn), -1)
    return (weighed / len(drawn) / keep).reshape(x.shape[2:])
