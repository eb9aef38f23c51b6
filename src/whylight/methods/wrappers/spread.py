"""Spreading a map: places that look alike to the network share their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from whylight.errors import MethodError
from whylight.methods.registry import Maps, Method, get
from whylight.methods.wrappers.layers import AT_A_LAYER
from whylight.methods.wrappers.tta import average

_MOST = 32 * 32  # places of a grid; each is compared with each


@dataclass(frozen=True)
class Spread(Method):
    """A method whose map is spread; made by `spread`."""

    inner: Method
    layer: str | None
    power: int

    units = "share of the maximum"

    @property
    def name(self) -> str:  # type: ignore[override]
        """`spread(…)` around the inner method's name."""
        return f"spread({self.inner.name})"

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, and the activations."""
        return tuple(dict.fromkeys(("activations", *self.inner.needs)))

    def run(self, about: Any) -> Maps:
        """Run the inner method and spread its positive evidence."""
        found, details, level, whole = self.inner.run(about)
        if level is not None:
            found = found - level.reshape(-1, 1, 1)
        at = about if self.layer is None else about.at_layers([self.layer], self.inner)[0]
        found = found if whole else about.covering(found, finer=2)
        return Maps(spread_by(found.relu(), at.covering(at.activations, finer=2), self.power), details, whole=True)


def spread(method: str | Method, layer: str | None = None, *, power: int = 2) -> Spread:
    """Add to a method's map what each place gets from the places that look like it.

    With a map m of positive evidence on the grid of A, and aᵢ the activations at place i, less the mean of all places:

        T_ij = max(0, cos(aᵢ, aⱼ))^p / Σ_j max(0, cos(aᵢ, aⱼ))^p,    s = T m - min(T m),    (m / max m + s / max s) / 2

    Class evidence lights up the telling parts of an object; T lets them light up what the network holds for the same stuff, and
    keeps them from what it does not.

    Args:
        method: name or method.
        layer: dotted name of the layer whose activations are compared; default: the split. Finer than the split is better, as far
            as the layer tells objects from their surroundings: `whylight.models.layers.stages(model)[-2]`.
        power: p, how much more alike counts.

    Raises:
        MethodError: if the power is below 1, or the method looks at no layer.

    Source: the random walk of Ahn and Kwak, CVPR 2018, with the self-correlation of features of Pan et al., CVPR 2021, for
    its affinities; one step, nothing is learned.

    >>> spread("layercam").name
    'spread(layercam)'
    """
    if isinstance(power, bool) or not isinstance(power, int) or power < 1:
        raise MethodError(f"power: expected a whole number, 1 or more, got {power!r}")
    method = get(method) if isinstance(method, str) else method
    if AT_A_LAYER.isdisjoint(method.needs):
        raise MethodError(f"spread: method {method.name!r} looks at no layer whose activations could be compared")
    return Spread(method, layer, power)


def spread_by(maps: Tensor, activations: Tensor, power: int) -> Tensor:
    """Spread maps (N, H, W), nowhere negative, by the likeness of places in activations (N, K, h, w): (N, h, w) in shares."""
    size = _within(activations.shape[2:])
    maps, activations = _at(maps.unsqueeze(1), size).squeeze(1), _at(activations, size)
    spreads = []
    # One picture at a time: a table of h·w by h·w numbers each.
    for one, a in zip(maps, activations, strict=True):
        near = likeness(a).pow_(power)
        moved = (near @ one.reshape(-1, 1)) / near.sum(1, keepdim=True).clamp_min(torch.finfo(near.dtype).tiny)
        spreads.append((moved - moved.min()).reshape(size))
    # A map without evidence stays without.
    return average([maps, torch.stack(spreads) * (maps.amax((1, 2), keepdim=True) > 0)], relative=True)


def likeness(activations: Tensor) -> Tensor:
    """max(0, cosine) of the activations (K, h, w), less their mean over places, of each two places: (h·w, h·w)."""
    a = activations.flatten(1)
    a = normalize(a - a.mean(1, keepdim=True), dim=0)
    return (a.T @ a).relu_()


def _within(size: Sequence[int]) -> tuple[int, int]:
    """The grid, or a coarser one of the same shape that is small enough to compare each place with each."""
    h, w = size
    shrink = min(1.0, (_MOST / (h * w)) ** 0.5)
    return max(1, round(h * shrink)), max(1, round(w * shrink))


def _at(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample (N, K, h, w) to a grid, with half-pixel centres; averaged where it gets coarser."""
    if x.shape[2:] == size:
        return x
    return interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
