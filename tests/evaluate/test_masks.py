"""The average precision of pixels against wsolevaluation's own test numbers, and against sorting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.errors import DataError
from whylight.evaluate.masks import curve, histogram, load, pxap

# Pixels of the object and others in the masks of wsolevaluation's tests (224 × 224; the rest is ignored).
COUNTS = [(43031, 7145), (833, 49342), (347, 13909)]


def mask_of(inside: int, outside: int) -> tuple[np.ndarray, np.ndarray]:
    flat = np.full(224 * 224, 255)
    flat[:inside], flat[inside : inside + outside] = 1, 0
    values = flat.reshape(224, 224)
    return values == 1, values != 255


@pytest.mark.parametrize(("inside", "outside"), COUNTS)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_map_scores_the_objects_share(inside: int, outside: int, value: float) -> None:
    mask, counted = mask_of(inside, outside)
    heat = np.full((224, 224), value, np.float32)
    assert pxap(histogram(heat, mask, counted)) == pytest.approx(inside / (inside + outside))


@pytest.mark.parametrize(("inside", "outside"), COUNTS)
@pytest.mark.parametrize("ignored", [0.0, 1.0])
def test_a_perfect_map_scores_one_whatever_it_shows_on_ignored_pixels(
    inside: int, outside: int, ignored: float
) -> None:
    mask, counted = mask_of(inside, outside)
    heat = np.where(counted, mask, ignored).astype(np.float32)
    assert pxap(histogram(heat, mask, counted)) == 1


def test_by_going_through_the_thresholds() -> None:
    rng = np.random.default_rng(1)
    heats = rng.random((3, 20, 30)).astype(np.float32)
    masks = rng.random((3, 20, 30)) < heats**2
    counts = sum(histogram(heat, mask) for heat, mask in zip(heats, masks, strict=True))
    score, before = 0.0, 0.0
    for step in range(100, -1, -1):
        hot = heats >= step / 100 if step else np.ones_like(masks)
        found = (masks & hot).sum()
        recall = found / masks.sum()
        score += (found / hot.sum() if hot.any() else 0) * (recall - before)
        before = recall
    assert pxap(counts) == pytest.approx(score)


def test_no_object_no_score() -> None:
    counts = histogram(np.ones((2, 2), np.float32), np.zeros((2, 2), bool))
    assert np.isnan(pxap(counts))
    assert counts[1].sum() == 4
    assert curve(counts)[0].tolist() == [0] * 101


def test_masks_of_every_kind(tmp_path: Path) -> None:
    person = np.zeros((4, 6), np.uint8)
    person[1:3, 2:5], person[0, 0] = 3, 255
    Image.fromarray(person).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([person, person * 0, person * 0, np.full_like(person, 255)], 2)).save(
        tmp_path / "rgba.png"
    )
    for name in ("grey.png", "rgba.png"):
        inside, counted = load(tmp_path / name, (4, 6), ignore=255)
        assert (inside == (person == 3)).all()
        assert (counted == (person != 255)).all()
    inside, counted = load(tmp_path / "grey.png", (4, 6))
    assert (inside == (person > 0)).all()
    assert counted.all()
    assert load(tmp_path / "grey.png", (8, 12), ignore=255)[0].sum() == 4 * 6
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.png: this mask cannot be read .* export it again, as PNG"):
        load(tmp_path / "text.png", (4, 6))
