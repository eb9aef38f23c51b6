"""What a panel shows of an explanation, whatever it is drawn as: pixels, or a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from whylight import render
from whylight.explanation.heat import NOTHING, Scale
from whylight.render.bands import Band
from whylight.render.overlay import overlay_steps
from whylight.shown import shown


class Seen(Protocol):
    """As much of an `Explanation` as is needed here; its class imports this file."""

    @property
    def picture(self) -> Image.Image: ...
    @property
    def source(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def units(self) -> str: ...
    @property
    def certainty(self) -> str: ...
    @property
    def flat(self) -> Literal["", "blank", "constant"]: ...
    @property
    def is_diffuse(self) -> bool: ...
    def colours(self, colormap: str = ..., scale: Scale | None = None) -> str: ...
    def steps(self, scale: Scale | None = None) -> Iterator[Band]: ...
    def limits(self, scale: Scale | None = None) -> tuple[float, float] | None: ...


def panel_parts(
    explanation: Seen, alpha: float = 0.5, colormap: str = render.DEFAULT, scale: Scale | None = None
) -> dict[str, Any]:
    """The arguments of `render.panel`, and of `render.document` for the same as a document."""
    limits, flat = explanation.limits(scale), explanation.flat
    said = "" if limits is not None and flat else NOTHING[flat]  # evidence against is something where that is drawn
    steps = np.concatenate([band for _, band in explanation.steps(scale)])
    colormap = explanation.colours(colormap, scale)
    return {
        "picture": explanation.picture,
        "heat": steps,
        "overlay": overlay_steps(explanation.picture, explanation.steps(scale), alpha=alpha, colormap=colormap),
        "title": f"{explanation.label}, {explanation.certainty}",
        "subtitle": f"{explanation.method} · {shown(explanation.source)}",
        "colormap": colormap,
        "bar_label": explanation.units,
        "limits": limits,
        "blank": said or ("no place in particular" if explanation.is_diffuse else ""),
    }
