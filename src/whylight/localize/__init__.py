"""From maps to boxes."""

from whylight.localize.boxes import Box, boxes_of

__all__ = ["Box", "boxes_of"]
