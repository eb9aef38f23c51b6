"""Every kind of picture file comes out as the RGB pixels a viewer shows, or as an error that names the file."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from whylight.errors import ImageError
from whylight.images import SUFFIXES, decode, name_of, walk


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pixels(source: object) -> np.ndarray:
    picture = decode(source)  # type: ignore[arg-type]
    assert picture.mode == "RGB"
    return np.asarray(picture)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG written by hand, for kinds that PIL reads but does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def transparent_key(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))


@pytest.fixture
def corners() -> Image.Image:
    """32 × 16 in four flat quarters: red, green / blue, white."""
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16], array[:8, 16:] = (255, 0, 0), (0, 255, 0)
    array[8:, :16], array[8:, 16:] = (0, 0, 255), (255, 255, 255)
    return Image.fromarray(array)


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


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})])
def test_transparency_lies_over_white(kind: str, options: dict[str, bool]) -> None:
    array = np.zeros((2, 3, 4), np.uint8)
    array[:, 0] = (200, 100, 0, 255)
    array[:, 1] = (200, 100, 0, 0)
    array[:, 2] = (200, 100, 0, 128)
    half = [round(255 + (value - 255) * 128 / 255) for value in (200, 100, 0)]
    for source in (encoded(Image.fromarray(array), kind, **options), array, Image.fromarray(array)):
        row = pixels(source)[0].astype(int)
        assert row[0].tolist() == [200, 100, 0]
        assert row[1].tolist() == [255, 255, 255]
        assert np.abs(row[2] - half).max() <= 1


def test_grey_with_alpha_lies_over_white() -> None:
    picture = Image.merge("LA", [Image.new("L", (2, 1), 80), Image.fromarray(np.array([[255, 0]], np.uint8))])
    assert pixels(encoded(picture, "PNG"))[0].tolist() == [[80] * 3, [255] * 3]


def test_palettes(corners: Image.Image) -> None:
    palette = corners.quantize(4)
    assert np.array_equal(pixels(encoded(palette, "PNG")), np.asarray(corners))
    blue = palette.getpixel((0, 15))
    see_through = pixels(encoded(palette, "PNG", transparency=blue))
    assert see_through[15, 0].tolist() == [255, 255, 255]
    assert see_through[0, 0].tolist() == [255, 0, 0]
    assert pixels(encoded(palette, "GIF", transparency=blue))[15, 0].tolist() == [255, 255, 255]
    alphas = bytes(0 if index == blue else 255 for index in range(4))
    assert pixels(encoded(palette, "PNG", transparency=alphas))[15, 0].tolist() == [255, 255, 255]


def test_one_transparent_colour_without_palette() -> None:
    grey = Image.fromarray(np.array([[10, 20]], np.uint8))
    assert pixels(encoded(grey, "PNG", transparency=20))[0].tolist() == [[10] * 3, [255] * 3]
    colour = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert pixels(encoded(colour, "PNG", transparency=(4, 5, 6)))[0].tolist() == [[1, 2, 3], [255] * 3]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    array = np.array([[0, 128, 32768, 65535]], np.uint16)
    assert pixels(encoded(Image.fromarray(array), kind))[0, :, 0].tolist() == [0, 0, 128, 255]
    assert pixels(Image.fromarray(array))[0, :, 2].tolist() == [0, 0, 128, 255]


def test_16_bit_grey_with_a_transparent_value() -> None:
    rows = b"\x00" + struct.pack(">2H", 1000, 65535 // 3)
    assert pixels(png(2, 1, 16, 0, rows, transparent_key(struct.pack(">H", 1000))))[0, :, 0].tolist() == [255, 85]


def test_16_bit_colour_is_scaled_not_clipped() -> None:
    rows = b"\x00" + struct.pack(">6H", 0, 65535, 32768, 300, 40000, 256)
    assert np.abs(pixels(png(2, 1, 16, 2, rows))[0].astype(int) - [[0, 255, 128], [1, 156, 1]]).max() <= 1
    keyed = pixels(png(2, 1, 16, 2, rows, transparent_key(struct.pack(">3H", 0, 65535, 32768))))
    assert keyed[0, 0].tolist() == [255, 255, 255]
    assert keyed[0, 1, 1] in {155, 156}


def test_16_bit_colour_with_alpha() -> None:
    rows = b"\x00" + struct.pack(">8H", 0, 65535, 32768, 65535, 9, 9, 9, 0)
    assert np.abs(pixels(png(2, 1, 16, 6, rows))[0].astype(int) - [[0, 255, 128], [255] * 3]).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_fewer_bits_than_there_is_room_for(bits: int, kind: type) -> None:
    """12 bits in 16, or 8 in 32, are as bright as they were meant."""
    most = 2**bits - 1
    grey = np.array([[0, most // 2, most]]).astype(kind)
    assert np.abs(pixels(encoded(Image.fromarray(grey), "TIFF"))[0, :, 0].astype(int) - [0, 127, 255]).max() <= 1


def test_integer_and_float_greys() -> None:
    def row(values: list[float], kind: type) -> list[int]:
        return pixels(encoded(Image.fromarray(np.array([values], kind)), "TIFF"))[0, :, 0].tolist()

    assert row([0, 65535, 6554], np.int32) == [0, 255, 26]
    assert row([-10, 0, 10], np.int32) == [0, 128, 255]
    assert row([0.0, 0.5, 1.0], np.float32) == [0, 128, 255]
    assert row([0.0, 128.0, 255.0], np.float32) == [0, 128, 255]
    assert row([-1.0, 0.0, 1.0], np.float32) == [0, 128, 255]
    assert row([-5.0, -5.0], np.float32) == [0, 0]
    with pytest.raises(ImageError, match="not finite"):
        row([0.0, float("nan")], np.float32)


def test_one_bit_and_grey() -> None:
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert pixels(encoded(bits, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]
    assert pixels(encoded(Image.fromarray(np.array([[7, 200]], np.uint8)), "PNG"))[0].tolist() == [[7] * 3, [200] * 3]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(corners: Image.Image, kind: str) -> None:
    data = encoded(
        corners.convert("CMYK"), kind
    )  # as JPEG, PIL writes it inverted with Adobe's marker, as print shops do
    assert (b"Adobe" in data) == (kind == "JPEG")
    result = pixels(data)
    for place in ((2, 2), (2, 29), (13, 2), (13, 29)):
        assert np.abs(result[place].astype(int) - np.asarray(corners)[place].astype(int)).max() <= 12


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
