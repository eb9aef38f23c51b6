"""Every kind of picture file comes out as the RGB pixels a viewer shows, or as an error that names the file."""

from __future__ import annotations

import io
import os
import random
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from encoding import pixels, png
from pictures import encoded
from whylight.errors import ImageError
from whylight.images import SUFFIXES, decode, name_of, walk


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_keep_every_pixel(corners: Image.Image, kind: str) -> None:
    assert np.array_equal(pixels(encoded(corners, kind)), np.asarray(corners))


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95})])
def test_lossy_formats_keep_the_picture(photo: Path, kind: str, options: dict[str, int]) -> None:
    original = opened(photo)
    error = np.abs(pixels(encoded(original, kind, **options)).astype(int) - np.asarray(original).astype(int))
    assert error.mean() < 4


def test_a_path_its_bytes_and_pil_give_the_same_pixels(photo: Path) -> None:
    expected = np.asarray(opened(photo))
    with Image.open(photo) as fresh:
        for source in (photo, str(photo), photo.read_bytes(), fresh, expected):
            assert np.array_equal(pixels(source), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(corners: Image.Image, kind: str, orientation: int) -> None:
    # How the stored rows and columns lie when the picture is upright, from the EXIF standard's own words.
    upright = np.asarray(corners)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif.tobytes(), **options)
    for source in (data, Image.open(io.BytesIO(data))):
        result = pixels(source)
        assert result.shape == upright.shape
        assert np.abs(result.astype(int) - upright.astype(int)).max() <= 3


def test_orientation_is_not_applied_twice(corners: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    once = decode(encoded(corners, "JPEG", exif=exif.tobytes()))
    assert once.size == (16, 32)
    assert decode(once).size == (16, 32)
    assert decode(Image.open(io.BytesIO(encoded(once, "PNG")))).size == (16, 32)


def test_broken_exif_does_not_cost_the_picture(corners: Image.Image) -> None:
    assert decode(encoded(corners, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff")).size == (32, 16)


def test_the_source_picture_is_left_alone(corners: Image.Image) -> None:
    corners.info["note"] = "mine"
    result = decode(corners)
    result.putpixel((0, 0), (1, 2, 3))
    assert corners.getpixel((0, 0)) == (255, 0, 0)
    assert corners.info == {"note": "mine"}


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_frame_counts(kind: str) -> None:
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    assert pixels(encoded(red, kind, save_all=True, append_images=[blue]))[4, 4].tolist()[2] < 10


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), r"uint8, not float32; .*255 \* array"),
        (np.zeros((4, 4), bool), "uint8, not bool"),
        (np.zeros((4, 4), np.uint16), "uint8, not uint16"),
        (np.zeros((3, 8, 8), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "not 1 × 4 × 4 × 3"),
        (np.zeros((4, 4, 2), np.uint8), "not 4 × 4 × 2"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.array(3, np.uint8), "no dimensions"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, says: str) -> None:
    with pytest.raises(ImageError, match=f"<array>: .*{says}"):
        decode(array)


def test_arrays() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(pixels(grey), np.stack([grey] * 3, -1))
    assert np.array_equal(pixels(grey[..., None]), np.stack([grey] * 3, -1))
    colour = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(pixels(colour[:, ::-1]), colour[:, ::-1])  # a view with negative strides
    assert np.array_equal(pixels(colour[..., ::-1]), colour[..., ::-1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"only words", "not a picture whylight reads"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "not a picture whylight reads"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"odd.jpg: .*{says}"):
        decode(path)
    with pytest.raises(ImageError, match=f"<bytes>: .*{says}"):
        decode(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_truncated_files(tmp_path: Path, photo: Path, kind: str) -> None:
    data = encoded(opened(photo).resize((100, 100)), kind)
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / f"cut{share}.png"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ImageError, match=f"cut{share}.png"):
            decode(path)


def test_a_truncated_picture_already_opened_by_pil(tmp_path: Path, photo: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(photo.read_bytes()[:20_000])
    with Image.open(path) as opened, pytest.raises(ImageError, match=r"cut\.jpg: .*damaged"):
        decode(opened)


@pytest.mark.filterwarnings("ignore::UserWarning")  # PIL's own doubts about damaged tags
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_damage_anywhere_is_an_image_error_or_a_picture(photo: Path, kind: str) -> None:
    dice = random.Random(0)
    data = encoded(opened(photo).resize((24, 24)), kind)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 4, 30))):
            broken[dice.randrange(min(len(broken), dice.choice((64, 400, 10**6))))] = dice.randrange(256)
        try:
            assert decode(bytes(broken), max_pixels=1_000_000).mode == "RGB"
        except ImageError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_bomb_is_refused_by_its_header(kind: str) -> None:
    if kind == "PNG":
        bomb = png(60_000, 60_000, 8, 2, b"")  # 10.8 GB of pixels, were it believed
    else:
        bomb = encoded(Image.new("RGB", (4, 4)), "BMP")
        bomb = bomb[:18] + struct.pack("<ii", 60_000, 60_000) + bomb[26:]
    with pytest.raises(ImageError, match=r"60000 × 60000 is 3,600.0 million pixels, above the limit of 100.0 million"):
        decode(bomb)


def test_the_limit_is_ours_not_pils(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="above the limit"):
        decode(photo, max_pixels=512 * 512 - 1)
    with Image.open(photo) as fresh, pytest.raises(ImageError, match="above the limit"):
        decode(fresh, max_pixels=512 * 512 - 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # PIL would refuse this photograph now
    assert decode(photo, max_pixels=512 * 512).size == (512, 512)


def test_missing_folder_and_special_files(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg: no such file"):
        decode(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="web address"):
        decode("https://example.org/dog.jpg")
    with pytest.raises(ImageError, match="this is a folder"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="cannot be opened"):
        decode("dog\0.jpg")
    with pytest.raises(ImageError, match="not int"):
        decode(3)  # type: ignore[arg-type]
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path / "pipe.jpg")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A picture we may not read. Root may read everything, so step down where the tests run as root."""
    path = tmp_path / "locked.png"
    path.write_bytes(b"")
    path.chmod(0)
    if os.geteuid() != 0:
        yield path
        return
    os.seteuid(65534)
    try:
        yield path
    finally:
        os.seteuid(0)


def test_no_permission(locked: Path) -> None:
    with pytest.raises(ImageError, match=r"locked\.png: no permission"):
        decode(locked)


def test_walk(tmp_path: Path, corners: Image.Image) -> None:
    for name in ("b.png", "a.JPG", "deep/er/c.webp", "notes.txt", ".hidden.png", ".cache/d.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in walk([tmp_path])]
    assert names == ["a.JPG", "b.png", "deep/er/c.webp"]
    assert walk([tmp_path, tmp_path / "b.png", f"{tmp_path}/*.png"]) == walk([tmp_path])
    assert walk([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]
    assert [path.name for path in walk([f"{tmp_path}/**/*"])] == ["a.JPG", "b.png", "c.webp"]
    assert walk(str(tmp_path)) == walk([tmp_path])


def test_walk_takes_a_name_with_glob_letters_literally(tmp_path: Path) -> None:
    (tmp_path / "dog[1].png").write_bytes(b"")
    assert walk([tmp_path / "dog[1].png"]) == [tmp_path / "dog[1].png"]


def test_walk_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture in this folder"):
        walk([tmp_path])
    with pytest.raises(ImageError, match=r"gone\.png: no such file or folder"):
        walk([tmp_path / "gone.png"])
    with pytest.raises(ImageError, match="no picture matches"):
        walk([f"{tmp_path}/*.png"])


def test_names(photo: Path) -> None:
    assert name_of(photo) == str(photo)
    assert name_of(np.zeros((1, 1), np.uint8)) == "<array>"
    assert name_of(Image.new("RGB", (1, 1))) == "<picture>"
    with Image.open(photo) as fresh:
        assert name_of(fresh) == str(photo)
    assert ".jpeg" in SUFFIXES


def test_threads(photo: Path) -> None:
    expected = pixels(photo)
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(result, expected) for result in pool.map(pixels, [photo] * 32))
