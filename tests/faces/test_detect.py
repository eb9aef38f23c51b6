"""Faces found, by which part of the detector, with which eyes; and pictures in which there are none, or hardly any."""

from __future__ import annotations

import json
import math
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from whylight.errors import FaceError, WhylightError
from whylight.faces.align import PORTRAIT, crop, to_crop
from whylight.faces.detect import detector
from whylight.faces.detectors.haar import CLEAR, FRONTAL, ORDER, Find, HaarDetector, merged
from whylight.faces.detectors.large import look_at
from whylight.faces.detectors.yunet import YuNetDetector
from whylight.faces.types import Detector, Face, Point, clipped
from whylight.localize import Box, overlap

HEAD = (130, 20, 330, 220)  # the astronaut's
FACE = (175, 65, 275, 170)
EYES = {"right_eye": Point(203.5, 104.5), "left_eye": Point(247, 105)}  # read off the picture


@pytest.fixture(scope="module")
def haar() -> HaarDetector:
    return HaarDetector()


@pytest.fixture(scope="module")
def yunet(data_dir: Path) -> YuNetDetector:
    return YuNetDetector(data_dir / "weights" / "yunet_n_320.onnx")


@pytest.fixture(scope="module")
def astronaut(photo: Path) -> Image.Image:
    return Image.open(photo).convert("RGB")


def eyes_are_found(face: Face, right: Point = EYES["right_eye"], left: Point = EYES["left_eye"]) -> bool:
    assert face.eyes is not None
    return max(math.dist(face.eyes[0], right), math.dist(face.eyes[1], left)) < 0.2 * math.dist(right, left)


def placed(picture: Image.Image, size: tuple[int, int], *places: tuple[int, int, int]) -> Image.Image:
    """Copies of a picture on grey: left, top and side of each."""
    made = Image.new("RGB", size, (127, 127, 127))
    for left, top, side in places:
        made.paste(picture.resize((side, side), Image.Resampling.BOX), (left, top))
    return made


def within(left: int, top: int, side: int) -> tuple[float, ...]:
    """Where the face is in a copy of the head."""
    x0, y0, x1, y1 = ((value - corner) * side / 200 for value, corner in zip(FACE, HEAD[:2] * 2, strict=True))
    return left + x0, top + y0, left + x1, top + y1


def test_the_astronaut_has_one_face_and_two_eyes(haar: HaarDetector, astronaut: Image.Image) -> None:
    look = haar.look(astronaut)
    (face,) = look.faces
    assert overlap(face.box, FACE) > 0.7
    assert eyes_are_found(face)
    assert (face.detector, face.found_by, face.angle) == ("haar", "frontalface_alt2", 0)
    assert list(look.tried) == list(ORDER)  # the order in which they were asked
    assert [look.tried[name] for name in FRONTAL] == [1, 1, 1]
    assert haar.find(astronaut) == [face]


def test_the_largest_alone_needs_fewer_cascades(haar: HaarDetector, astronaut: Image.Image) -> None:
    look = haar.look(astronaut, largest=True)
    assert overlap(look.faces[0].box, FACE) > 0.7
    assert look.faces[0].box.score >= CLEAR
    assert list(look.tried) == list(ORDER[: len(look.tried)])
    assert len(look.tried) < len(ORDER)


def test_all_faces_are_found_the_largest_first(haar: HaarDetector, astronaut: Image.Image) -> None:
    head = astronaut.crop(HEAD)
    places = [(20 + 120 * column, 20 + 130 * row, 60 + 10 * column) for row in range(2) for column in range(5)]
    faces = haar.find(placed(head, (640, 300), *places))
    for left, top, side in places:
        assert max(overlap(face.box, within(left, top, side)) for face in faces) > 0.5
    areas = [(face.box.x1 - face.box.x0) * (face.box.y1 - face.box.y0) for face in faces]
    assert len(faces) == 10
    assert areas == sorted(areas, reverse=True)


def test_a_face_of_twenty_pixels(haar: HaarDetector, astronaut: Image.Image) -> None:
    picture = placed(astronaut.crop(HEAD), (320, 240), (150, 100, 42))  # her face within is 21 × 22 pixels
    (face,) = haar.find(picture)
    assert overlap(face.box, within(150, 100, 42)) > 0.5
    assert crop(picture, face, PORTRAIT).aligned in ("eyes", "box")  # eyes of three pixels may be found or not


@pytest.mark.parametrize("angle", [30, -45, 90, -90, 180])
def test_turned_pictures(haar: HaarDetector, astronaut: Image.Image, angle: int) -> None:
    head = astronaut.crop(HEAD)
    picture = head.rotate(angle, expand=True, fillcolor=(127, 127, 127), resample=Image.Resampling.BICUBIC)
    face = haar.find(picture)[0]
    assert abs((face.angle + angle + 180) % 360 - 180) <= 20  # turned back, as far as the face stood upright
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def there(point: Point) -> Point:
        x, y = point.x - HEAD[0] - 100, point.y - HEAD[1] - 100
        return Point(picture.width / 2 + cos * x + sin * y, picture.height / 2 - sin * x + cos * y)

    eyes = [there(EYES["right_eye"]), there(EYES["left_eye"])]
    assert eyes_are_found(face, *eyes)
    made = crop(picture, face, PORTRAIT)  # and in the crop she stands upright again
    right, left = to_crop(made, eyes)
    assert abs(math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))) < 10


def test_without_turns_only_upright_faces_are_found(haar: HaarDetector, astronaut: Image.Image) -> None:
    upright = HaarDetector(turns=())
    assert upright.find(astronaut, largest=True)[0].box == haar.find(astronaut, largest=True)[0].box
    assert upright.find(astronaut.crop(HEAD).rotate(90)) == []
    large = HaarDetector(turns=(), least=0.3)  # of 512 pixels: hers has about 100, and more of the picture of her head
    assert large.find(astronaut) == []
    assert len(large.find(astronaut.crop(HEAD))) == 1


def test_a_face_cut_by_the_border(haar: HaarDetector, astronaut: Image.Image) -> None:
    cut = astronaut.crop((190, 40, 330, 200))  # her right cheek is missing
    for face in haar.find(cut):
        assert crop(cut, face, PORTRAIT).picture.size == (224, 224)
    beyond = crop(cut, Face(haar.find(astronaut)[0].box, "haar", "x"), PORTRAIT)  # a box that reaches over the border
    assert beyond.picture.size == (224, 224)


def test_grey_and_other_modes_are_the_same(haar: HaarDetector, astronaut: Image.Image) -> None:
    grey = astronaut.convert("L")
    assert haar.find(grey) == haar.find(grey.convert("RGB"))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (19, 19), (20, 20), (3000, 2)])
def test_tiny_pictures_have_no_face(haar: HaarDetector, size: tuple[int, int]) -> None:
    assert haar.find(Image.new("RGB", size, (90, 90, 90))) == []
    assert haar.find(Image.new("RGB", size, (90, 90, 90)), largest=True) == []


def test_pictures_without_a_face(haar: HaarDetector) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8))
    ramp = Image.fromarray(np.tile(np.arange(320, dtype=np.uint8), (240, 1)))
    for picture in (noise, ramp, Image.new("L", (320, 240), 255)):
        look = haar.look(picture)
        assert look.faces == []
        assert set(look.tried.values()) == {0}
        assert any("turned" in name for name in look.tried)


def test_a_drawing_is_no_error(haar: HaarDetector) -> None:
    drawing = Image.new("RGB", (200, 200), "white")
    pen = ImageDraw.Draw(drawing)
    pen.ellipse((40, 30, 160, 170), outline="black", width=4)
    for x in (80, 120):
        pen.ellipse((x - 6, 80, x + 6, 92), fill="black")
    pen.arc((75, 100, 125, 140), 20, 160, fill="black", width=4)
    for face in haar.find(drawing):  # a face or none: both are right
        assert crop(drawing, face, PORTRAIT).aligned in ("eyes", "box")


def test_behind_sunglasses_there_is_still_a_crop(haar: HaarDetector, astronaut: Image.Image) -> None:
    dark = astronaut.copy()
    ImageDraw.Draw(dark).rounded_rectangle((185, 92, 265, 118), 8, fill=(15, 15, 15))
    for face in haar.find(dark):
        made = crop(dark, face, PORTRAIT)
        apart = math.dist(*made.eyes)
        assert 0.5 < apart / (0.22 * 224) < 2


def test_finds_in_one_place_are_one_and_votes_add_up() -> None:
    finds = [
        Find(0, 0, 10, 10, {"frontalface_alt2": 2}),
        Find(40, 0, 50, 10, {"frontalface_alt": 4}),
        Find(1, 1, 11, 11, {"frontalface_alt": 3}),
    ]
    first, second = merged(finds)
    assert first == (0, 0, 10, 10, {"frontalface_alt2": 2, "frontalface_alt": 3})
    assert first.sure  # five of two cascades
    assert not second.sure  # four of one
    assert second._replace(votes={"frontalface_alt": 5}).sure
    assert not second._replace(votes={"profileface": 6}).sure  # errs more often, so that it needs more


def test_threads_share_a_detector(haar: HaarDetector, astronaut: Image.Image) -> None:
    small, expected, found = astronaut.resize((256, 256)), [], []
    expected = haar.find(small)
    threads = [threading.Thread(target=lambda: found.append(haar.find(small))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_folders_cascade_is_used(tmp_path: Path, astronaut: Image.Image) -> None:
    wheel = Path(cv2.data.haarcascades)
    for name in FRONTAL:  # eyes in place of faces
        shutil.copy(wheel / "haarcascade_eye.xml", tmp_path / f"haarcascade_{name}.xml")
    boxes = [face.box for face in detector("haar", cascades=tmp_path).find(astronaut.crop(HEAD))]
    assert boxes
    assert all(box.x1 - box.x0 < 70 for box in boxes)


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(WhylightError, match="there is no 'dlib'; it is one of haar, yunet, cam"):
        detector("dlib")


def test_yunet_says_where_its_weights_are(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="yunet needs its weights: .*OpenCV Zoo") as caught:  # noqa: RUF043
        detector("yunet")
    assert caught.value.code == 2
    with pytest.raises(FaceError, match=r"nothing\.onnx: no such file; yunet needs"):
        detector("yunet", weights=tmp_path / "nothing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(FaceError, match=r"broken\.onnx: not a YuNet network"):
        detector("yunet", weights=tmp_path / "broken.onnx")


def test_yunet_tells_five_points(yunet: YuNetDetector, astronaut: Image.Image) -> None:
    (face,) = yunet.find(astronaut)
    assert overlap(face.box, FACE) > 0.6
    assert eyes_are_found(face)
    assert set(face.points) == {"right_eye", "left_eye", "nose", "right_mouth", "left_mouth"}
    assert face.points["right_mouth"].x < face.points["nose"].x < face.points["left_mouth"].x
    assert 0.7 <= face.box.score <= 1


@pytest.mark.parametrize("angle", [90, 180, -90])
def test_yunet_turns_what_it_doubts(yunet: YuNetDetector, astronaut: Image.Image, angle: int) -> None:
    face = yunet.find(astronaut.crop(HEAD).rotate(angle))[0]
    assert (face.angle + angle) % 360 == 0
    assert face.eyes is not None
    line = math.degrees(math.atan2(face.eyes[1].y - face.eyes[0].y, face.eyes[1].x - face.eyes[0].x))
    assert abs((line + angle + 180) % 360 - 180) < 12


def test_yunet_sees_small_faces_of_a_large_picture_in_tiles(yunet: YuNetDetector, astronaut: Image.Image) -> None:
    picture = placed(astronaut.crop(HEAD), (1280, 900), (100, 90, 36), (620, 450, 36), (1200, 840, 36))
    look = yunet.look(picture)
    centres = sorted(((face.box.x0 + face.box.x1) // 2, (face.box.y0 + face.box.y1) // 2) for face in look.faces)
    assert len(centres) == 3
    assert all(math.dist(a, b) < 12 for a, b in zip(centres, [(117, 107), (637, 467), (1217, 857)], strict=True))
    assert look.tried["yunet"] < look.tried["yunet, tiles"]


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (20, 20)])
def test_yunet_takes_tiny_pictures(yunet: YuNetDetector, size: tuple[int, int]) -> None:
    assert yunet.find(Image.new("RGB", size)) == []


def test_the_face_model_boxes_the_astronaut(astronaut: Image.Image) -> None:
    cam: Detector = detector("cam")
    look = cam.look(astronaut)
    assert overlap(look.faces[0].box, FACE) > 0.3  # its boxes end at the cheeks and above the chin
    assert look.tried == {"cam": len(look.faces)}
    assert crop(astronaut, look.faces[0], PORTRAIT).aligned == "box"
    assert cam.find(Image.new("RGB", (200, 200))) == []


@pytest.mark.parametrize("name", ["haar", "yunet"])
def test_a_group_photograph(data_dir: Path, name: str) -> None:
    folder = data_dir / "faces_landmarks"
    known = json.loads((folder / "landmarks68.json").read_text())["2008_004176.jpg"]
    finds = detector(name, weights=data_dir / "weights" / "yunet_n_320.onnx").find(
        Image.open(folder / "2008_004176.jpg").convert("RGB")
    )
    found = [face for face in known if max(overlap(find.box, face["box"]) for find in finds) >= 0.4]
    assert len(known) == 7
    assert len(found) >= 6


def test_a_large_picture_is_looked_at_reduced(haar: HaarDetector, astronaut: Image.Image) -> None:
    """Its face is where it is in the small one, and its crop shows the same."""
    large = astronaut.resize((6144, 6144), Image.Resampling.BICUBIC)
    (small_face, *_), (face, *_) = haar.look(astronaut).faces, look_at(haar, large).faces
    assert overlap([12 * side for side in small_face.box[:4]], face.box) > 0.8
    assert eyes_are_found(face, *(Point(12 * x, 12 * y) for x, y in EYES.values()))
    assert look_at(haar, astronaut) == haar.look(astronaut)

    made = crop(large, face, PORTRAIT)
    x0, y0, x1, y1 = (round(side) for side in face.box[:4])
    around = large.crop((x0 - 2000, y0 - 2000, x1 + 2000, y1 + 2000))  # small enough to be copied whole
    moved = Face(
        Box(2000, 2000, x1 - x0 + 2000, y1 - y0 + 2000, 1.0),
        "haar",
        "",
        {name: Point(x - x0 + 2000, y - y0 + 2000) for name, (x, y) in face.points.items()},
    )
    same = np.asarray(crop(around, moved, PORTRAIT).picture, np.int16)
    assert np.abs(np.asarray(made.picture, np.int16) - same).mean() < 0.5


def test_boxes_end_at_the_border(data_dir: Path, yunet: YuNetDetector, haar: HaarDetector) -> None:
    """Faces that the border cuts: their boxes lie within the picture, with every detector."""
    with Image.open(min((data_dir / "faces_multi" / "images").iterdir())) as opened:
        whole = opened.convert("RGB")
    found = yunet.find(whole)
    assert found
    box = found[0].box
    for left, top in ((0.35, 0.0), (0.0, 0.35), (0.3, 0.3)):
        cut = whole.crop((int(box.x0 + left * (box.x1 - box.x0)), int(box.y0 + top * (box.y1 - box.y0)), *whole.size))
        for finder in (yunet, haar):
            for face in finder.find(cut):
                assert 0 <= face.box.x0 < face.box.x1 <= cut.width
                assert 0 <= face.box.y0 < face.box.y1 <= cut.height
    outside = [replace(found[0], box=box._replace(x0=-30, x1=-5)), replace(found[0], box=box._replace(y0=-9))]
    (left_over,) = clipped(outside, *whole.size)
    assert left_over.box.y0 == 0
