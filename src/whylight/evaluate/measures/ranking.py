"""From maps to an order of pixels, the hottest first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from whylight.cells import WHOLE, Span, lay

TIES = "in an order drawn once for all (seed 0)"  # how pixels of the same value are put in order, for protocols


def enlarge(maps: Sequence[Tensor], size: tuple[int, int], spans: Sequence[Span] | None = None) -> Tensor:
    """Maps (h, w), each of a size of its own, at the input's size: (M, H, W) float32, bilinear, half-pixel centres.

    `spans`: over which part of the input each one's cells are spread; default: over all of it.
    """
    return torch.stack(
        [
            F.interpolate(one[None, None].float(), size=size, mode="bilinear", align_corners=False)[0, 0]
            if span == WHOLE
            else lay(one.float(), span, size)
            for one, span in zip(maps, spans or [WHOLE] * len(maps), strict=True)
        ]
    )


def ranks(heat: Tensor, seed: int = 0) -> Tensor:
    """The place of each pixel in the order from the hottest to the coldest.

    Pixels of the same value, of which a rectified map has many, come in an order that was drawn once for all maps of a size: it
    favours no side of the picture, as the order of their numbers would.

    Args:
        heat: (M, H, W).
        seed: decides the order among equals.

    Returns:
        (M, H, W) int64: 0 is the hottest pixel, H·W − 1 the coldest.
    """
    pixels = heat.shape[1] * heat.shape[2]
    drawn = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed))
    flat = heat.detach().cpu().flatten(1)  # (M, P)
    order = drawn[flat[:, drawn].argsort(dim=1, descending=True, stable=True)]  # (M, P), pixels from hot to cold
    places = torch.empty_like(order).scatter_(1, order, torch.arange(pixels).expand_as(order))
    return places.reshape(heat.shape)


def is_flat(heat: Tensor) -> Tensor:
    """Which maps (M, H, W) have one value everywhere, and so say nothing about the order of pixels: (M,) bool."""
    return heat.flatten(1).amax(1) == heat.flatten(1).amin(1)
