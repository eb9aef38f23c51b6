"""Epochs, steps, and the state on disk that they go on from."""
