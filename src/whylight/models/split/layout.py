"""Where the grid is inside a layer's output: channels first, channels last, or a row of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import ModelError

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class Layout:
    """How to read a layer's raw output as a grid (N, K, h, w), and how to write a grid back.

    Args:
        kind: `"nchw"`, `"nhwc"`, or `"tokens"` (N, T, K), row by row after `prefix` class and register tokens.
        prefix: how many tokens before the grid belong to no place; they are set aside.
    """

    kind: Literal["nchw", "nhwc", "tokens"]
    prefix: int = 0

    def to_grid(self, raw: Tensor, size: Size) -> Tensor:
        """Read raw activations (or their gradients) as (N, K, h, w); `size` is the input's (height, width)."""
        if self.kind == "nchw":
            return raw
        if self.kind == "nhwc":
            return raw.permute(0, 3, 1, 2)
        h, w = _grid_of(raw.shape[1] - self.prefix, size)
        return raw[:, self.prefix :].reshape(len(raw), h, w, -1).permute(0, 3, 1, 2)

    def from_grid(self, grid: Tensor, raw: Tensor) -> Tensor:
        """Write (M, K, h, w) back into the raw layout; the set-aside tokens are taken from `raw` (M, T, K)."""
        if self.kind == "nchw":
            return grid
        if self.kind == "nhwc":
            return grid.permute(0, 2, 3, 1)
        tokens = grid.flatten(2).transpose(1, 2)
        return torch.cat([raw[:, : self.prefix], tokens], dim=1) if self.prefix else tokens


def layout_of(
    shape: torch.Size, size: Size, *, prefix: int | None = None, channels: int | None = None
) -> Layout | None:
    """Recognise the layout of a layer's output, or return None where it has no grid of more than one place.

    Args:
        shape: shape of the output.
        size: (height, width) of the network's input.
        prefix: number of class and register tokens, where the model states it.
        channels: number of channels K, where the model states it.
    """
    if len(shape) == 4:
        _, a, b, c = shape
        readings: list[tuple[Literal["nchw", "nhwc"], int, Size]] = [("nchw", a, (b, c)), ("nhwc", c, (a, b))]
        # Where the model says how many channels there are, that reading comes first.
        for kind, _, (h, w) in sorted(readings, key=lambda reading: reading[1] != channels):
            # A layer of attention heads is four-dimensional too: only what has the input's shape is a grid of places.
            if h * w > 1 and h <= size[0] and w <= size[1] and abs(h * size[1] - w * size[0]) <= max(size):
                return Layout(kind)
    if len(shape) == 3 and shape[1] > 4:
        # Zero to eight extra tokens cover class, distillation and register tokens; the fewest that leave a grid win.
        for extra in [prefix] if prefix is not None else range(9):
            if _fits(shape[1] - extra, size):
                return Layout("tokens", extra)
    return None


def _shape_of(places: int, size: Size) -> Size:
    h = max(1, round((places * size[0] / size[1]) ** 0.5))
    return h, places // h


def _fits(places: int, size: Size) -> bool:
    if places < 4:
        return False
    h, w = _shape_of(places, size)
    # The patches are square, so the grid has the input's shape, give or take a patch that was cut off.
    return h * w == places and abs(h * size[1] - w * size[0]) < max(size)


def _grid_of(places: int, size: Size) -> Size:
    if not _fits(places, size):
        raise ModelError(
            f"{places} tokens do not form a grid of the shape of a {size[0]}×{size[1]} input: name another layer with layer=…"
        )
    return _shape_of(places, size)
