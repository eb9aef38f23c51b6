"""Occlusion: how much the score drops when a patch of the picture is covered."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.options import choice, number, whole
from whylight.methods.registry import Maps, Probe, register


@register("occlusion", units="logit", signed=True, cost="a forward for each patch, some 600")
def occlusion(
    inputs: Tensor,
    probe: Probe,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
    after: Literal["logit", "probability"] = "logit",
) -> Maps:
    """Mean over the patches P that cover a pixel of s(x) - s(x with P covered); signed.

    Patches slide by `stride`; a last row and column lie flush with the border, so that every pixel is covered. s(x) is run
    through the same probe as the others.

    Args:
        inputs: x, (N, 3, H, W).
        probe: gives the scores.
        patch: side of the square patch in input pixels; None = a seventh of the shorter side.
        stride: from one patch to the next, in input pixels, at most `patch`; None = a quarter of the patch.
        fill: what covers, in units of the preprocessed input; 0 is the mean colour.
        after: `"logit"` or `"probability"`.

    Returns:
        (N, H, W) in units of the score. Details: `patches` run.

    Raises:
        MethodError: if an option is out of range.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
    """
    h, w = inputs.shape[2:]
    patch = math.ceil(min(h, w) / 7) if patch is None else whole("occlusion", "patch", patch)
    if patch > min(h, w):
        raise MethodError(f"method 'occlusion': patch={patch!r}; the input is {h} × {w}, so it is at most {min(h, w)}")
    stride = max(1, patch // 4) if stride is None else whole("occlusion", "stride", stride)
    if stride > patch:
        raise MethodError(
            f"method 'occlusion': stride={stride!r}; at most the patch's {patch}, or places stay uncovered"
        )
    number("occlusion", "fill", fill, least=-math.inf)
    choice("occlusion", "after", after, ("logit", "probability"))
    corners = [(top, left) for top in _starts(h, patch, stride) for left in _starts(w, patch, stride)]

    maps = []
    for picture, x in enumerate(inputs):

        def covered(indices: range, x: Tensor = x) -> Tensor:  # (n, 3, H, W); number 0 is the picture itself
            copies = x.repeat(len(indices), 1, 1, 1)
            for copy, index in zip(copies, indices, strict=True):
                if index:
                    top, left = corners[index - 1]
                    copy[:, top : top + patch, left : left + patch] = fill
            return copies

        scores = torch.zeros(1 + len(corners), dtype=torch.float64)
        for indices, found in probe(picture, len(scores), covered, after=after):
            scores[indices.start : indices.stop] = found
        drops = (scores[0] - scores[1:]).tolist()
        total, times = torch.zeros((2, h, w), dtype=torch.float64)
        for (top, left), drop in zip(corners, drops, strict=True):
            total[top : top + patch, left : left + patch] += drop
            times[top : top + patch, left : left + patch] += 1
        maps.append((total / times).float())
    return Maps(torch.stack(maps).to(inputs.device), [{"patches": len(corners)} for _ in maps])


def _starts(side: int, patch: int, stride: int) -> list[int]:
    """Where patches begin along a side; the last one ends at the border."""
    starts = list(range(0, side - patch + 1, stride))
    return starts if starts[-1] == side - patch else [*starts, side - patch]
