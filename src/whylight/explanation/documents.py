"""Explanations as documents for papers: PDF and SVG."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from whylight import render
from whylight.explanation.beside import grid_parts
from whylight.explanation.drawing import drawn
from whylight.explanation.explanation import PRINTED, Explanation
from whylight.explanation.parts import panel_parts
from whylight.render.grid import grid_document

_SHARP, _FEW = 3, 60  # so many times the pixels a side have the maps of a grid, where they are not more than so many


def document(
    explanations: Sequence[Explanation], style: str, kind: str, *, alpha: float = 0.5, colormap: str = render.DEFAULT
) -> bytes:
    """Draw explanations as the bytes of a `pdf` or `svg` file: words stay text, pictures of over 8 million pixels are reduced.

    Args:
        explanations: one; several for a grid.
        style: as for `drawn`, or `"grid"`.
        kind: `"pdf"` or `"svg"`.
        alpha, colormap: as for `Explanation.overlay`.
    """
    if style == "grid":
        finer = _SHARP if len(explanations) <= _FEW else 1
        return grid_document(kind, finer, **grid_parts(explanations, tile=200 * finer, alpha=alpha, colormap=colormap))
    small = explanations[0].reduced(PRINTED)[0]
    if style == "panel":
        return render.document(kind, panel_parts(small, alpha, colormap))
    return render.document(kind, Image.fromarray(drawn(small, style, alpha=alpha, colormap=colormap)))
