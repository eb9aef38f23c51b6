"""Faces: who is it, where did the model look, and say it in words."""
