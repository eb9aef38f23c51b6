"""The number beside a box: how probable the class is where the model is shown the box alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from whylight.images.preprocess import Preprocess
from whylight.localize import Box
from whylight.localize.alone import alone, judged

WHITE, GREY = (16, 16, 48, 32), (80, 40, 112, 56)


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    """The log-odds of "light" are 8 × the mean brightness − 4."""
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    conv = network[0]
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([8 / 3, 0.0])[:, None, None, None].expand(2, 3, 1, 1))
        assert conv.bias is not None
        conv.bias.copy_(torch.tensor([-4.0, 0.0]))
    return whylight.wrap(network, layer="0", classes=["light", "dark"], size=64, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.zeros((96, 128, 3), np.uint8)
    for (x0, y0, x1, y1), value in ((WHITE, 255), (GREY, 200)):
        pixels[y0:y1, x0:x1] = value
    return Image.fromarray(pixels)


def sigmoid(value: float) -> float:
    return float(torch.tensor(value).sigmoid())


def test_it_is_the_probability_of_what_is_in_the_box(model: whylight.Model, picture: Image.Image) -> None:
    asked = [Box(*WHITE, 1.0), Box(*GREY, 0.7), Box(0, 60, 64, 96, 0.1)]
    expected = [sigmoid(4.0), sigmoid(8 * 200 / 255 - 4), sigmoid(-4.0)]
    for most in (None, 1, 2):
        found = judged(model, picture, asked, 0, most)
        assert [box.probability for box in found] == pytest.approx(expected, abs=1e-5)
    assert [box[:5] for box in found] == [box[:5] for box in asked]
    assert [box.probability for box in judged(model, picture, asked, None)] == [None] * 3


def test_it_is_the_same_with_and_without_sequential(model: whylight.Model, picture: Image.Image) -> None:
    for sequential in (False, True):
        found = whylight.locate(
            model,
            picture,
            "light",
            method="cam",
            threshold=0.75,
            sequential=sequential,
            min_probability=0,
            max_objects=2,
        )
        assert found.boxes
        for box in found.boxes:
            inside = np.asarray(picture)[box.y0 : box.y1, box.x0 : box.x1].mean() / 255
            assert box.probability == pytest.approx(sigmoid(8 * inside - 4), abs=0.01)
        assert [box for step in found.steps for box in step.boxes] == found.boxes


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocess((64, 64)),
        Preprocess((64, 128)),
        Preprocess((64, 64), mode="crop", crop_pct=0.875),
        Preprocess((96, 64), mode="crop", crop_pct=0.5),
    ],
)
@pytest.mark.parametrize("box", [(10, 10, 90, 20), (10, 10, 14, 90), (3, 5, 4, 6), (0, 0, 100, 100)])
def test_all_of_the_box_is_seen_and_nothing_else(preprocessing: Preprocess, box: tuple[int, int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    shown = alone(Image.fromarray(pixels), box, preprocessing)
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = (shown.width - width) // 2, (shown.height - height) // 2
    region = preprocessing.region(shown.size)
    (x0, y0, x1, y1), (right, bottom) = region, (left + width, top + height)
    assert max(x0 - left, y0 - top, right - x1, bottom - y1) <= 1
    seen = np.array(shown)
    part = pixels[box[1] : box[3], box[0] : box[2]]
    assert (seen[top : top + height, left : left + width] == part).all()
    seen[top : top + height, left : left + width] = 0
    ground = {tuple(colour) for colour in seen.reshape(-1, 3).tolist()} - {(0, 0, 0)}
    assert ground <= {tuple(np.rint(part.reshape(-1, 3).mean(0)).astype(int).tolist())}


def test_a_class_that_the_model_does_not_see_has_no_boxes(model: whylight.Model, picture: Image.Image) -> None:
    for sequential in (False, True):
        found = whylight.locate(model, picture, "light", method="cam", sequential=sequential)
        assert found.boxes == []
        assert found.stopped.endswith("is below the least probability, 0.5; --min-probability 0 asks all the same")
        assert whylight.locate(model, picture, "light", method="cam", sequential=sequential, min_probability=0).boxes
        sure = found.steps[0].before
        assert sure is not None
        for least, boxes in ((sure - 1e-4, True), (sure + 1e-4, False)):
            again = whylight.locate(model, picture, "light", method="cam", sequential=sequential, min_probability=least)
            assert bool(again.boxes) == boxes
    # Without a name, the top class is what the model sees.
    assert whylight.locate(model, picture, method="cam").label == "dark"
    with pytest.raises(whylight.errors.WhylightError, match="min_probability: expected a probability from 0 to 1"):
        whylight.locate(model, picture, min_probability=1.5)
