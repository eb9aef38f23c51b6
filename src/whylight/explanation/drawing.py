"""An explanation to the pixels and the bytes of a picture, with little memory beside them: pictures may have 100 megapixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whylight import render
from whylight.errors import WhylightError
from whylight.explanation.explanation import Explanation
from whylight.render.colormap import apply, table
from whylight.render.overlay import overlay_pixels


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
    if style == "map":
        return apply(explanation.steps(), table(colormap))
    if style == "overlay":
        return overlay_pixels(explanation.picture, explanation.steps(), alpha=alpha, colormap=colormap)
    if style == "panel":
        return np.array(explanation.panel(alpha=alpha, colormap=colormap))
    raise WhylightError(f"style: expected 'overlay', 'panel' or 'map', got {style!r}")


def encoded(
    explanation: Explanation, style: str, suffix: str, *, alpha: float = 0.5, colormap: str = render.DEFAULT
) -> bytes:
    """Draw an explanation and encode it as PNG or JPEG.

    For a picture of 100 megapixels that takes about 600 MB beside it.

    Args:
        explanation: what is drawn.
        style: as for `drawn`.
        suffix: `"png"` or `"jpg"`.
        alpha: as for `Explanation.overlay`.
        colormap: as for `Explanation.overlay`.

    Raises:
        WhylightError: if the style, opacity or colormap cannot be used.
        WriteError: if the format has no room for the picture.
    """
    return render.encode(drawn(explanation, style, alpha=alpha, colormap=colormap), suffix, spoil=True)
