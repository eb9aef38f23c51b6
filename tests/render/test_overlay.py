"""Overlays: against the blend written out in floats, and what people must be able to rely on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.errors import WhylightError
from whylight.render import overlay
from whylight.render.colormap import table


@pytest.fixture(scope="module")
def picture(photo: Path) -> Image.Image:
    with Image.open(photo) as file:
        return file.convert("RGB").resize((97, 64))


def test_jet_is_the_even_blend(picture: Image.Image) -> None:
    heat = np.random.default_rng(0).random((64, 97))
    colours = table("jet")[np.rint(heat * 255).astype(int)].astype(float)
    wanted = 0.6 * np.asarray(picture) + 0.4 * colours
    got = np.asarray(overlay(picture, heat, alpha=0.4, colormap="jet")).astype(float)
    assert np.abs(got - wanted).max() <= 1.5  # two roundings


def test_without_evidence_the_picture_stays_as_it_is_to_the_last_bit(picture: Image.Image) -> None:
    assert overlay(picture, np.zeros((64, 97))).tobytes() == picture.tobytes()
    heat = np.zeros((64, 97))
    heat[:, 50:] = 1
    assert (np.asarray(overlay(picture, heat))[:, :50] == np.asarray(picture)[:, :50]).all()


def test_opacity_grows_with_the_evidence(picture: Image.Image) -> None:
    """Over black and over white, the share of white that shines through must fall as the evidence rises."""
    ramp = np.linspace(0, 1, 256)[None]
    white, black = Image.new("RGB", (256, 1), "white"), Image.new("RGB", (256, 1))
    through = np.asarray(overlay(white, ramp)).astype(int) - np.asarray(overlay(black, ramp))
    share = through[0, :, 1] / 255
    assert share[0] == 1
    assert (np.diff(share) <= 1e-9).all()
    assert share[-1] < 0.45


@pytest.mark.parametrize("colormap", ["plasma", "jet"])
def test_alpha_goes_from_the_picture_alone_to_the_map_alone(picture: Image.Image, colormap: str) -> None:
    heat = np.ones((64, 97))
    assert overlay(picture, heat, alpha=0, colormap=colormap).tobytes() == picture.tobytes()
    assert (np.asarray(overlay(picture, heat, alpha=1, colormap=colormap)) == table(colormap)[255]).all()


def test_a_small_map_is_stretched_with_half_pixel_centres() -> None:
    black = Image.new("RGB", (40, 10))
    row = np.asarray(overlay(black, np.array([[0.0, 1.0]]), alpha=1, colormap="jet"))[5]
    # Of two cells over 40 pixels, the centres are at 10 and 30: flat outside them, halfway between them in the middle.
    assert (row[:10] == table("jet")[0]).all()
    assert (row[30:] == table("jet")[255]).all()
    assert np.abs(row[19:21].astype(int).mean(0) - table("jet")[127:129].mean(0)).max() < 20


def test_the_picture_given_is_left_alone_and_grey_ones_become_rgb(picture: Image.Image) -> None:
    before = picture.tobytes()
    overlay(picture, np.ones((64, 97)))
    assert picture.tobytes() == before
    assert overlay(picture.convert("L"), np.ones((64, 97))).mode == "RGB"


def test_one_pixel() -> None:
    assert overlay(Image.new("RGB", (1, 1), "red"), np.zeros((1, 1))).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_opacity_out_of_range_is_refused(picture: Image.Image, alpha: float) -> None:
    with pytest.raises(WhylightError, match="alpha is an opacity from 0"):
        overlay(picture, np.zeros((64, 97)), alpha=alpha)
