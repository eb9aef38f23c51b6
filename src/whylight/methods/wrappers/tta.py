"""Test-time augmentation: any method on flipped and scaled copies of a picture, laid back over it and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from whylight.errors import MethodError
from whylight.methods.registry import Display, Maps, Method, get


@dataclass(frozen=True)
class Augmented(Method):
    """A method averaged over copies of the picture; made by `tta`."""

    inner: Method
    flip: bool
    scales: tuple[float, ...]

    @property
    def name(self) -> str:  # type: ignore[override]
        """`tta(…)` around the inner method's name."""
        return f"tta({self.inner.name})"

    @property
    def units(self) -> str:  # type: ignore[override]
        """The inner method's units; a share of the maximum where scales are mixed."""
        return self.inner.units if len(self.scales) == 1 else "share of the maximum"

    @property
    def scale(self) -> Display:  # type: ignore[override]
        """The inner method's."""
        return self.inner.scale

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, at each copy."""
        return ("inputs", *self.inner.needs)

    def run(self, about: Any) -> Maps:
        """Run the inner method on each copy, and average on the finest grid."""
        copies = [(scale, flipped) for scale in self.scales for flipped in ((False, True) if self.flip else (False,))]
        found: list[Tensor] = []
        levels: list[Tensor] = []
        details: list[dict[str, Any]] = []
        relative = len(self.scales) > 1
        mixed = copies != [(1.0, False)]
        for scale, flipped in copies:
            x = about.inputs if (scale, flipped) != (1.0, False) else None
            if x is not None and scale != 1:
                size = tuple(max(1, round(side * scale)) for side in x.shape[2:])
                x = interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
            if x is not None and flipped:
                x = x.flip(3)
            copy = about if x is None else about.moved(x)
            maps, told, level, whole = self.inner.run(copy)
            if mixed and not whole:  # each copy's grid lies on it in its own way
                maps = copy.covering(maps)
            details = details or told  # of the first copy
            if level is not None and relative:  # shares are of what there is above it
                maps = maps - level.reshape(-1, 1, 1)
            elif level is not None:
                levels.append(level)
            found.append(maps.flip(2) if flipped else maps)
        level = torch.stack(levels).mean(0) if levels else None
        return Maps(average(found, relative=relative), details, level, mixed or whole)


def tta(method: str | Method, *, flip: bool = True, scales: Sequence[float] = (1.0,)) -> Augmented:
    """Average any method over mirrored and scaled copies of the picture.

    A map covers its whole input, so a copy's map is laid back exactly: mirrored, and resampled with half-pixel centres onto
    the finest of the grids. Maps of one scale are averaged as they are. Between scales, gradients are not comparable (twice
    as many places share one score), so there each map counts relative to its own largest absolute value.

    Args:
        method: name or method.
        flip: also the picture's mirror image.
        scales: sizes of the network's input, relative to the usual one. Networks that take one size only refuse others.

    Raises:
        MethodError: if a scale is not above 0, or there is none.

    >>> tta("gradcam", scales=(1.0, 1.5)).name
    'tta(gradcam)'
    """
    if not scales or min(scales) <= 0:
        raise MethodError(f"scales: expected numbers above 0, such as (1.0, 1.5), got {tuple(scales)}")
    return Augmented(get(method) if isinstance(method, str) else method, flip, tuple(float(scale) for scale in scales))


def average(maps: Sequence[Tensor], *, relative: bool) -> Tensor:
    """Mean (N, h, w) of maps (N, hᵢ, wᵢ) on the finest grid among them; `relative`: each in shares of its own peak."""
    if relative:
        maps = [shares(one) for one in maps]
    return torch.stack(on_finest(maps)).mean(0)


def shares(maps: Tensor) -> Tensor:
    """Each map (h, w) of (N, h, w) over its largest absolute value; one that is zero everywhere stays zero."""
    peaks = maps.abs().amax((1, 2), keepdim=True)
    return torch.where(peaks > 0, maps / peaks, 0)


def on_finest(maps: Sequence[Tensor]) -> list[Tensor]:
    """Resample maps (N, hᵢ, wᵢ) of the same pictures onto the finest of their grids, with half-pixel centres."""
    size = max((tuple(one.shape[1:]) for one in maps), key=lambda sides: sides[0] * sides[1])
    return [
        one
        if one.shape[1:] == size
        else interpolate(one.unsqueeze(1), size=size, mode="bilinear", align_corners=False).squeeze(1)
        for one in maps
    ]
