"""Every kind of colours, bits and transparency comes out as the RGB pixels that a viewer shows."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from encoding import pixels, png, transparent_key
from pictures import encoded
from whylight.errors import ImageError


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
