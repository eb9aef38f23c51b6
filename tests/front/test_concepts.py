"""Concepts: what the factorisation finds reaches the user with the right place, label and colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from whylight import render
from whylight.errors import ImageError, MethodError, WhylightError
from whylight.models.model import Model
from whylight.render.concepts import COLOURS


@pytest.fixture
def model() -> Model:
    """Its channels are red and green, and so are its classes."""
    first = nn.Conv2d(3, 2, 4, stride=4, bias=False)
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0] = first.weight[1, 1] = 1 / 16
    last = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        last.weight.copy_(10 * torch.eye(2))
    network = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
    return whylight.wrap(network, classes=["red", "green"], size=32, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def picture() -> np.ndarray:
    """Red on the left, a weaker green on the right."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16, 0], pixels[:, 16:, 1] = 255, 128
    return pixels


def test_two_colours_are_two_concepts(model: Model, picture: np.ndarray) -> None:
    found = whylight.concepts(model, picture, concepts=2)
    assert found.labels == ("red", "green"), "the strongest first"
    assert found.unexplained < 1e-3
    left, right = torch.zeros(8, 8), torch.zeros(8, 8)
    left[:, :4], right[:, 4:] = 1, 128 / 255
    torch.testing.assert_close(found.maps, torch.stack([left, right]), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.directions, torch.eye(2), atol=1e-3, rtol=1e-3)
    # The head sees one concept alone: half of the places are 1, so the logits are 5 and 0.
    assert found.probabilities[0] == pytest.approx(1 / (1 + np.exp(-5)), rel=1e-3)


def test_several_pictures_share_their_concepts(model: Model, picture: np.ndarray) -> None:
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    one, other = whylight.concepts(model, [picture, mirrored], concepts=2)
    assert one.labels == other.labels
    torch.testing.assert_close(one.directions, other.directions)
    torch.testing.assert_close(one.maps.flip(2), other.maps, atol=1e-3, rtol=1e-3)


def test_colours_and_legend(model: Model, picture: np.ndarray, tmp_path: Path) -> None:
    found = whylight.concepts(model, picture, concepts=2)
    drawn = np.asarray(found.overlay(alpha=1.0))
    assert tuple(drawn[16, 4]) == COLOURS[0]
    assert tuple(drawn[16, 28]) == COLOURS[1]
    path = found.save(tmp_path / "concepts.png")
    with Image.open(path) as image:
        panel = np.asarray(image.convert("RGB"))
    for colour in COLOURS[:2]:
        assert (panel == colour).all(2).sum() >= 18 * 18, "a patch of each colour in the legend"
    with pytest.raises(WhylightError, match=r"cannot write \.gif; use \.png or \.jpg"):
        found.save(tmp_path / "concepts.gif")


def test_where_nothing_is_there_is_no_colour() -> None:
    picture = Image.new("RGB", (6, 4), "grey")
    assert render.blend(picture, np.zeros((3, 4, 6))).tobytes() == picture.tobytes()


def test_a_black_picture_has_no_concepts(model: Model) -> None:
    found = whylight.concepts(model, np.zeros((32, 32, 3), np.uint8), concepts=3)
    assert not found.maps.any()
    assert found.maps.isfinite().all()
    assert found.unexplained == 0


def test_wrong_use(model: Model, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="black box"):
        whylight.concepts(whylight.wrap_callable(lambda x: x.mean((2, 3)), size=8), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(MethodError, match="concepts"):
        whylight.concepts(model, np.zeros((32, 32, 3), np.uint8), concepts=0)
    with pytest.raises(ImageError, match=r"nothing\.png"):
        whylight.concepts(model, tmp_path / "nothing.png")
