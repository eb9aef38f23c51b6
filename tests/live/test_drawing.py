"""Frames are drawn fast, and look as pictures that are drawn with care do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from whylight.live.drawing import Look, draw
from whylight.render.boxes import draw_boxes
from whylight.render.colormap import apply
from whylight.render.overlay import layers


@pytest.mark.parametrize("colormap", ["plasma", "jet", "signed"])
@pytest.mark.parametrize("size", [(576, 768), (123, 457), (1080, 1920), (5, 7), (1, 1)])
def test_only_what_is_hot_is_drawn_and_nothing_else_is_missing(size: tuple[int, int], colormap: str) -> None:
    """Beside the whole picture blended with the whole map, and Pillow's boxes."""
    rng, (height, width) = np.random.default_rng(0), size
    pixels = rng.integers(0, 255, (height, width, 3), np.uint8)
    steps = np.zeros((max(1, height // 3), max(1, width // 3)), np.uint8)
    steps[2:20, 30:90] = rng.integers(0, 255, steps[2:20, 30:90].shape)
    steps[:1, -3:] = 200
    boxes = [(10.2, 20.7, 100, 90), (width - 30, height - 10, width + 0.0, height)]
    names = ["person 1", "kätzchen 2"]
    full = cv2.resize(steps, (width, height), interpolation=cv2.INTER_LINEAR)
    colour, keep = layers(colormap, 0.5)
    whole = np.asarray(cv2.add(cv2.multiply(pixels, apply(full, keep), scale=1 / 255), apply(full, colour)), np.uint8)
    wanted = np.asarray(draw_boxes(Image.fromarray(whole), boxes, names))
    before = pixels.copy()
    found = draw(pixels, steps, Look(colormap=colormap), boxes, names)
    assert np.array_equal(found, wanted)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (64, 48), (4320, 7680)])
def test_a_picture_of_any_size_has_its_line_of_text(size: tuple[int, int]) -> None:
    grey = np.full((*size, 3), 128, np.uint8)
    found = draw(grey, None, Look(), text="person 97 % — Kätzchen")
    assert found.shape == grey.shape
    assert (found != grey).any()
