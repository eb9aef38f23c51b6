"""What a panel shows of an explanation, whatever it is drawn as: pixels, or a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from whylight import render
from whylight.explanation.heat import NOTHING, Scale
from whylight.render.overlay import overlay_steps
from whylight.shown import shown

if TYPE_CHECKING:
    from whylight.explanation.explanation import Explanation


def panel_parts(
    explanation: Explanation, alpha: float = 0.5, colormap: str = render.DEFAULT, scale: Scale | None = None
) -> dict[str, Any]:
    """The arguments of `render.panel`, and of `render.document` for the same as a document."""
    steps = np.concatenate([band for _, band in explanation.steps(scale)])
    return {
        "picture": explanation.picture,
        "heat": steps,
        "overlay": overlay_steps(explanation.picture, explanation.steps(scale), alpha=alpha, colormap=colormap),
        "title": f"{explanation.label}, {explanation.certainty}",
        "subtitle": f"{explanation.method} · {shown(explanation.source)}",
        "colormap": colormap,
        "bar_label": explanation.units,
        "limits": explanation.limits(scale),
        "blank": NOTHING[explanation.flat],
    }
