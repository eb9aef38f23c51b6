"""Labelled pictures: found, checked, changed, dealt out."""
