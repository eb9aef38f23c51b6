"""Where the cells of a grid lie on the input, from the layers that made it.

A grid of h cells is usually spread evenly over the input's H pixels. It is not where a pooling drops what does not fill its last
window, or where convolutions do not pad: VGG at 250 pixels has 7 cells of 32 pixels, which end at 224. The place of a cell is the
middle of the window that each layer on the way gives it; windows and strides are read off as the network runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whylight.cells import WHOLE, Span
from whylight.models.split.layout import Size, layout_of


class _Step(NamedTuple):
    """What a layer does to one side of a grid: output i is made around input `start` + i · `stride`."""

    start: float
    stride: float


def span_of(module: nn.Module, x: Tensor, grid: Size) -> Span:
    """Where the cells of a network's grid lie on its input.

    Args:
        module: the network, in evaluation mode.
        x: an input (1, C, H, W).
        grid: (h, w) of the grid.

    Returns:
        The whole input where the grid divides its sides, or where no way from the input's size to the grid's is found.
    """
    size = (x.shape[2], x.shape[3])
    if size[0] % grid[0] == 0 and size[1] % grid[1] == 0:
        return WHOLE
    with torch.no_grad(), _Sizes(size) as seen:
        module(x)
    way = _way(seen.steps, size, grid)
    if way is None:
        return WHOLE
    ends = []
    for axis in (0, 1):
        start, stride = 0.0, 1.0
        for step in way:
            start, stride = start + stride * step[axis].start, stride * step[axis].stride
        first = start + 0.5 - stride / 2
        ends.append((first / size[axis], (first + stride * grid[axis]) / size[axis]))
    (top, bottom), (left, right) = ends
    return Span(top, left, bottom, right)


_Steps = dict[
    tuple[Size, Size], tuple[_Step, _Step]
]  # from size to size: down, across; of several ways the first that ran


def _way(steps: _Steps, size: Size, grid: Size) -> list[tuple[_Step, _Step]] | None:
    """The shortest way from the input's size to the grid's."""
    ways: list[list[Size]] = [[size]]
    met = {size}
    while ways:
        longer = []
        for way in ways:
            if way[-1] == grid:
                return [steps[pair] for pair in pairwise(way)]
            for before, after in steps:
                if before == way[-1] and after not in met:
                    met.add(after)
                    longer.append([*way, after])
        ways = longer
    return None


class _Sizes(TorchFunctionMode):
    """Notes what changes the sides of grids, and how."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.steps: _Steps = {}
        self._size = size
        self._padded: dict[
            int, tuple[Tensor, Size, Size]
        ] = {}  # by the padded tensor: its sides before, and what is before them

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        made = func(*args, **given)
        taken = args[0] if args else given.get("input")
        made_grid = made[0] if isinstance(made, tuple) and made else made  # of poolings that tell where
        if isinstance(taken, Tensor) and isinstance(made_grid, Tensor) and taken.ndim == made_grid.ndim == 4:
            self._note(func, args, given, taken, made_grid)
        return made

    def _note(self, func: Any, args: tuple[Any, ...], given: Mapping[str, Any], taken: Tensor, made: Tensor) -> None:
        _, before, padded = self._padded.get(id(taken), (taken, self._sides(taken), (0, 0)))
        if before is None:
            return
        if func is F.pad:
            left, _, top = (*list(args[1] if len(args) > 1 else given["pad"]), 0, 0)[:3]
            self._padded[id(made)] = made, before, (top, left)
            return
        after = self._sides(made)
        if after is None or before == after:
            return
        windows = _windows(func, args, given)
        step = tuple(
            _step(before[axis], after[axis], None if windows is None else windows[axis], padded[axis])
            for axis in (0, 1)
        )
        self.steps.setdefault((before, after), (step[0], step[1]))

    def _sides(self, grid: Tensor) -> Size | None:
        layout = layout_of(grid.shape, self._size)
        if layout is None:
            return None
        return (grid.shape[2], grid.shape[3]) if layout.kind == "nchw" else (grid.shape[1], grid.shape[2])


class _Window(NamedTuple):
    """A window along one side."""

    length: int
    stride: int
    padding: int


def _step(before: int, after: int, window: _Window | None, padded: int) -> _Step:
    """From a side of so many cells to one of so many.

    Where the stride divides the side, a window of odd length has to lie off the middle of its cells, and networks learn to make
    up for it: cells are where they are, side by side. Elsewhere they are where their windows are.
    """
    if window is None or before == after * window.stride:
        stride = before / after
        return _Step((stride - 1) / 2, stride)
    return _Step((window.length - 1) / 2 - window.padding - padded, window.stride)


_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation")
_POOLING = ("input", "kernel_size", "stride", "padding", "dilation")
_AVERAGE = ("input", "kernel_size", "stride", "padding")


def _windows(func: Any, args: tuple[Any, ...], given: Mapping[str, Any]) -> tuple[_Window, _Window] | None:
    """The windows of a convolution or pooling, down and across; None for what else changes sides, which is even."""
    if func is F.conv2d or func is torch.conv2d:
        named = dict(zip(_CONVOLUTION, args, strict=False)) | dict(given)
        lengths: tuple[int, int] = tuple(named["weight"].shape[2:])
        padding = named.get("padding", 0)
        if isinstance(padding, str):
            padding = (0, 0) if padding == "valid" else tuple((length - 1) // 2 for length in lengths)
    elif func in (F.max_pool2d, torch.max_pool2d, F.max_pool2d_with_indices, F.avg_pool2d):
        names = _AVERAGE if func is F.avg_pool2d else _POOLING
        named = dict(zip(names, args, strict=False)) | dict(given)
        lengths, padding = _pair(named["kernel_size"]), named.get("padding", 0)
    else:
        return None
    strides = _pair(named.get("stride") or (1 if "weight" in named else lengths))
    dilations, paddings = _pair(named.get("dilation", 1)), _pair(padding)
    down, across = (
        _Window(dilations[axis] * (lengths[axis] - 1) + 1, strides[axis], paddings[axis]) for axis in (0, 1)
    )
    return down, across


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    one, *rest = value
    return one, rest[0] if rest else one
