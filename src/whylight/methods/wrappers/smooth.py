"""Smoothing by eigen-projection: keep of a map what lies in the main spatial patterns of the activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.principal import leading
from whylight.methods.registry import Maps, Method, get


@dataclass(frozen=True)
class Smoothed(Method):
    """A method whose map is projected; made by `smooth`."""

    inner: Method
    rank: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """`smooth(…)` around the inner method's name."""
        return f"smooth({self.inner.name})"

    @property
    def units(self) -> str:  # type: ignore[override]
        """The inner method's units: a projection keeps them."""
        return self.inner.units

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, and the activations."""
        return tuple(dict.fromkeys(("activations", *self.inner.needs)))

    def run(self, about: Any) -> Maps:
        """Run the inner method and project its maps.

        Raises:
            MethodError: if its maps are not on the activations' grid.
        """
        found = self.inner.run(about)
        if found.values.shape[1:] != about.activations.shape[2:]:
            raise MethodError(
                f"smooth: {self.inner.name} makes maps of {tuple(found.values.shape[1:])}, not on the grid of the activations, "
                f"{tuple(about.activations.shape[2:])}; put smooth inside: layers(smooth(…)), tta(smooth(…))"
            )
        return Maps(project(found.values, about.activations, self.rank), found.details, whole=found.whole)


def smooth(method: str | Method, *, rank: int = 3) -> Smoothed:
    """Project a method's map m onto the leading spatial patterns of the activations: Vᵀ V m.

    V (rank × h·w) holds the leading right singular vectors of A as a K × h·w matrix: the patterns of places that most channels
    share. What no pattern holds is dropped as noise. The map keeps its units and its sign.

    Args:
        method: name or method whose maps are on the activations' grid.
        rank: how many patterns are kept; 1 leaves one, as far as the map agrees with it.

    Raises:
        MethodError: if the rank is below 1.

    >>> smooth("gradcam", rank=2).name
    'smooth(gradcam)'
    """
    if rank < 1:
        raise MethodError(f"rank: expected at least 1, got {rank}")
    return Smoothed(get(method) if isinstance(method, str) else method, rank)


def project(maps: Tensor, activations: Tensor, rank: int) -> Tensor:
    """Project maps (N, h, w) onto the `rank` leading right singular vectors of activations (N, K, h, w)."""
    n, h, w = maps.shape
    patterns = leading(activations.flatten(2), min(rank, h * w, activations.shape[1])).to(maps)  # (N, rank, h·w)
    shares = patterns @ maps.reshape(n, h * w, 1)  # (N, rank, 1)
    return (patterns.transpose(1, 2) @ shares).reshape(n, h, w)
