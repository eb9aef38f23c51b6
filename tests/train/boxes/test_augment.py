"""Boxes move with their pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from whylight.train import TrainConfig
from whylight.train.boxes.augment import BoxAugment, moved, stretched, warped
from whylight.train.data.folders import Item

STILL = {"shift": 0.0, "shear": 0.0, "rotate": 0.0, "zoom": 0.0, "flip": 0.0, "colour": 0.0}
BOX = torch.tensor([[3.0, 10, 20, 30, 60]], dtype=torch.float64)  # class 3, 20 × 40 pixels


def matrix(a: float, b: float, c: float, d: float, e: float, f: float) -> Tensor:
    return torch.tensor([[a, b, c], [d, e, f]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (matrix(1, 0, 0, 0, 1, 0), [3, 10, 20, 30, 60]),
        (matrix(-1, 0, 100, 0, 1, 0), [3, 70, 20, 90, 60]),  # mirrored in a picture of 100
        (matrix(1, 0, 5, 0, 1, -7), [3, 15, 13, 35, 53]),  # shifted
        (matrix(1.5, 0, 0, 0, 1.5, 0), [3, 15, 30, 45, 90]),  # scaled
        (matrix(0, -1, 100, 1, 0, 0), [3, 40, 10, 80, 30]),  # turned by 90°
        (matrix(1, 0, -20, 0, 1, 0), [3, 0, 20, 10, 60]),  # cut at the rim: half is left
        (matrix(1, 0, 50, 0, 1, 75), None),  # hardly anything is left
    ],
)
def test_boxes_by_hand(how: Tensor, expected: list[float] | None) -> None:
    result = moved(BOX, how, 100)
    assert result.tolist() == ([] if expected is None else [expected])


def test_a_turned_box_holds_the_turned_ellipse() -> None:
    cos, sin = math.cos(math.radians(30)), math.sin(math.radians(30))
    result = moved(BOX, matrix(cos, -sin, 40, sin, cos, -10), 100)[0].tolist()
    half_w, half_h = math.hypot(10 * cos, 20 * sin), math.hypot(10 * sin, 20 * cos)
    cx, cy = 20 * cos - 40 * sin + 40, 20 * sin + 40 * cos - 10
    assert result == pytest.approx([3, cx - half_w, cy - half_h, cx + half_w, cy + half_h])
    angles = np.linspace(0, 2 * math.pi, 10_000)
    x, y = 20 + 10 * np.cos(angles), 40 + 20 * np.sin(angles)
    xs, ys = cos * x - sin * y + 40, sin * x + cos * y - 10
    assert result[1:] == pytest.approx([xs.min(), ys.min(), xs.max(), ys.max()], abs=1e-5)


def test_stretched_by_hand() -> None:
    result = stretched([(1, 10, 20, 30, 40), (0, 0, 0, 200, 50)], (200, 50), (100, 100))
    assert result.tolist() == [[1, 5, 40, 15, 80], [0, 0, 0, 100, 100]]
    assert stretched((), (200, 50), (100, 100)).shape == (0, 5)


def test_pixels_move_exactly() -> None:
    picture = torch.randint(256, (3, 16, 16), dtype=torch.uint8)
    assert torch.equal(warped(picture, matrix(1, 0, 0, 0, 1, 0), 9), picture)
    assert torch.equal(warped(picture, matrix(-1, 0, 16, 0, 1, 0), 9), picture.flip(2))
    shifted = warped(picture, matrix(1, 0, 3, 0, 1, -2), 9)
    assert torch.equal(shifted[:, :14, 3:], picture[:, 2:, :13])
    assert (shifted[:, :, :3] == 9).all()


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """A dark picture of 120 × 80 pixels with a bright ellipse that fits its box (30, 16, 66, 56) exactly."""
    y, x = np.ogrid[:80, :120]
    inside = ((x + 0.5 - 48) / 18) ** 2 + ((y + 0.5 - 36) / 20) ** 2 <= 1
    pixels = np.where(inside[..., None], 255, 0).repeat(3, 2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return Item(tmp_path / "a.png", 0, "a.png", ((0, 30, 16, 66, 56),))


def test_a_still_picture_keeps_its_box(settings: Callable[..., TrainConfig], item: Item) -> None:
    config = settings(size=60, **STILL)
    picture, boxes = BoxAugment(config, [item], ("disc",))(item)
    assert picture.shape == (3, 60, 60)
    assert boxes.tolist() == [[0, 15, 12, 33, 42]]  # halved across, three quarters down
    mirrored = settings(size=60, **{**STILL, "flip": 1.0})
    picture, boxes = BoxAugment(mirrored, [item], ("disc",))(item)
    assert boxes.tolist() == [[0, 27, 12, 45, 42]]


def test_whatever_happens_the_box_fits_what_is_seen(settings: Callable[..., TrainConfig], item: Item) -> None:
    config = settings(size=120, rotate=40.0, shear=15.0, zoom=0.5, shift=0.1, flip=0.5, colour=0.0)
    augment = BoxAugment(config, [item], ("disc",))
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        how = augment._matrix()
        ellipse = torch.from_numpy(np.array(Image.open(item.path).resize((120, 120)))).permute(2, 0, 1)
        bright = (warped(ellipse, how, 0)[0] > 127).nonzero()
        box = moved(stretched(item.boxes, (120, 80), (120, 120)), how, 120)
        if len(box) == 0 or box[0, 1:].min() <= 0 or box[0, 1:].max() >= 120:
            continue  # what is cut off at the rim makes the ellipse smaller than its box
        (y0, x0), (y1, x1) = bright.min(0).values.tolist(), (bright.max(0).values + 1).tolist()
        assert box[0, 1:].tolist() == pytest.approx([x0, y0, x1, y1], abs=1.6)
        seen.add(round(float(box[0, 3] - box[0, 1])))
    assert len(seen) > 10


def test_depends_on_the_seed_alone(settings: Callable[..., TrainConfig], item: Item) -> None:
    augment = BoxAugment(settings(size=64, jpeg=0.5, blur=0.5), [item], ("disc",))
    torch.manual_seed(3)
    first = augment(item)
    torch.manual_seed(3)
    again = augment(item)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], augment(item)[0])
