"""What is erased is gone, and what is not is untouched."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from whylight.errors import WhylightError
from whylight.localize import Box
from whylight.localize.erase import Eraser, erase

BOX = Box(40, 30, 80, 70, 1.0)


@pytest.fixture
def picture() -> Image.Image:
    """A grey gradient with a red square in the box."""
    pixels = np.zeros((100, 150, 3), np.uint8) + np.linspace(60, 120, 150).astype(np.uint8)[None, :, None]
    pixels[30:70, 40:80] = (255, 0, 0)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("how", ["blur", "mean", "inpaint"])
def test_outside_of_the_enlarged_box_nothing_changes(picture: Image.Image, how: Eraser) -> None:
    before, after = np.array(picture), np.array(erase(picture, [BOX], how))
    changed = np.argwhere((before != after).any(2))
    assert changed[:, 0].min() >= 26
    assert changed[:, 0].max() < 74
    assert changed[:, 1].min() >= 36
    assert changed[:, 1].max() < 84


@pytest.mark.parametrize(("how", "red"), [("blur", 130), ("mean", 5), ("inpaint", 30)])
def test_the_object_is_gone(picture: Image.Image, how: Eraser, red: int) -> None:
    """How much redder than green the middle still is; it was 255."""
    after = np.array(erase(picture, [BOX], how)).astype(int)[45:55, 55:65]
    assert (after[..., 0] - after[..., 1]).mean() < red


def test_the_mean_is_that_of_the_surroundings() -> None:
    pixels = np.full((100, 100, 3), 200, np.uint8)
    pixels[40:60, 40:60] = 0
    assert (np.array(erase(Image.fromarray(pixels), [Box(40, 40, 60, 60, 1.0)], "mean")) == 200).all()


def test_a_box_over_everything_becomes_one_colour() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:, 10:] = 100
    for how in ("mean", "inpaint"):
        assert (np.array(erase(Image.fromarray(pixels), [Box(0, 0, 20, 20, 1.0)], how)) == 50).all()


def test_the_picture_given_is_left_as_it_is(picture: Image.Image) -> None:
    before = picture.tobytes()
    erase(picture, [BOX], "blur")
    assert picture.tobytes() == before


def test_a_box_at_the_rim_and_an_empty_one(picture: Image.Image) -> None:
    assert erase(picture, [Box(140, 90, 150, 100, 1.0)], "inpaint").size == picture.size
    assert erase(picture, [Box(10, 10, 10, 20, 1.0)], "blur", margin=0).tobytes() == picture.tobytes()


def test_an_unknown_eraser_is_named(picture: Image.Image) -> None:
    with pytest.raises(WhylightError, match="erase: expected one of blur, mean, inpaint, got 'rubber'"):
        erase(picture, [BOX], "rubber")  # type: ignore[arg-type]
