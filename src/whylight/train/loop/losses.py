"""Cross-entropy on the picture, and the local loss that teaches where the evidence lies from labels alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

HARDEST = 0.1  # share of all cells: the worst of those that must be silent count as much as all of them
NEEDED = 0.15  # share of the cells where a label may hold that must show it


def local_loss(cells: Tensor, label: Tensor, where: Tensor, background: int) -> Tensor:
    """Ask each cell of the last grid for what the labels imply about it.

    In a picture of the background class nothing else is anywhere, so every cell must say background; so must the ground
    around something pasted on such a picture. In other pictures some cells must show the label: the best `NEEDED` of those
    where it may hold (multiple-instance learning; Dietterich, Lathrop, Lozano-Pérez 1997).

    Args:
        cells: the classifier read at each cell, (N, C, h, w): W·A_ij + b. Their mean over places is the picture's logits.
        label: (N,) class numbers.
        where: (N, H, W), 1 where the label may hold, 0 where the picture is known to be background.
        background: number of the background class.

    Returns:
        A scalar, in nats.
    """
    h, w = cells.shape[2:]
    others = [c for c in range(cells.shape[1]) if c != background]
    # How much each cell speaks for its picture's class against the background: log-odds, (N, h·w).
    any_other = cells[:, others].logsumexp(1).flatten(1) - cells[:, background].flatten(1)
    own = (cells.gather(1, label.view(-1, 1, 1, 1).expand(-1, 1, h, w))[:, 0] - cells[:, background]).flatten(1)

    touched = F.adaptive_max_pool2d(where[:, None], (h, w)).flatten(1) > 0.5
    inside = F.adaptive_avg_pool2d(where[:, None], (h, w)).flatten(1) > 0.5
    inside = torch.where(inside.any(1, keepdim=True), inside, touched)

    silent = F.softplus(any_other) * ~touched
    mean = silent.sum(1) / (~touched).sum(1).clamp(min=1)
    hardest = silent.topk(max(1, int(HARDEST * h * w)), dim=1).values.mean(1)
    loss = (mean + hardest) / 2

    count = (inside.sum(1) * NEEDED).long().clamp(min=1)
    best = own.masked_fill(~inside, -1e4).topk(int(count.max()), dim=1).values
    chosen = torch.arange(best.shape[1], device=best.device) < count[:, None]
    shown = (F.softplus(-best) * chosen).sum(1) / count
    return (loss + torch.where((label != background) & inside.any(1), shown, 0.0)).mean()


def class_weights(counts: list[int]) -> Tensor:
    """Weights that make each class count the same in the loss: n / (C · n_c)."""
    n = torch.tensor(counts, dtype=torch.float32)
    return n.sum() / (len(counts) * n)
