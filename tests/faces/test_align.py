"""Crops: what lies where, how it is turned, what fills the rest, and the way back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from whylight.errors import FaceError, WhylightError
from whylight.faces.align import ARCFACE, EYES_IN_BOX, PORTRAIT, crop, eyes_from_box, similarity, to_crop, to_picture
from whylight.faces.types import Face, Point, Template
from whylight.localize import Box

RIGHT, LEFT = Point(204.6, 105.0), Point(246.7, 105.0)  # the astronaut's eyes
PLAIN = Template((40, 40), Point(0.25, 0.5), Point(0.75, 0.5))


def face(right: tuple[float, float], left: tuple[float, float]) -> Face:
    return Face(Box(0, 0, 9, 9, 1.0), "haar", "haar", {"right_eye": Point(*right), "left_eye": Point(*left)})


def dots(size: tuple[int, int], *places: tuple[float, float], radius: float = 3) -> Image.Image:
    """White discs on black, a place's first pixel centred at (0.5, 0.5)."""
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    near = np.min([np.hypot(x - a, y - b) for a, b in places], axis=0)
    pixels = (255 * np.clip(radius + 0.5 - near, 0, 1)).astype(np.uint8)
    return Image.fromarray(np.stack([pixels] * 3, 2))


def centre_of(picture: Image.Image, *, left_half: bool) -> tuple[float, float]:
    """Centre of what is bright in one half of a picture."""
    grey = np.asarray(picture.convert("L"), float)
    half = grey.shape[1] // 2
    grey[:, half:] *= not left_half
    grey[:, :half] *= left_half
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]] + 0.5
    return float((grey * x).sum() / grey.sum()), float((grey * y).sum() / grey.sum())


def test_a_similarity_is_the_least_squares_one() -> None:
    generator = np.random.default_rng(0)
    here, there = generator.normal(size=(5, 2)), generator.normal(size=(5, 2))
    # The same as a plain linear problem in (a, b, c, d): x' = a x - b y + c, y' = b x + a y + d.
    rows = [row for x, y in here for row in ((x, -y, 1, 0), (y, x, 0, 1))]
    a, b, c, d = np.linalg.lstsq(np.array(rows), there.ravel(), rcond=None)[0]
    assert similarity(here, there) == pytest.approx(np.array([[a, -b, c], [b, a, d]]))


def test_points_in_one_place_tell_no_similarity() -> None:
    with pytest.raises(WhylightError, match="all points are in one place"):
        similarity([(3, 3), (3, 3)], [(0, 0), (1, 0)])


@pytest.mark.parametrize("template", [ARCFACE, PORTRAIT])
def test_found_eyes_lie_on_the_template(template: Template, photo: Path) -> None:
    made = crop(Image.open(photo), face(RIGHT, LEFT), template)
    width = template.size[1]
    assert made.aligned == "eyes"
    assert made.picture.size == template.size[::-1]
    assert made.eyes[0] == pytest.approx((template.right_eye.x * width, template.right_eye.y * width))
    assert to_crop(made, [RIGHT, LEFT]) == pytest.approx(np.array(made.eyes))


def test_arcface_is_the_published_place_counted_from_the_pixels_corner() -> None:
    assert (112 * ARCFACE.right_eye.x, 112 * ARCFACE.right_eye.y) == pytest.approx((38.7946, 52.1963))
    assert (112 * ARCFACE.left_eye.x, 112 * ARCFACE.left_eye.y) == pytest.approx((74.0318, 52.0014))


@pytest.mark.parametrize(("right", "left"), [((30, 40), (70, 40)), ((70, 60), (34, 60)), ((50, 20), (50, 81.5))])
def test_pixels_go_where_the_matrix_says(right: tuple[float, float], left: tuple[float, float]) -> None:
    made = crop(dots((100, 100), right, left), face(right, left), PLAIN)
    assert centre_of(made.picture, left_half=True) == pytest.approx((10, 20), abs=0.05)
    assert centre_of(made.picture, left_half=False) == pytest.approx((30, 20), abs=0.05)


def test_a_large_picture_is_averaged_and_still_in_place() -> None:
    right, left = (403.3, 700.5), (1203.3, 900.5)
    made = crop(dots((1600, 1700), right, left, radius=60), face(right, left), PLAIN)
    assert centre_of(made.picture, left_half=True) == pytest.approx((10, 20), abs=0.05)
    assert centre_of(made.picture, left_half=False) == pytest.approx((30, 20), abs=0.05)
    board = (
        np.indices((800, 800)).sum(0) % 2 * 255
    )  # sampled it would be black or white or stripes: averaged it is grey
    picture = Image.fromarray(np.stack([board.astype(np.uint8)] * 3, 2))
    grey = np.asarray(crop(picture, face((200, 400), (600, 400)), PLAIN).picture, float)
    assert np.abs(grey[5:-5, 5:-5] - 127.5).max() < 10


def test_five_points_are_fitted_together() -> None:
    places = {"right_eye": ARCFACE.right_eye, "left_eye": ARCFACE.left_eye, **ARCFACE.others}
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])  # and three times as large
    five = {name: Point(*(3 * turn @ (112 * np.array(point)) + (50, 9))) for name, point in places.items()}
    made = crop(Image.new("RGB", (400, 400)), Face(Box(0, 0, 9, 9, 1.0), "yunet", "yunet", five), ARCFACE)
    assert made.aligned == "points"
    assert to_crop(made, list(five.values())) == pytest.approx(112 * np.array(list(places.values())))
    only_eyes = crop(Image.new("RGB", (400, 400)), made.face, PORTRAIT)
    assert only_eyes.aligned == "eyes"  # its template has nothing but eyes


def test_there_and_back() -> None:
    made = crop(Image.new("RGB", (300, 200)), face((31, 47), (93, 22)), ARCFACE)
    points = np.array([(0.0, 0.0), (150.5, 20.25), (-40.0, 500.0)])
    assert to_picture(made, to_crop(made, points)) == pytest.approx(points)
    assert to_picture(made.matrix, made.eyes) == pytest.approx(np.array([(31, 47), (93, 22)]))


def test_margin_is_added_on_each_side() -> None:
    made = crop(Image.new("RGB", (100, 100)), face((30, 40), (70, 40)), PLAIN, margin=0.5)
    assert made.eyes == (pytest.approx((15, 20)), pytest.approx((25, 20)))  # half as large about the middle
    assert made.picture.size == (40, 40)
    with pytest.raises(WhylightError, match=r"margin: expected .* got -0\.5"):
        crop(Image.new("RGB", (100, 100)), face((30, 40), (70, 40)), PLAIN, margin=-0.5)


@pytest.mark.parametrize("detector", EYES_IN_BOX)
def test_without_eyes_the_box_decides(detector: str) -> None:
    right, left, down = EYES_IN_BOX[detector]
    made = crop(Image.new("RGB", (300, 300)), Face(Box(100, 50, 200, 150, 1.0), detector, detector), PLAIN)
    assert made.aligned == "box"
    expected = np.array([(100 + 100 * right, 50 + 100 * down), (100 + 100 * left, 50 + 100 * down)])
    assert to_picture(made, [(10, 20), (30, 20)]) == pytest.approx(expected)
    assert made.eyes == (pytest.approx((10, 20)), pytest.approx((30, 20)))


def test_one_eye_is_not_enough() -> None:
    one = Face(Box(100, 50, 200, 150, 1.0), "haar", "x", {"right_eye": Point(130, 90)})
    assert crop(Image.new("RGB", (300, 300)), one, PLAIN).aligned == "box"
    same = Face(Box(100, 50, 200, 150, 1.0), "haar", "x", {"right_eye": Point(130, 90), "left_eye": Point(130, 90)})
    assert crop(Image.new("RGB", (300, 300)), same, PLAIN).aligned == "box"


@pytest.mark.parametrize("angle", [30.0, -45.0, 90.0, 180.0])
def test_a_turned_box_is_turned_upright(angle: float) -> None:
    turned = Face(Box(100, 100, 200, 200, 1.0), "haar", "x", {}, angle)
    upright = eyes_from_box(Face(turned.box, "haar", "x"))
    # The face leans clockwise by the angle, which with y downwards is a rotation by +angle about the centre.
    expected = []
    for x, y in upright:
        radius, at = math.hypot(x - 150, y - 150), math.atan2(y - 150, x - 150) + math.radians(angle)
        expected.append((150 + radius * math.cos(at), 150 + radius * math.sin(at)))
    assert eyes_from_box(turned) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    made = crop(dots((300, 300), *expected), turned, PLAIN)
    assert centre_of(made.picture, left_half=True) == pytest.approx((10, 20), abs=0.1)


def test_what_lies_outside_is_filled_from_the_border() -> None:
    picture = Image.new("RGB", (60, 60), (10, 200, 30))
    ImageDraw.Draw(picture).rectangle((0, 0, 59, 20), fill=(200, 10, 30))
    made = np.asarray(crop(picture, face((-5, 5), (25, 5)), PORTRAIT).picture)
    assert (made[:20] == (200, 10, 30)).all()  # above the picture
    assert (made[10:60, 0] == (200, 10, 30)).all()  # beside it
    far = np.asarray(crop(picture, face((-9000, -9000), (-8400, -9000)), PORTRAIT).picture)
    assert (far == (200, 10, 30)).all()  # nothing of the picture in sight


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_modes_are_taken(mode: str) -> None:
    assert crop(Image.new(mode, (50, 50)), face((20, 20), (30, 20)), PLAIN).picture.mode == "RGB"


def test_a_pixel_is_a_picture() -> None:
    made = crop(Image.new("RGB", (1, 1), (9, 8, 7)), Face(Box(0, 0, 1, 1, 1.0), "haar", "x"), PLAIN)
    assert (np.asarray(made.picture) == (9, 8, 7)).all()


def test_a_box_without_area_is_no_face() -> None:
    with pytest.raises(FaceError, match=r"the face at \(5, 5, 5, 9\) has no area") as caught:
        crop(Image.new("RGB", (20, 20)), Face(Box(5, 5, 5, 9, 1.0), "haar", "x"), PLAIN)
    assert caught.value.code == 3
