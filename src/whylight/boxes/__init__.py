"""Boxes in pictures: cut out of maps, matched with one another, written in the forms that other tools read."""

from whylight.boxes.box import Box, boxes_of, enlarged, largest_boxes, overlap, suppress

__all__ = ["Box", "boxes_of", "enlarged", "largest_boxes", "overlap", "suppress"]
