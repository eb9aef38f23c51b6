"""Scores of the parts of a face: hand-computed, and from maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import WhylightError
from whylight.faces.parts import FACIAL, NAMES, parts_of
from whylight.faces.scores import PartScore, off_face, score_parts, significant
from whylight.faces.types import Face, FaceCrop, FacePart, Point
from whylight.localize import Box


@pytest.fixture(scope="module")
def parts() -> dict[str, FacePart]:
    eyes = Point(87.0, 103.0), Point(137.0, 103.0)
    face = Face(Box(60, 60, 160, 180, 1.0), "haar", "frontalface_alt2")
    crop = FaceCrop(Image.new("RGB", (224, 224)), np.eye(3)[:2], face, eyes, "box")
    return parts_of(crop, source="geometry")


def region(name: str, *rows: str) -> FacePart:
    return FacePart(name, np.array([[cell == "x" for cell in row] for row in rows]), Point(0, 0), "geometry")


def test_hand_computed() -> None:
    heat = np.array([[1.0, 0.0, 0.2], [0.6, 0.0, 0.2]])
    nose, mouth = region("nose", "x..", "x.."), region("mouth", "..x", "...")
    hair, smile = region("hair", ".x.", ".xx"), region("smile", "x.x", "...")
    scores = score_parts(heat, {part.name: part for part in (nose, mouth, hair, smile)})
    assert [one.name for one in scores] == ["nose", "mouth", "hair", "smile"]
    assert [one.score for one in scores] == pytest.approx([(255 + 153) / 510, 51 / 255, 51 / 765, (255 + 51) / 510])
    assert [one.share for one in scores] == pytest.approx([0.8, 0.1, 0.1, 0.6])
    assert [one.lift for one in scores] == pytest.approx([0.8 * 3, 0.1 * 6, 0.1 * 2, 0.6 * 3])
    assert off_face(scores) == pytest.approx(0.1)


def test_the_score_is_that_of_the_grey_picture() -> None:
    """0.3 is grey 76, not 76.5: whoever opens the written map finds the same score."""
    heat = np.full((2, 2), 0.3)
    (one,) = score_parts(heat, {"nose": region("nose", "xx", "x.")})
    assert one.score == 76 / 255
    grey = np.asarray(Image.fromarray((heat * 255).round().astype(np.uint8)))
    assert one.score == pytest.approx(grey[0].mean() / 255)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_map_of_ones_scores_exactly_one_everywhere(parts: dict[str, FacePart], kind: type[np.floating]) -> None:
    scores = score_parts(np.ones((224, 224), kind), parts)
    assert {*NAMES} - {"smile"} == {one.name for one in scores}
    assert all(one.score == 1.0 for one in scores)
    assert [one.lift for one in scores] == pytest.approx([1.0] * len(scores))
    assert sum(one.share for one in scores) == pytest.approx(1)
    assert [one.name for one in significant(scores, 1.0)] == sorted(
        (one.name for one in scores if one.name in FACIAL),
        key=lambda name: -int(parts[name].mask.sum()),
    )


@pytest.mark.parametrize("name", ["right_eye", "left_eye"])
def test_a_map_hot_on_one_eye_singles_out_that_eye(parts: dict[str, FacePart], name: str) -> None:
    y, x = np.mgrid[:224, :224] + 0.5
    centre = parts[name].centre
    heat = np.exp(-((x - centre.x) ** 2 + (y - centre.y) ** 2) / (2 * 12.0**2))
    scores = score_parts(heat / heat.max(), parts)
    assert [one.name for one in significant(scores, 0.5)] == [name]
    best = max(scores, key=lambda one: one.lift)
    assert best.name == name
    assert best.lift > 10
    assert off_face(scores) < 0.02


def test_no_evidence_is_no_score(parts: dict[str, FacePart]) -> None:
    scores = score_parts(np.zeros((224, 224)), parts)
    assert all((one.score, one.share, one.lift) == (0.0, 0.0, 0.0) for one in scores)
    assert significant(scores, 0.0) == []
    assert off_face(scores) == 0


def test_evidence_off_the_face_is_told(parts: dict[str, FacePart]) -> None:
    heat = np.zeros((224, 224))
    heat[parts["background"].mask] = 0.5
    heat[parts["hair"].mask] = 0.5
    scores = score_parts(heat, parts)
    assert off_face(scores) == pytest.approx(1)
    assert significant(scores, 0.1) == []


def test_significant_are_features_by_score() -> None:
    made = [
        PartScore(name, score, share, 1.0, "geometry")
        for name, score, share in (
            ("nose", 0.6, 0.1),
            ("mouth", 0.9, 0.1),
            ("forehead", 1.0, 0.3),
            ("left_eye", 0.6, 0.2),
            ("smile", 0.5, 0.1),
            ("chin", 0.9, 0.1),
        )
    ]
    assert [one.name for one in significant(made, 0.5)] == ["mouth", "left_eye", "nose", "smile"]
    assert [one.name for one in significant(made, 0.55)] == ["mouth", "left_eye", "nose"]
    assert significant(made, 0.95) == []


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_named(threshold: float) -> None:
    with pytest.raises(WhylightError, match=r"threshold: expected a score in \[0, 1\]"):
        significant([], threshold)


@pytest.mark.parametrize(
    ("heat", "wrong"),
    [
        (np.full((2, 3), 1.5), r"heat: expected finite values in \[0, 1\], got 0 … 1.5"),
        (np.full((2, 3), -0.5), "heat: expected finite values"),
        (np.full((2, 3), np.nan), "heat: expected finite values"),
        (np.zeros((3, 2)), r"heat: \(3, 2\) is not the size of the mask of nose, \(2, 3\)"),
        (np.zeros((1, 2, 3)), r"heat: expected a map \(H, W\), got \(1, 2, 3\)"),
    ],
)
def test_an_unusable_map_is_named(heat: NDArray[np.float64], wrong: str) -> None:
    with pytest.raises(WhylightError, match=wrong):
        score_parts(heat, {"nose": region("nose", "x..", "x..")})


def test_an_empty_part_is_named() -> None:
    with pytest.raises(WhylightError, match="nose: its mask is empty"):
        score_parts(np.zeros((1, 2)), {"nose": region("nose", "..")})
