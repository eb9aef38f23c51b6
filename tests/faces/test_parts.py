"""The parts of a face: a partition of the crop, in the right places, each with the source that told where it is."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from whylight.errors import FaceError, WhylightError
from whylight.faces.align import ARCFACE, PORTRAIT, crop
from whylight.faces.features.geometry import FIVE, Frame, bent, by_eyes, by_points
from whylight.faces.features.outlines import ORDER, middle, outlines, paint
from whylight.faces.features.partcascades import PartCascades
from whylight.faces.features.typical import MIRROR, typical
from whylight.faces.parts import FACIAL, NAMES, parts_of
from whylight.faces.types import Face, FaceCrop, FacePart, Point, Template
from whylight.localize import Box

EYES = {"right_eye": Point(203.6, 101.0), "left_eye": Point(246.6, 103.0)}  # of the astronaut, by hand


@pytest.fixture(scope="module")
def astronaut(photo: Path) -> FaceCrop:
    face = Face(Box(176, 60, 280, 200, 1.0), "haar", "frontalface_alt2", EYES)
    return crop(Image.open(photo).convert("RGB"), face, PORTRAIT)


def blank(
    eyes: tuple[Point, Point], size: tuple[int, int] = (224, 224), points: dict[str, Point] | None = None
) -> FaceCrop:
    face = Face(Box(0, 0, size[1], size[0], 1.0), "yunet", "yunet", points or {})
    return FaceCrop(Image.new("RGB", (size[1], size[0])), np.eye(3)[:2], face, eyes, "eyes")


def covered(parts: dict[str, FacePart]) -> np.ndarray:
    """In how many parts each pixel lies, the smile left out."""
    return np.sum([part.mask for name, part in parts.items() if name != "smile"], axis=0)


@pytest.mark.parametrize("template", [ARCFACE, PORTRAIT, Template((37, 90), Point(0.4, 0.5), Point(0.6, 0.5))])
def test_parts_are_a_partition_of_the_crop(template: Template, photo: Path) -> None:
    face = Face(Box(176, 60, 280, 200, 1.0), "haar", "frontalface_alt2", EYES)
    parts = parts_of(crop(Image.open(photo), face, template))
    assert all(part.mask.shape == template.size and part.mask.dtype == bool for part in parts.values())
    assert (covered(parts) == 1).all()
    assert [*parts] == [name for name in NAMES if name in parts]
    assert all(part.mask.any() for part in parts.values())


def test_left_and_right_are_the_persons_own() -> None:
    parts = parts_of(blank((Point(87, 103), Point(137, 103))), source="geometry")
    for name in ("eye", "eyebrow", "cheek"):
        assert parts[f"right_{name}"].centre.x < 112 < parts[f"left_{name}"].centre.x


def test_geometry_is_symmetrical_and_in_order_from_top_to_bottom() -> None:
    parts = parts_of(blank((Point(87, 103), Point(137, 103))), source="geometry")
    for one, other in (("right_eye", "left_eye"), ("right_eyebrow", "left_eyebrow"), ("right_cheek", "left_cheek")):
        assert abs(int(parts[one].mask.sum()) - int(parts[other].mask.sum())) <= 0.04 * parts[one].mask.sum()
        assert parts[one].centre.x + parts[other].centre.x == pytest.approx(224, abs=1)
    heights = [parts[name].centre.y for name in ("forehead", "right_eyebrow", "right_eye", "nose", "mouth", "chin")]
    assert heights == sorted(heights)
    assert all(parts[name].centre.x == pytest.approx(112, abs=0.6) for name in ("nose", "mouth", "chin", "forehead"))
    assert parts["right_eye"].centre == pytest.approx((87, 103), abs=3.5)
    assert {part.source for part in parts.values()} == {"geometry"}


def test_geometry_turns_and_grows_with_the_eyes() -> None:
    level = parts_of(blank((Point(87, 103), Point(137, 103))), source="geometry")
    angle, scale = math.radians(30), 0.8
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * scale

    def moved(point: Point) -> Point:
        return Point(*(turn @ np.subtract(point, (112, 103)) + (112, 103)).tolist())

    turned = parts_of(blank((moved(Point(87, 103)), moved(Point(137, 103)))), source="geometry")
    for name in ("nose", "mouth", "left_eye", "right_eyebrow"):
        assert turned[name].centre == pytest.approx(moved(level[name].centre), abs=0.7)
        assert turned[name].mask.sum() == pytest.approx(level[name].mask.sum() * scale**2, rel=0.12)


def test_a_part_outside_of_the_crop_is_left_out() -> None:
    parts = parts_of(blank((Point(87, 210), Point(137, 210))), source="geometry")
    assert {"mouth", "chin"}.isdisjoint(parts)
    assert {"nose", "left_eye", "hair", "background"} <= {*parts}
    assert (covered(parts) == 1).all()


@pytest.mark.parametrize(
    "eyes",
    [
        (Point(112, 100), Point(112, 100)),  # in one place
        (Point(-5000, 40), Point(-4900, 40)),  # far outside
        (Point(-40000, 112), Point(40000, 112)),  # the crop lies within the nose
        (Point(137, 100), Point(87, 100)),  # upside down
    ],
)
def test_odd_eyes_still_make_a_partition(eyes: tuple[Point, Point]) -> None:
    parts = parts_of(blank(eyes))
    assert (covered(parts) == 1).all()


def test_cascades_find_the_astronauts_features(astronaut: FaceCrop, data_dir: Path) -> None:
    parts = parts_of(astronaut, cascades=data_dir / "cascades")
    assert {name for name, part in parts.items() if part.source == "haar"} == {
        "right_eye",
        "left_eye",
        "nose",
        "mouth",
        "smile",
    }
    unit = Frame.of(*astronaut.eyes).unit
    by_hand = {"right_eye": (203.6, 101), "left_eye": (246.6, 103), "nose": (226, 119), "mouth": (223.6, 146)}
    for name, place in by_hand.items():
        there = astronaut.matrix[:, :2] @ place + astronaut.matrix[:, 2]
        assert math.dist(parts[name].centre, there) < 0.2 * unit, name
    assert (parts["smile"].mask & parts["mouth"].mask).sum() > 0.7 * parts["mouth"].mask.sum()
    assert (covered(parts) == 1).all()


def test_the_wheels_cascades_are_enough_for_eyes_and_smile(astronaut: FaceCrop) -> None:
    parts = parts_of(astronaut)
    assert {name for name, part in parts.items() if part.source == "haar"} == {"right_eye", "left_eye", "smile"}
    assert parts_of(astronaut, source="geometry")["right_eye"].source == "geometry"


def test_eyes_that_are_only_guessed_are_corrected_by_the_cascade(photo: Path) -> None:
    """A box says about where the eyes are; the rest of the face follows what the eye cascade found."""
    picture = Image.open(photo).convert("RGB")
    exact = crop(picture, Face(Box(176, 60, 280, 200, 1.0), "haar", "frontalface_alt2", EYES), PORTRAIT)
    shift = Point(exact.eyes[0].x + 6, exact.eyes[0].y + 6), Point(exact.eyes[1].x + 6, exact.eyes[1].y + 6)
    guessed = FaceCrop(exact.picture, exact.matrix, exact.face, shift, "box")
    right = parts_of(exact, source="geometry")["mouth"].centre
    wrong = parts_of(guessed, source="geometry")["mouth"].centre
    better = parts_of(guessed)["mouth"].centre
    assert math.dist(wrong, right) == pytest.approx(math.hypot(6, 6), abs=0.5)
    assert math.dist(better, right) < 4


def test_a_picture_without_a_face_falls_back_to_geometry() -> None:
    parts = parts_of(blank((Point(87, 103), Point(137, 103))))
    assert {part.source for part in parts.values()} == {"geometry"}
    assert "smile" not in parts


def test_a_detectors_five_points_bend_the_typical_face() -> None:
    eyes = Point(87, 103), Point(137, 103)
    frame = Frame.of(*eyes)
    places = dict(zip(FIVE, frame.to_crop(np.array([*FIVE.values()])).tolist(), strict=True))
    usual = blank(eyes, points={name: Point(*place) for name, place in places.items()})
    bent_to = by_points(usual)
    assert bent_to is not None
    np.testing.assert_allclose(bent_to, by_eyes(frame), atol=1e-6)  # a typical face is left as it is

    turned = {
        name: Point(x + (12 if name == "nose" else 6 if "mouth" in name else 0), y) for name, (x, y) in places.items()
    }
    parts, before = parts_of(blank(eyes, points=turned)), parts_of(usual)
    assert parts["nose"].centre.x - before["nose"].centre.x > 4
    assert parts["mouth"].centre.x - before["mouth"].centre.x == pytest.approx(6, abs=1.5)
    assert parts["right_eye"].centre == pytest.approx(before["right_eye"].centre, abs=1.5)
    assert {name for name, part in parts.items() if part.source == "landmarks"} == {
        "right_eye",
        "left_eye",
        "nose",
        "mouth",
    }
    only_eyes = parts_of(blank(eyes, points=turned), source="geometry")
    assert {part.source for part in only_eyes.values()} == {"geometry"}

    absurd = turned | {"nose": Point(10.0, 10.0)}
    assert by_points(blank(eyes, points=absurd)) is None


def test_bending_passes_through_its_points() -> None:
    here = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.4, 0.6]])
    there = here + np.array([[0.1, 0], [0, 0.2], [-0.1, 0], [0, 0], [0.3, -0.1]])
    np.testing.assert_allclose(bent(here, here, there), there, atol=1e-12)


def test_the_frame_goes_there_and_back() -> None:
    frame = Frame.of(Point(30, 50), Point(60, 90))
    assert frame.unit == 50
    np.testing.assert_allclose(frame.to_crop(np.array([[-0.5, 0], [0.5, 0], [0, 1.0]])), [[30, 50], [60, 90], [5, 100]])
    points = np.random.default_rng(0).normal(size=(9, 2))
    np.testing.assert_allclose(frame.to_face(frame.to_crop(points)), points, atol=1e-12)


def test_the_typical_face_is_its_own_mirror_image() -> None:
    points = typical()
    for right, left in MIRROR.items():
        assert MIRROR[left] == right
        np.testing.assert_allclose(points[right], points[left] * (-1, 1))
    assert np.isfinite(points).all(1).sum() == len(MIRROR)


def test_later_parts_lie_in_front() -> None:
    square = np.array([[2.0, 2], [8, 2], [8, 8], [2, 8]])
    masks = paint({"nose": square, "right_cheek": square + np.array([3, 0])}, unit=1.0, size=(10, 12))
    assert [*masks] == ["background", "right_cheek", "nose"]
    assert masks["nose"][2:8, 2:8].all()
    assert not masks["right_cheek"][2:8, 2:8].any()
    assert masks["right_cheek"][3:7, 9:10].all()


def test_the_middle_of_an_outline_is_that_of_its_mask() -> None:
    shapes = outlines(by_eyes(Frame.of(Point(300, 400), Point(500, 420))))
    for name in ("nose", "mouth", "left_eyebrow"):
        mask = np.zeros((1000, 900), np.uint8)
        cv2.fillPoly(mask, [(shapes[name] - 0.5).round().astype(np.int32)], 1)
        y, x = np.nonzero(mask)
        assert middle(shapes[name]) == pytest.approx((x.mean() + 0.5, y.mean() + 0.5), abs=1)


def test_an_unknown_source_is_named(astronaut: FaceCrop) -> None:
    with pytest.raises(WhylightError, match=r"source: expected one of auto, landmarks, haar, geometry, got 'eyes'"):
        parts_of(astronaut, source="eyes")  # type: ignore[arg-type]
    with pytest.raises(WhylightError, match="source: landmarks need FaceMesh's weights"):
        parts_of(astronaut, source="landmarks")


def test_cascades_that_cannot_be_loaded(astronaut: FaceCrop, tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="nowhere") as caught:
        parts_of(astronaut, cascades=tmp_path / "nowhere")
    assert caught.value.code == 2
    (tmp_path / "haarcascade_mcs_nose.xml").write_text("<opencv_storage>")
    with pytest.raises(FaceError, match=r"haarcascade_mcs_nose\.xml") as caught:
        parts_of(astronaut, cascades=tmp_path)
    assert caught.value.code == 2
    assert parts_of(astronaut, source="geometry", cascades=tmp_path)  # which needs none


def test_cascades_read_once_serve_many_crops(astronaut: FaceCrop, data_dir: Path) -> None:
    read = PartCascades(data_dir / "cascades")
    one, other = parts_of(astronaut, cascades=read), parts_of(astronaut, cascades=data_dir / "cascades")
    assert all((one[name].mask == other[name].mask).all() for name in one)


def test_names() -> None:
    assert {*ORDER} | {"smile"} == {*NAMES}
    assert {*FACIAL} < {*NAMES}
