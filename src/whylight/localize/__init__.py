"""From maps to boxes."""

from whylight.boxes import Box, boxes_of, largest_boxes, overlap, suppress

__all__ = ["Box", "boxes_of", "largest_boxes", "overlap", "suppress"]
