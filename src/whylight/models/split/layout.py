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
        kind: `"nchw"`, `"nhwc"`, or `"tokens"` (N, T, K), after `prefix` class and register tokens.
        prefix: how many tokens before the grid belong to no place; they are set aside.
        suffix: how many behind it.
        turned: the grid runs column by column.
        grid: its (h, w), where the shape of the input does not tell it.
    """

    kind: Literal["nchw", "nhwc", "tokens"]
    prefix: int = 0
    suffix: int = 0
    turned: bool = False
    grid: Size | None = None

    def tokens(self, size: Size) -> int | None:
        """How many tokens there are in a row that holds a grid of known shape; None where they make no row, or it is not known."""
        return (
            None
            if self.kind != "tokens" or self.grid is None
            else self.prefix + self.grid[0] * self.grid[1] + self.suffix
        )

    def to_grid(self, raw: Tensor, size: Size) -> Tensor:
        """Read raw activations (or their gradients) as (N, K, h, w); `size` is the input's (height, width)."""
        if self.kind == "nchw":
            grid = raw
        elif self.kind == "nhwc":
            grid = raw.permute(0, 3, 1, 2)
        else:
            places = raw.shape[1] - self.prefix - self.suffix
            known = self.grid is not None and self.grid[0] * self.grid[1] == places
            h, w = self.grid if known and self.grid is not None else _grid_of(places, size)
            if self.turned:
                h, w = w, h
            tokens = raw[:, self.prefix : self.prefix + places]
            grid = tokens.reshape(len(raw), h, w, -1).permute(0, 3, 1, 2)
        return grid.transpose(2, 3) if self.turned else grid

    def from_grid(self, grid: Tensor, raw: Tensor) -> Tensor:
        """Write (M, K, h, w) back into the raw layout; the set-aside tokens are taken from `raw` (M, T, K)."""
        if self.turned:
            grid = grid.transpose(2, 3)
        if self.kind == "nchw":
            return grid
        if self.kind == "nhwc":
            return grid.permute(0, 2, 3, 1)
        tokens = grid.flatten(2).transpose(1, 2)
        if not self.prefix and not self.suffix:
            return tokens
        return torch.cat([raw[:, : self.prefix], tokens, raw[:, raw.shape[1] - self.suffix :]], dim=1)

    def aside(self, raw: Tensor) -> Tensor | None:
        """The tokens of raw activations that belong to no place; None where there are none."""
        if not self.prefix and not self.suffix:
            return None
        return torch.cat([raw[:, : self.prefix], raw[:, raw.shape[1] - self.suffix :]], dim=1)


def layout_of(
    shape: torch.Size, size: Size, *, prefix: int | None = None, channels: int | None = None
) -> Layout | None:
    """The likeliest of `layouts_of`, or None where there is none."""
    return next(iter(layouts_of(shape, size, prefix=prefix, channels=channels)), None)


def layouts_of(
    shape: torch.Size, size: Size, *, prefix: int | None = None, channels: int | None = None
) -> list[Layout]:
    """The layouts that the shape of a layer's output suggests, the likeliest first; none where it has no grid of places.

    Args:
        shape: shape of the output.
        size: (height, width) of the network's input.
        prefix: number of class and register tokens, where the model states it.
        channels: number of channels K, where the model states it.
    """
    if len(shape) == 4:
        _, a, b, c = shape
        readings: list[tuple[Literal["nchw", "nhwc"], int, Size]] = [("nchw", a, (b, c)), ("nhwc", c, (a, b))]
        # A layer of attention heads is four-dimensional too: only what has the input's shape is a grid of places. Where the model
        # says how many channels there are, that reading comes first.
        return [
            Layout(kind)
            for kind, _, (h, w) in sorted(readings, key=lambda reading: reading[1] != channels)
            if h * w > 1 and h <= size[0] and w <= size[1] and abs(h * size[1] - w * size[0]) <= max(size)
        ]
    if len(shape) == 3 and shape[1] > 4:
        # Zero to eight extra tokens cover class, distillation and register tokens; the fewest that leave a grid win.
        extras = [prefix] if prefix is not None else range(9)
        return [Layout("tokens", extra) for extra in extras if _fits(shape[1] - extra, size)]
    return []


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
