"""Refining a map along the picture's edges, by a guided filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from whylight.errors import MethodError
from whylight.methods.registry import Maps, Method, get
from whylight.methods.wrappers.tta import shares

_FINER = 2  # pixels of the input along a side of a place of the result


@dataclass(frozen=True)
class Refined(Method):
    """A method whose map follows the picture's edges; made by `refine`."""

    inner: Method
    weight: float
    reach: float
    eps: float

    units = "share of the maximum"

    @property
    def name(self) -> str:  # type: ignore[override]
        """`refine(…)` around the inner method's name."""
        return f"refine({self.inner.name})"

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, and the picture."""
        return tuple(dict.fromkeys(("inputs", *self.inner.needs)))

    @property
    def is_slow(self) -> bool:
        """Whether the inner method is."""
        return self.inner.is_slow

    def run(self, about: Any) -> Maps:
        """Run the inner method, filter its positive evidence under the picture's guidance, and add both."""
        found, details, level, whole = self.inner.run(about)
        found = found if whole else about.covering(found)
        if level is not None:
            found = found - level.reshape(-1, 1, 1)
        size = tuple(max(1, side // _FINER) for side in about.inputs.shape[2:])
        picture = adaptive_avg_pool2d(about.inputs, size)
        maps = interpolate(found.relu().unsqueeze(1), size=size, mode="bilinear", align_corners=False)
        radius = max(1, round(self.reach * min(size)))
        filtered = guided_filter(maps, _standard(picture), radius, self.eps).squeeze(1).relu()
        return Maps((shares(maps.squeeze(1)) + self.weight * shares(filtered)) / (1 + self.weight), details, whole=True)


def refine(method: str | Method, *, weight: float = 0.5, reach: float = 1 / 7, eps: float = 0.01) -> Refined:
    """Let a method's map follow the edges of the picture: the map and, with a weight, the map behind a guided filter.

    (m / max m + weight · q / max q) / (1 + weight), for a map m of positive evidence. Around each pixel the filter takes the map
    for a linear function of the three colours, q = aᵀI + b, fitted in a window by least squares with eps·|a|² added, and averages
    what the windows say. So a map that is too smooth for its object gets the object's outline where the colours have one, and the
    map itself keeps the peak where the evidence is.

    Args:
        method: name or method. Its positive evidence is refined; the result has half the input's resolution.
        weight: of the filtered map, beside 1 of the map itself.
        reach: from a window's middle to its border, as a share of the picture's shorter side.
        eps: ε, colours being in units of the picture's own standard deviation; larger is smoother.

    Raises:
        MethodError: if an option is not above 0.

    Source: He, Sun and Tang, Guided Image Filtering, TPAMI 2013, eqs. 11 to 19, at half resolution.

    >>> refine("gradcam").name
    'refine(gradcam)'
    """
    if not 0 < weight < float("inf"):
        raise MethodError(f"weight: expected a number above 0, got {weight!r}")
    if not 0 < reach <= 1:
        raise MethodError(f"reach: expected a share of the picture's side above 0, at most 1, got {reach!r}")
    if not eps > 0:
        raise MethodError(f"eps: expected a number above 0, got {eps!r}")
    return Refined(get(method) if isinstance(method, str) else method, float(weight), float(reach), float(eps))


def guided_filter(maps: Tensor, guide: Tensor, radius: int, eps: float) -> Tensor:
    """Filter maps (N, 1, h, w) under colour guidance (N, 3, h, w), in windows of 2·radius + 1 places: (N, 1, h, w)."""
    mean_i, mean_p = _box(guide, radius), _box(maps, radius)
    # (N, 3, 3, h, w): the covariance of the colours in each window.
    pairs = guide.unsqueeze(1) * guide.unsqueeze(2)
    spread = _box(pairs.flatten(1, 2), radius).reshape(pairs.shape) - mean_i.unsqueeze(1) * mean_i.unsqueeze(2)
    shared = _box(guide * maps, radius) - mean_i * mean_p  # (N, 3, h, w)
    matrix = spread.permute(0, 3, 4, 1, 2) + eps * torch.eye(3, device=maps.device)
    a = (
        torch.linalg.solve(matrix, shared.permute(0, 2, 3, 1).unsqueeze(4)).squeeze(4).permute(0, 3, 1, 2)
    )  # (N, 3, h, w)
    b = mean_p - (a * mean_i).sum(1, keepdim=True)
    return (_box(a, radius) * guide).sum(1, keepdim=True) + _box(b, radius)


def _box(x: Tensor, radius: int) -> Tensor:
    """Mean over windows of (N, K, h, w), of what of them lies in the picture: by running sums, first down, then across."""
    for axis in (2, 3):
        side = x.shape[axis]
        sums = torch.cat([x.new_zeros(x.select(axis, 0).shape).unsqueeze(axis), x.cumsum(axis)], axis)
        places = torch.arange(side, device=x.device)
        low, high = (places - radius).clamp_min(0), (places + radius + 1).clamp_max(side)
        count = (high - low).to(sums).reshape((-1, 1) if axis == 2 else (1, -1))
        x = (sums.index_select(axis, high) - sums.index_select(axis, low)) / count
    return x


def _standard(x: Tensor) -> Tensor:
    """Inputs (N, 3, H, W) in units of each picture's own standard deviation."""
    spread = x.std((1, 2, 3), keepdim=True)
    return (x - x.mean((2, 3), keepdim=True)) / torch.where(spread > 0, spread, 1)
