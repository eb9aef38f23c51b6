"""Boxes in pictures: cut out of maps, matched with one another, written in the forms that other tools read."""
