"""What is put around every method of a run: several layers, mirrored and scaled copies, smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from whylight.errors import WhylightError
from whylight.schema import Text

if TYPE_CHECKING:
    from whylight.methods import Method


@dataclass(frozen=True)
class Wrapping:
    """The wrappers around every method.

    Attributes:
        layers: names of several layers whose maps are fused; one alone is the model's own choice.
        fusion: `max`, `mean` or `sum`.
        flip: average with the map of the mirrored picture.
        scales: average over inputs of these sizes, relative to the usual one.
        smooth: project the map onto the main patterns of the activations.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    layers: tuple[Text, ...] = ()
    fusion: Text = "max"
    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    smooth: bool = False

    def wrap(self, method: Method) -> Method:
        """Smooth it, at several layers, on several copies: from the inside out."""
        from whylight import methods

        if self.smooth:
            method = methods.smooth(method)
        if self.layers:
            method = methods.layers(method, self.layers, fusion=self.fusion)  # type: ignore[arg-type]  # it is checked there
        if self.flip or self.scales != (1.0,):
            method = methods.tta(method, flip=self.flip, scales=self.scales)
        return method

    def wrapped(self) -> dict[str, Any]:
        """What of it results depend on; nothing where nothing was asked for, so that earlier results stay good."""
        found: dict[str, Any] = {}
        if self.layers:
            found |= {"layers": list(self.layers), "fusion": self.fusion}
        if self.flip:
            found["flip"] = True
        if self.scales != (1.0,):
            found["scales"] = list(self.scales)
        if self.smooth:
            found["smooth"] = True
        return found


def read_layers(layer: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The one layer to look at, if one was named, or the several whose maps are fused.

    >>> read_layers("a"), read_layers("a, b"), read_layers(None)
    (('a', ()), (None, ('a', 'b')), (None, ()))
    """
    names = tuple(part.strip() for part in (layer or "").split(",") if part.strip())
    return (names[0], ()) if len(names) == 1 else (None, names)


def read_scales(scales: str) -> tuple[float, ...]:
    """The numbers in "1,1.5".

    Raises:
        WhylightError: if they are no numbers above 0.
    """
    try:
        sizes = tuple(float(part) for part in scales.split(","))
    except ValueError as error:
        raise WhylightError(f"--scales {scales!r}: expected numbers, such as 1,1.5") from error
    if min(sizes) <= 0:
        raise WhylightError(f"--scales {scales!r}: every scale must be above 0")
    return sizes
