"""What is put around every method of a run: several layers, mirrored and scaled copies, smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whylight.errors import WhylightError

if TYPE_CHECKING:
    from whylight.methods import Method


@dataclass(frozen=True)
class Wrapping:
    """The wrappers asked for on the command line."""

    layers: tuple[str, ...] = ()
    fusion: str = "max"
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

    def settings(self) -> dict[str, Any]:
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


def read_wrapping(layer: str | None, fusion: str, flip: bool, scales: str, smooth: bool) -> tuple[str | None, Wrapping]:
    """Read the options; returns the one layer to look at, if one was named, and the wrappers.

    Raises:
        WhylightError: if the scales are no numbers above 0.
    """
    names = tuple(part.strip() for part in (layer or "").split(",") if part.strip())
    try:
        sizes = tuple(float(part) for part in scales.split(","))
    except ValueError as error:
        raise WhylightError(f"--scales {scales!r}: expected numbers, such as 1,1.5") from error
    if min(sizes) <= 0:
        raise WhylightError(f"--scales {scales!r}: every scale must be above 0")
    several = names if len(names) > 1 else ()
    return (names[0] if len(names) == 1 else None), Wrapping(several, fusion, flip, sizes, smooth)
