"""An explanation to the pixels of a picture, with little memory beside them: pictures may have 100 megapixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from whylight import render
from whylight.errors import WhylightError
from whylight.explanation.explanation import Explanation
from whylight.render.bands import Band
from whylight.render.colormap import apply, table
from whylight.render.overlay import blended


def drawn(
    explanation: Explanation, style: str, *, alpha: float = 0.5, colormap: str = render.DEFAULT
) -> NDArray[np.uint8]:
    """Draw an explanation as an array that nobody else holds: (H, W, 3) uint8 RGB.

    Args:
        explanation: what is drawn.
        style: `"overlay"`, `"panel"`, or `"map"` (the heat map alone, in colours).
        alpha: as for `Explanation.overlay`.
        colormap: as for `Explanation.overlay`.

    Raises:
        WhylightError: if the style, opacity or colormap cannot be used.
    """
    if style == "panel":
        return np.array(explanation.panel(alpha=alpha, colormap=colormap))
    colormap = explanation.colours(colormap)
    some: Iterable[Band]
    if style == "map":
        some = ((rows, apply(steps, table(colormap))) for rows, steps in explanation.steps())
    elif style == "overlay":
        some = blended(explanation.picture, explanation.steps(), alpha, colormap)
    else:
        raise WhylightError(f"style: expected 'overlay', 'panel' or 'map', got {style!r}")
    whole = np.empty((explanation.picture.height, explanation.picture.width, 3), dtype=np.uint8)
    for rows, pixels in some:
        whole[rows] = pixels
    return whole
