"""Find one, erase it, look again: neighbours that one look joins, and spots that are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from whylight.localize import Box, overlap
from whylight.localize.erase import Eraser
from whylight.localize.sequential import _around

LEFT, RIGHT = (40, 40, 64, 64), (80, 40, 104, 64)  # two squares, closer to each other than the map's cells are wide


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    """Says "light" where the picture is light, "blue" where it is blue; its map of 8 × 8 cells knows each cell's mean."""
    network = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    conv = network[1]
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        # light: red and green; blue: blue without the others; none: a bias
        conv.weight.copy_(torch.tensor([[200.0, 200, 0], [-600, -600, 1200], [0, 0, 0]])[:, :, None, None])
        assert conv.bias is not None
        conv.bias.copy_(torch.tensor([0.0, 0.0, 2.0]))
    return whylight.wrap(network, layer="1", classes=["light", "blue", "none"], size=64, mean=(0, 0, 0), std=(1, 1, 1))


def draw(*squares: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> Image.Image:
    pixels = np.zeros((256, 256, 3), np.uint8)
    for (x0, y0, x1, y1), colour in squares:
        pixels[y0:y1, x0:x1] = colour
    return Image.fromarray(pixels)


@pytest.mark.parametrize("eraser", ["mean", "inpaint"])  # a blur leaves as much light as there was
def test_neighbours_that_one_look_joins_are_told_apart(model: whylight.Model, eraser: Eraser) -> None:
    picture = draw((LEFT, (255, 255, 255)), (RIGHT, (225, 225, 225)))
    (joined,) = whylight.locate(model, picture, "light", method="cam", threshold=0.4).boxes
    assert max(overlap(joined, LEFT), overlap(joined, RIGHT)) < 0.3
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.4, sequential=True, eraser=eraser)
    assert len(found.boxes) == 2
    assert overlap(found.boxes[0], LEFT) > 0.5
    assert overlap(found.boxes[1], RIGHT) > 0.5
    assert found.stopped == "the model no longer says light"


def test_a_small_object_gets_a_small_box(model: whylight.Model) -> None:
    """A square of 24 pixels covers less than one cell, of 32; a closer view's cells are smaller."""
    picture = draw((LEFT, (255, 255, 255)))
    coarse = whylight.locate(model, picture, "light", method="cam", threshold=0.4).boxes[0]
    (fine,) = whylight.locate(model, picture, "light", method="cam", threshold=0.4, sequential=True).boxes
    assert overlap(coarse, LEFT) < 0.4 < 0.6 < overlap(fine, LEFT)


SPOT, FRAME = (164, 164, 188, 188), (152, 152, 200, 200)  # white on blue: light by itself, blue with its frame


def test_a_spot_that_is_something_else_seen_closer_is_passed_over(model: whylight.Model) -> None:
    others = [(4 + 64 * k, 36, 28 + 64 * k, 60) for k in range(4)]
    picture = draw((FRAME, (0, 0, 100)), (SPOT, (255, 255, 255)), *((one, (230, 230, 230)) for one in others))
    assert whylight.explain(model, picture, method="cam").label == "light"
    first = whylight.locate(model, picture, "light", method="cam", threshold=0.4).boxes[0]
    assert overlap(first, SPOT) > 0.2
    found = whylight.locate(
        model, picture, "light", method="cam", threshold=0.4, sequential=True, eraser="mean", max_objects=2
    )
    assert len(found.boxes) == 2
    assert all(overlap(box, SPOT) == 0 for box in found.boxes)
    assert all(max(overlap(box, one) for one in others) > 0.4 for box in found.boxes)


def test_where_no_view_alone_says_the_class_the_first_look_counts(model: whylight.Model) -> None:
    """The whole picture is light, for it is grey all over; its lightest spot, seen closer, is blue."""
    grey = (0, 0, 256, 256), (10, 10, 10)
    picture = draw(grey, (FRAME, (0, 0, 100)), (SPOT, (255, 255, 255)))
    assert whylight.explain(model, picture, method="cam").label == "light"
    one = whylight.locate(model, picture, "light", method="cam", threshold=0.4)
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.4, sequential=True)
    assert found.boxes[0][:4] == one.boxes[0][:4]


def test_a_view_is_a_square_around_the_box_and_ends_at_the_rim() -> None:
    assert _around(Box(100, 50, 140, 70, 1.0), (400, 300)) == (70, 10, 170, 110)
    assert _around(Box(0, 0, 40, 20, 1.0), (400, 300)) == (0, 0, 70, 60)
    assert _around(Box(100, 100, 104, 102, 1.0), (400, 300)) == (90, 89, 114, 113)  # 24 pixels at least
