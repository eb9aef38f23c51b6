"""How alike two maps are: rank correlation and structural similarity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_WINDOW = 7  # pixels a side, all of the same weight, as in scikit-image's default
_C1, _C2 = 0.01**2, 0.03**2


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Rank correlation of maps (M, h, w) and (M, h, w): (M,) in [-1, 1]; equal values share their mean rank.

    0 where a map is constant: it orders nothing.
    """
    first, second = (_centred(one) for one in (a, b))  # (M, P) float64
    size = (first.square().sum(1) * second.square().sum(1)).sqrt()
    return torch.where(size > 0, (first * second).sum(1) / size.clamp(min=1e-30), 0.0).float()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of maps (M, h, w) and (M, h, w), each between its minimum and its maximum: (M,) in [-1, 1].

    Mean over the windows of 7 × 7 that lie inside, or one window where a map is smaller. A constant map counts as zero.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE
    Transactions on Image Processing 2004.
    """
    x, y = (_stretched(one).unsqueeze(1) for one in (a, b))  # (M, 1, h, w) float64
    window = (min(_WINDOW, a.shape[1]), min(_WINDOW, a.shape[2]))
    count = window[0] * window[1]

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, window, stride=1)

    mx, my = mean(x), mean(y)
    unbiased = count / max(count - 1, 1)
    vx, vy, both = (
        (mean(p * q) - mp * mq) * unbiased for p, q, mp, mq in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
    )
    found = (2 * mx * my + _C1) * (2 * both + _C2) / ((mx**2 + my**2 + _C1) * (vx + vy + _C2))
    return found.mean((1, 2, 3)).float()


def _centred(maps: Tensor) -> Tensor:
    """Ranks less their mean, (M, P) float64; equal values share their mean rank."""
    flat = maps.detach().cpu().double().flatten(1)
    rows = []
    for row in flat:
        _, place, count = row.unique(sorted=True, return_inverse=True, return_counts=True)
        last = count.cumsum(0).double()  # of each value, the number of pixels up to it
        rows.append((last - (count.double() - 1) / 2)[place])
    found = torch.stack(rows)
    return found - found.mean(1, keepdim=True)


def _stretched(maps: Tensor) -> Tensor:
    flat = maps.detach().cpu().double()
    low, high = flat.amin((1, 2), keepdim=True), flat.amax((1, 2), keepdim=True)
    return torch.where(high > low, (flat - low) / (high - low).clamp(min=1e-300), 0.0)
