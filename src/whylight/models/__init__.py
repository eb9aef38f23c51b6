"""Classifiers: where they come from, and how they are split in two."""
