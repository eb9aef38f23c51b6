"""Very large JPEGs are read at a half, a quarter or an eighth of their size; the limit can be set, up to a ceiling."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, png, progressive
from whylight.errors import ImageError, WhylightError
from whylight.images import MOST_MEGAPIXELS, allowing, decode, pixels_in, read, size_of
from whylight.images.limits import allowed
from whylight.pipeline.workers import Workers


@pytest.fixture(scope="module")
def halves() -> Image.Image:
    """Dark on the left and light on the right, 301 × 200: its sides are no multiples of 2, 4 and 8."""
    pixels = np.full((200, 301, 3), 30, np.uint8)
    pixels[:, 150:] = 220
    return Image.fromarray(pixels)


@pytest.mark.parametrize("side", ["12000 × 9000", "16320 × 12240"])
@pytest.mark.parametrize("kind", [{}, {"progressive": True}])
def test_photographs_of_108_and_200_megapixels_are_read(side: str, kind: dict[str, bool]) -> None:
    width, height = map(int, side.split(" × "))
    data = encoded(Image.new("L", (width, height), 90), "JPEG", **kind)
    picture, size, times = read(data)
    assert (picture.mode, picture.size, size, times) == ("RGB", (width // 2, height // 2), (width, height), 2)
    assert picture.getpixel((width // 4, height // 4)) == (90, 90, 90)
    assert size_of(data) == (width, height)
    held = 2 * width * height // 4 if kind else 0  # coefficients of a progressive one, beside the pixels
    assert pixels_in(data) == pytest.approx(width * height // 4 + held, rel=0.01)


@pytest.mark.parametrize(("limit", "times"), [(60_200, 1), (60_199, 2), (15_200, 2), (4_000, 4), (1_000, 8), (945, 8)])
def test_it_is_made_as_small_as_it_has_to_be(halves: Image.Image, limit: int, times: int) -> None:
    with allowing(limit / 1e6):
        picture, size, found = read(encoded(halves, "JPEG", quality=95))
    assert (found, size) == (times, (301, 200))
    assert picture.size == (-(-301 // times), -(-200 // times))
    assert np.abs(np.asarray(picture)[:, : 140 // times].astype(int) - 30).max() < 12
    assert np.abs(np.asarray(picture)[:, 160 // times + 1 :].astype(int) - 220).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_comes_after_and_the_size_is_the_upright_one(halves: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(halves, "JPEG", exif=exif)
    whole = decode(data)
    with allowing(0.02):
        picture, size, times = read(data)
        assert size_of(data) == size == whole.size
    assert times == 2
    expected = np.asarray(whole.resize(picture.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(picture).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("kind", [{}, {"progressive": True}])
def test_grey_and_cmyk(halves: Image.Image, mode: str, kind: dict[str, bool]) -> None:
    data = encoded(halves.convert(mode), "JPEG", **kind)
    with allowing(0.02):
        picture, _, times = read(data)
    assert (picture.mode, picture.size, times) == ("RGB", (151, 100), 2)
    assert picture.getpixel((30, 50))[0] < 60 < 190 < picture.getpixel((120, 50))[0]


def test_one_that_pillow_has_just_opened_is_left_alone(halves: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(halves, "JPEG"))
    with Image.open(path) as fresh, allowing(0.02):
        assert read(fresh).times == 2
        assert read(fresh).size == fresh.size == (301, 200)
        assert fresh.getpixel((0, 0))[0] < 60


def test_a_number_given_to_decode_is_strict(halves: Image.Image) -> None:
    data = encoded(halves, "JPEG")
    with pytest.raises(ImageError, match=r"301 × 200 is 0\.1 million pixels, above the limit of 0\.1 million"):
        decode(data, max_pixels=60_199)
    assert decode(data, max_pixels=60_200).size == (301, 200)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "AVIF"])
def test_other_formats_are_refused_and_the_way_on_is_named(halves: Image.Image, kind: str) -> None:
    data = encoded(halves, kind)
    with (
        allowing(0.05),
        pytest.raises(
            ImageError, match=r"301 × 200 is .* above the limit of 0\.0 million; .* --max-megapixels 1; .*allowing\(1\)"
        )
        if kind == "AVIF"
        else pytest.raises(ImageError, match=r"301 × 200 is 0\.1 .* --max-megapixels 1; .*allowing\(1\)"),
    ):
        decode(data)
    with allowing(0.08):
        assert decode(data).size == (301, 200)


def test_a_limit_can_be_raised_up_to_a_ceiling_that_bombs_do_not_reach() -> None:
    wide = png(12_000, 9_000, b"")
    with pytest.raises(
        ImageError, match=r"108\.0 million pixels, above the limit of 100\.0 million; .*--max-megapixels 108"
    ):
        size_of_bytes(wide)
    with allowing(108):
        assert size_of_bytes(wide) == (12_000, 9_000)
    bomb = png(60_000, 60_000, b"")
    with (
        allowing(MOST_MEGAPIXELS),
        pytest.raises(ImageError, match=r"3,600\.0 million .* 1,000\.0 million; make the picture smaller$"),
    ):
        decode(bomb)
    jpeg = bytearray(encoded(Image.new("L", (16, 16)), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    with pytest.raises(
        ImageError, match=r"65500 × 65500 is 4,290\.2 million pixels, above the limit of 2,000\.0 million; make the"
    ):
        decode(bytes(jpeg))


def size_of_bytes(data: bytes) -> tuple[int, int]:
    return size_of(io.BytesIO(data))


@pytest.mark.parametrize("value", [0, -1, 1000.5, float("nan"), float("inf"), True, "12"])
def test_limits_that_are_none(value: object) -> None:
    with (
        pytest.raises(WhylightError, match=r"max megapixels .*: expected a number above 0, up to 1,000"),
        allowing(value),
    ):  # type: ignore[arg-type]
        pass
    assert allowed() == 100_000_000


def test_scans_and_coefficients_are_limited_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with allowing(0.000_1), pytest.raises(ImageError, match="goes over its picture more than 100 times"):
        decode(progressive(64, 150))
    monkeypatch.setattr("whylight.images.formats.jpeg.MAX_PIXELS", 10_000)
    data = encoded(Image.new("RGB", (200, 200)), "JPEG", progressive=True, subsampling=0)
    with allowing(0.01), pytest.raises(ImageError, match="to decode this JPEG of several scans takes 0 MB"):
        decode(data)


def test_a_limit_holds_in_threads_that_open_ahead_and_not_in_others() -> None:
    seen: list[int] = []
    with Workers(2) as workers:
        with allowing(7):
            assert workers.submit(allowed).result() == 7_000_000
            other = threading.Thread(target=lambda: seen.append(allowed()))
            other.start()
            other.join()
        assert workers.submit(allowed).result() == seen[0] == 100_000_000


def test_open_files_are_pictures_too(halves: Image.Image, tmp_path: Path) -> None:
    data = encoded(halves, "PNG")
    stream = io.BytesIO(b"junk" + data)
    stream.seek(4)
    for _ in range(2):  # it stands where it stood
        assert decode(stream).size == size_of(stream) == (301, 200)
    path = tmp_path / "open.png"
    path.write_bytes(data[:-20])
    with path.open("rb") as file, pytest.raises(ImageError, match=r"open\.png: the picture is damaged"):
        decode(file)
    with path.open(encoding="latin-1") as text, pytest.raises(ImageError, match=r'opened as text; open it with "rb"'):
        decode(text)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"<file>: the file is empty"):
        decode(io.BytesIO())
