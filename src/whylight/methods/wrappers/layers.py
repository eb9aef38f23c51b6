"""One method at several layers, fused: deep layers say what, shallow ones say exactly where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.registry import Maps, Method, get
from whylight.methods.wrappers.tta import average, on_finest, shares

Fusion = Literal["max", "mean", "sum"]

AT_A_LAYER = frozenset(
    {"activations", "gradients", "gradients_of", "curvature", "ablated_scores", "class_weights", "look_at"}
)
_STEEPNESS = 2.0  # γ of the LayerCAM paper


@dataclass(frozen=True)
class Layered(Method):
    """A method at several layers; made by `layers`."""

    inner: Method
    names: tuple[str, ...]
    fusion: Fusion

    @property
    def name(self) -> str:  # type: ignore[override]
        """`layers(…)` around the inner method's name."""
        return f"layers({self.inner.name})"

    @property
    def units(self) -> str:  # type: ignore[override]
        """The inner method's units where maps are added as they are."""
        return self.inner.units if self.fusion == "sum" else "share of the maximum"

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, at each layer."""
        return tuple(dict.fromkeys(("activations", *self.inner.needs)))

    def run(self, about: Any) -> Maps:
        """Run the inner method at each layer, and fuse on the finest grid."""
        found = []
        for one in about.at_layers(self.names, self.inner):
            maps, _, level, whole = self.inner.run(one)
            maps = maps if level is None else maps - level.reshape(-1, 1, 1)
            found.append(maps if whole else one.covering(maps))
        return Maps(fuse(found, self.fusion), [], whole=True)


def layers(method: str | Method, layers: Sequence[str], *, fusion: Fusion = "max") -> Layered:
    """Run a method at several layers and fuse the maps, on the finest of their grids.

    Args:
        method: name or method.
        layers: dotted names of layers, as `whylight models NAME` lists them.
        fusion: `"max"`: the largest of tanh(2·M / max M), of positive evidence, as LayerCAM fuses. `"mean"`: the mean of
            M / max |M|. `"sum"`: the sum of the maps as they are.

    Raises:
        MethodError: if no layer is named, one is named twice, the fusion is unknown, or the method looks at no layer.

    Source: Jiang et al., LayerCAM, IEEE TIP 2021, eq. 9 for the scaling, and the maximum.

    >>> layers("layercam", ["layer3", "layer4"]).name
    'layers(layercam)'
    """
    if isinstance(layers, str) or not layers or len(set(layers)) != len(layers):
        raise MethodError(f"layers: expected a list of different layer names, got {layers!r}")
    if fusion not in get_args(Fusion):
        raise MethodError(f"fusion: expected one of {', '.join(get_args(Fusion))}, got {fusion!r}")
    method = get(method) if isinstance(method, str) else method
    if AT_A_LAYER.isdisjoint(method.needs):
        raise MethodError(f"layers: method {method.name!r} looks at no layer, so several would all give the same map")
    return Layered(method, tuple(layers), fusion)


def fuse(maps: Sequence[Tensor], fusion: Fusion) -> Tensor:
    """Fuse maps (N, hᵢ, wᵢ) of several layers into (N, h, w)."""
    if fusion == "mean":
        return average(maps, relative=True)
    if fusion == "sum":
        return torch.stack(on_finest(maps)).sum(0)
    return torch.stack(on_finest([(_STEEPNESS * shares(one.relu())).tanh() for one in maps])).amax(0)
