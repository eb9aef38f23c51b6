"""From maps to boxes."""

from whylight.boxes import Box, LocatedBox, boxes_of, largest_boxes, overlap, suppress

__all__ = ["Box", "LocatedBox", "boxes_of", "largest_boxes", "overlap", "suppress"]
