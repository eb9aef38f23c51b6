"""Small pictures for a page: a thumbnail, and a layer that over it looks as the overlay does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight import render
from whylight.render import thumbnail as small


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_thumbnail_is_small_and_the_same_picture(photo: Path) -> None:
    with Image.open(photo) as picture:
        data = small.thumbnail(picture)
        wanted = np.asarray(picture.resize((256, 256), Image.Resampling.BOX), dtype=float)
    assert len(data) < 12_000
    assert opened(data).size == (256, 256)
    assert np.abs(np.asarray(opened(data), dtype=float) - wanted).mean() < 6


@pytest.mark.parametrize("size", [(1, 1), (3, 20_000), (20_000, 3), (10, 10)])
def test_any_shape_of_picture_has_one(size: tuple[int, int]) -> None:
    made = opened(small.thumbnail(Image.new("RGB", size)))
    assert max(made.size) == min(256, max(size))


@pytest.mark.parametrize("colormap", ["plasma", "jet"])
def test_the_layer_over_the_picture_is_the_overlay(colormap: str, photo: Path) -> None:
    across = np.linspace(0, 1, 64, dtype=np.float32)
    heat = np.outer(across, across)
    with Image.open(photo) as whole:
        picture = whole.convert("RGB").resize((64, 64))
    wanted = np.asarray(render.overlay(picture, heat, alpha=0.5, colormap=colormap), dtype=float)
    layer = np.asarray(opened(small.layer(heat, colormap)).convert("RGBA"), dtype=float)
    covers = layer[..., 3:] / 255 * small.strength(colormap, 0.5)
    shown = np.asarray(picture, dtype=float) * (1 - covers) + layer[..., :3] * covers
    assert np.abs(shown - wanted).mean() < 5  # of 255: what a lossy format loses
    assert len(small.layer(heat, colormap)) < 2500


def test_no_evidence_covers_nothing() -> None:
    layer = np.asarray(opened(small.layer(np.zeros((48, 64)))).convert("RGBA"))
    assert layer.shape == (48, 64, 4)
    assert not layer[..., 3].any()
