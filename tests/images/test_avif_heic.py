"""AVIF and HEIC: the right way up, over white, one picture of many; and what they may cost, known before a decoder sees them."""

from __future__ import annotations

import io
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from pictures import encoded
from whylight.errors import ImageError
from whylight.images import allowing, decode, read, size_of, walk

pillow_heif = pytest.importorskip("pillow_heif")
pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
KINDS = ["AVIF", "HEIC"]


def made(picture: Image.Image, kind: str, **options: object) -> bytes:
    if kind == "AVIF":
        return encoded(picture, "AVIF", quality=90, **options)
    stream = io.BytesIO()
    pillow_heif.from_pillow(picture).save(stream, quality=90, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def corners() -> Image.Image:
    """Red, green, blue and white quarters, 96 × 64."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :48], pixels[:32, 48:], pixels[32:, :48], pixels[32:, 48:] = (
        (200, 0, 0),
        (0, 200, 0),
        (0, 0, 200),
        (250,) * 3,
    )
    return Image.fromarray(pixels)


def far(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_read_whatever_they_are_called(kind: str, corners: Image.Image, tmp_path: Path) -> None:
    data = made(corners, kind)
    for name in ("a.avif", "a.heic", "a.jpg"):
        path = tmp_path / name
        path.write_bytes(data)
        assert size_of(path) == (96, 64)
        assert far(decode(path), corners) < 6
    assert [path.name for path in walk([tmp_path])] == ["a.avif", "a.heic", "a.jpg"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_the_right_way_up(kind: str, orientation: int, corners: Image.Image) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    turned = encoded(corners, "PNG", exif=exif)
    data = made(corners, kind, exif=exif.tobytes())
    assert size_of(data) == size_of(turned) == decode(turned).size
    assert far(decode(data), decode(turned)) < 8


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_lies_over_white(kind: str, corners: Image.Image) -> None:
    picture = corners.convert("RGBA")
    picture.putalpha(Image.fromarray(np.repeat(np.where(np.arange(96) < 48, 0, 255).astype(np.uint8)[None], 64, 0)))
    found = np.asarray(decode(made(picture, kind))).astype(int)
    assert found[:, :44].min() > 245
    assert np.abs(found[:28, 52:] - (0, 200, 0)).mean() < 8


def test_of_a_film_the_still_picture_counts(corners: Image.Image) -> None:
    frames = [Image.new("RGB", corners.size, colour) for colour in ("black", "yellow")]
    data = encoded(corners, "AVIF", save_all=True, append_images=frames)
    assert data[8:12] == b"avis"
    assert far(decode(data), corners) < 8
    at = data.index(b"meta")
    bare = data[:at] + b"free" + data[at + 4 :]
    with pytest.raises(ImageError, match="a film without a still picture; save one as JPEG or PNG"):
        decode(bare)


@pytest.mark.parametrize("kind", KINDS)
def test_deep_colours(kind: str) -> None:
    if kind == "HEIC":
        deep = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None, :, None], 64, 0).repeat(3, 2)
        stream = io.BytesIO()
        pillow_heif.encode(stream and "RGB;16", (64, 64), deep.tobytes(), stream, quality=-1)
        found = np.asarray(decode(stream.getvalue()))
        assert found[:, 0].max() < 4
        assert found[:, -1].min() > 251


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short(kind: str, corners: Image.Image) -> None:
    data = made(corners, kind)
    for share in (0.02, 0.1, 0.5, 0.9, 0.999):
        with pytest.raises(ImageError, match=f"<bytes>: .*({kind}|not a picture|damaged)"):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_is_an_image_error_or_a_picture(kind: str, corners: Image.Image) -> None:
    dice = random.Random(0)
    data = made(corners, kind)
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_above_the_limit_is_refused_by_the_header(kind: str, corners: Image.Image) -> None:
    data = made(corners, kind)
    told = data.index(b"ispe") + 8
    bomb = data[:told] + struct.pack(">II", 60_000, 60_000) + data[told + 8 :]
    for ask in (decode, lambda source: size_of(io.BytesIO(source)), read):
        with pytest.raises(
            ImageError, match=r"60000 × 60000 is 3,600\.0 million pixels, above the limit of 80\.0 million"
        ):
            ask(bomb)
    with allowing(0.005), pytest.raises(ImageError, match=r"96 × 64 is 0\.0 million .* --max-megapixels 1"):
        decode(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_bits_that_is_larger_than_the_box_says_is_refused(kind: str, corners: Image.Image) -> None:
    """The decoder goes by the stream: its pixels would be decoded before anybody sees that they do not fit."""
    large = made(Image.new("RGB", (2048, 1024)), kind)
    told = large.index(b"ispe") + 8
    hidden = large[:told] + struct.pack(">II", 16, 16) + large[told + 8 :]
    with (
        allowing(1),
        pytest.raises(ImageError, match=r"2048 × 1024 is 2\.1 million pixels, above the limit of 0\.8 million"),
    ):
        decode(hidden)


def test_what_a_grid_says_counts_too(corners: Image.Image) -> None:
    data = made(corners.resize((192, 128)), "HEIC", tile_size=64)
    assert decode(data).size == (192, 128)
    if b"grid" not in data:
        pytest.skip("this pillow-heif writes no grids")
    at = data.index(struct.pack(">HH", 192, 128))
    bomb = data[:at] + struct.pack(">HH", 65_000, 65_000) + data[at + 4 :]
    with pytest.raises(ImageError, match=r"65000 × 65000 is"):
        decode(bomb)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_holds_far_more_than_its_picture_is_refused(kind: str, corners: Image.Image) -> None:
    data = made(corners, kind)
    with pytest.raises(ImageError, match="far more pictures, or data, than the one that is shown can need"):
        decode(data + struct.pack(">I4s", 40 * 2**20, b"free") + bytes(40 * 2**20 - 8))
    with pytest.raises(ImageError, match="parts do not fit"):
        decode(data + struct.pack(">I4s", 8, b"free") * 200_000)
    with pytest.raises(ImageError, match="parts do not fit"):
        decode(data + struct.pack(">I4s", 2, b"free"))


def test_without_pillow_heif_a_sentence_says_what_to_install(
    corners: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made(corners, "HEIC")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        ImageError, match=r"<bytes>: HEIC pictures need one package more: pip install 'whylight\[heif\]'"
    ):
        decode(data)


def test_without_avif_in_pillow_too(corners: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(corners, "AVIF")
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(ImageError, match=r"this Pillow was built without AVIF; its wheels have it: pip install"):
        decode(data)


def test_reading_heic_changes_nothing_in_pillow(corners: Image.Image) -> None:
    decode(made(corners, "HEIC"))
    assert "HEIF" not in Image.OPEN
