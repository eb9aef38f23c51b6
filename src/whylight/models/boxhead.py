"""A second head beside the classifier's: at each cell, how surely an object's centre lies here, and what box it has.

One head serves one object a picture and many: a box for each cell, as in FCOS (Tian et al., ICCV 2019), with one score that
peaks at the object's centre, as in CenterNet (Zhou et al. 2019), and non-maximum suppression at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

PREFIX = "box_head."  # of the names of its weights in a model file
PRIOR = 0.02  # score of every cell before training: almost all cells are no centre
GROUPS = 8  # of channels that are normalised together
LARGEST = 8.0  # no box is wider than e⁸ cells: an untrained head must not overflow
MOST = 300  # boxes of one class that are kept for one picture
_LIMITS = {"channels": 16384, "hidden": 1024, "parts": 8}  # the most that a file may ask for

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class BoxSpec:
    """What a model file says about its box head.

    Args:
        classes: numbers of the classes that have boxes: all but the background.
        channels: K of the grid that it reads.
        hidden: channels of its own layers.
        parts: into how many cells each side of a grid cell is divided: with 2, a grid of 14 × 14 gives 28 × 28 boxes.
        threshold: the score from which on a box counts, chosen on the run's validation pictures.
    """

    classes: tuple[int, ...]
    channels: int
    hidden: int = 128
    parts: int = 2
    threshold: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], classes: int) -> Self:
        """Rebuild from `to_dict`'s values, which may come from a stranger's file.

        Raises:
            ValueError: if a number is out of range. `classes`: how many classes the model has.
        """
        spec = cls(**{**fields, "classes": tuple(fields["classes"])})
        for name, most in _LIMITS.items():
            if type(count := getattr(spec, name)) is not int or not 1 <= count <= most:
                raise ValueError(f"the box head's {name} cannot be {count!r}")
        if spec.hidden % GROUPS:
            raise ValueError(f"the box head's hidden channels are no multiple of {GROUPS}")
        known = all(type(one) is int and 0 <= one < classes for one in spec.classes)
        if not spec.classes or not known or len(set(spec.classes)) < len(spec.classes):
            raise ValueError(f"the box head's classes {spec.classes} cannot be")
        if not 0 <= spec.threshold <= 1:
            raise ValueError(f"the box head's threshold {spec.threshold} cannot be")
        return spec


class BoxHead(nn.Module):
    """Reads a grid (N, K, h, w) → (N, C + 4, parts·h, parts·w): a score before the sigmoid for each class that has boxes,
    then x, y, width and height as `deltas_of` writes them.
    """

    def __init__(self, spec: BoxSpec) -> None:
        super().__init__()
        self.spec = spec
        last = nn.Conv2d(spec.hidden, (len(spec.classes) + 4) * spec.parts**2, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(spec.channels, spec.hidden, 1),
            nn.GroupNorm(GROUPS, spec.hidden),
            nn.ReLU(),
            nn.Conv2d(spec.hidden, spec.hidden, 3, padding=1),
            nn.GroupNorm(GROUPS, spec.hidden),
            nn.ReLU(),
            last,
            nn.PixelShuffle(spec.parts),
        )
        with torch.no_grad():
            nn.init.normal_(last.weight, std=0.01)
            # PixelShuffle takes parts² channels for one: the scores come first, width and height last.
            assert last.bias is not None
            last.bias.zero_()
            last.bias[: len(spec.classes) * spec.parts**2] = -math.log((1 - PRIOR) / PRIOR)
            last.bias[-2 * spec.parts**2 :] = 1.0  # boxes of e cells

    def forward(self, grid: Tensor) -> Tensor:
        """(N, K, h, w) → (N, C + 4, parts·h, parts·w)."""
        out: Tensor = self.layers(grid)
        return out

    def split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gave, as scores before the sigmoid (N, C, h', w') and deltas (N, 4, h', w')."""
        return out[:, : len(self.spec.classes)], out[:, len(self.spec.classes) :]


class FoundBoxes(NamedTuple):
    """What a model with a box head says of N pictures: a box for each of M cells, and its score for each class.

    `boxes` (N, M, 4) float32: x0, y0, x1, y1 in pixels of the input. `scores` (N, M, C) in [0, 1]: how surely an object of the
    class has its centre in the cell; 0 for classes without boxes. `logits` (N, C): the classifier's.
    """

    boxes: Tensor
    scores: Tensor
    logits: Tensor


def read(head: BoxHead, out: Tensor, size: Size, logits: Tensor) -> FoundBoxes:
    """Make boxes of what a head gave for inputs of `size` pixels; `logits` (N, C) are the classifier's."""
    scores, deltas = head.split(out.detach().float())
    sure = scores.new_zeros(len(out), scores[0, 0].numel(), logits.shape[1])
    sure[:, :, list(head.spec.classes)] = scores.sigmoid().flatten(2).transpose(1, 2)
    return FoundBoxes(boxes_of(deltas, size).flatten(2).transpose(1, 2), sure, logits.detach())


def _cells(deltas: Tensor, size: Size) -> tuple[Tensor, Tensor, float, float]:
    """Columns (1, w) and rows (h, 1) of the cells' centres, and the cells' width and height, in pixels of the input."""
    h, w = deltas.shape[-2:]
    across, down = size[1] / w, size[0] / h
    x = (torch.arange(w, device=deltas.device, dtype=deltas.dtype) + 0.5) * across
    y = (torch.arange(h, device=deltas.device, dtype=deltas.dtype) + 0.5) * down
    return x[None, :], y[:, None], across, down


def boxes_of(deltas: Tensor, size: Size) -> Tensor:
    """The boxes of every cell: deltas (…, 4, h, w) → x0, y0, x1, y1 in pixels of an input of `size`, same shape.

    A cell's deltas are the way from its centre to the box's centre, in cells, and the logarithms of the box's width and height
    in cells.
    """
    x, y, across, down = _cells(deltas, size)
    dx, dy, width, height = deltas.unbind(-3)
    cx, cy = x + dx * across, y + dy * down
    half_w, half_h = width.clamp(max=LARGEST).exp() * across / 2, height.clamp(max=LARGEST).exp() * down / 2
    return torch.stack([cx - half_w, cy - half_h, cx + half_w, cy + half_h], dim=-3)


def deltas_of(boxes: Tensor, size: Size) -> Tensor:
    """The other way: a box for each cell (…, 4, h, w) in pixels of an input of `size` → the cell's deltas."""
    x, y, across, down = _cells(boxes, size)
    x0, y0, x1, y1 = boxes.unbind(-3)
    return torch.stack(
        [
            ((x0 + x1) / 2 - x) / across,
            ((y0 + y1) / 2 - y) / down,
            ((x1 - x0) / across).log(),
            ((y1 - y0) / down).log(),
        ],
        dim=-3,
    )


def pick(boxes: Tensor, scores: Tensor, threshold: float, iou: float) -> Tensor:
    """Numbers of the boxes (M, 4) that stay, the surest first: at least `threshold`, none over a surer one by more than `iou`."""
    from torchvision.ops import nms  # takes a second or more to import

    enough = (scores >= threshold).nonzero()[:, 0]
    kept: Tensor = nms(boxes[enough].float(), scores[enough].float(), iou)
    return enough[kept[:MOST]]
