"""Heat maps and pictures to pictures: pure functions on numpy arrays and PIL pictures, no model in sight."""

from __future__ import annotations

from whylight.render.boxes import COLOURS, draw_boxes, strip
from whylight.render.colormap import DEFAULT, SIGNED, colorize
from whylight.render.concepts import blend, concept_panel
from whylight.render.encode import check_sides, encode
from whylight.render.overlay import overlay
from whylight.render.panel import document, panel

__all__ = [
    "COLOURS",
    "DEFAULT",
    "SIGNED",
    "blend",
    "check_sides",
    "colorize",
    "concept_panel",
    "document",
    "draw_boxes",
    "encode",
    "overlay",
    "panel",
    "strip",
]
