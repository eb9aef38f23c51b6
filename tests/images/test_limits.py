"""What a file may cost: small files of strangers that would take minutes or gigabytes are refused by their headers."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import chunk, encoded, one_by_one, png, progressive, run_lengths, scans_of, tiff
from whylight.errors import ImageError
from whylight.images import MAX_SCANS, MAX_SIDE, decode, pixels_in, size_of

MEGABYTE = bytes(2**20)
GREY = np.zeros((4, 4), np.uint8)


@pytest.fixture(scope="module")
def sides() -> dict[str, bytes]:
    return {
        "1000001 × 1": png(1_000_001, 1),
        "100000000 × 1": png(100_000_000, 1, b""),
        "2 × 2000000": png(2, 2_000_000),
        "1 × 100001": encoded(Image.new("L", (1, 100_001)), "PPM"),
        "100001 × 2": encoded(Image.new("1", (100_001, 2)), "TIFF", compression="group4"),
    }


def test_a_side_has_a_limit_whichever_way_the_picture_comes(sides: dict[str, bytes], tmp_path: Path) -> None:
    for size, data in sides.items():
        path = tmp_path / "long.png"
        path.write_bytes(data)
        for source in (data, path):
            with pytest.raises(ImageError, match=rf": {size}: a side is above the limit of 100,000 pixels; cut"):
                decode(source)
        with pytest.raises(ImageError, match=f"long.png: {size}: a side is above"):
            size_of(path)
        with pytest.raises(ImageError, match="a side is above"):
            pixels_in(data)
    for source in (np.zeros((1, MAX_SIDE + 1), np.uint8), Image.new("L", (1, MAX_SIDE + 1))):
        with pytest.raises(ImageError, match="a side is above the limit"):
            decode(source)
    assert decode(png(3, MAX_SIDE - 1000)).size == (3, MAX_SIDE - 1000)
    assert decode(Image.new("L", (MAX_SIDE, 1))).size == (MAX_SIDE, 1)


@pytest.mark.parametrize("make", [progressive, one_by_one])
def test_a_jpeg_may_not_go_over_its_picture_for_ever(make: Callable[[int, int], bytes], tmp_path: Path) -> None:
    data = make(1000, 3000)
    path = tmp_path / "slow.jpg"
    path.write_bytes(data)
    with Image.open(path) as fresh:
        for source in (path, data, fresh):
            begun = time.perf_counter()
            with pytest.raises(
                ImageError, match=r"goes over its picture more than 100 times; above 100 scans, or 2 billion"
            ):
                decode(source)
            assert time.perf_counter() - begun < 1
    assert decode(make(64, 80)).size == (64, 64)


def test_scans_times_pixels_are_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.images.formats.jpeg.MAX_SCANNED", 20 * 100 * 100)
    assert decode(progressive(100, 14)).size == (100, 100)  # six are its own
    with pytest.raises(ImageError, match="more than 20 times"):
        decode(progressive(100, 15))


def test_thumbnails_and_what_lies_behind_the_end_are_no_scans() -> None:
    slow = progressive(16, 150)
    fine = encoded(Image.new("RGB", (40, 30), "teal"), "JPEG", progressive=True)
    thumbnail = slow[:60_000]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert decode(fine[:2] + segment + fine[2:] + slow).size == (40, 30)
    assert len(scans_of(slow)[0]) > MAX_SCANS


def test_junk_and_fill_bytes_between_segments_are_passed_over_as_the_decoder_does() -> None:
    data = progressive(16, 150)
    at = data.index(b"\xff\xdb")
    with pytest.raises(ImageError, match="goes over its picture"):
        decode(data[:at] + b"\xff\xff\xff" + data[at:])


def test_a_photograph_is_checked_in_no_time(tmp_path: Path) -> None:
    from whylight.images.formats import jpeg

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 1600, 3), dtype=np.uint8))
    data = encoded(noise, "JPEG", quality=95)
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        jpeg.check(io.BytesIO(data))
        took.append(time.perf_counter() - begun)
    assert len(data) > 2_500_000
    assert min(took) < 0.001


def test_coefficients_have_to_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.images.formats.jpeg.MAX_PIXELS", 10_000)
    picture = Image.new("RGB", (100, 100))
    assert decode(encoded(picture, "JPEG", progressive=True, subsampling=0)).size == (100, 100)  # 10 bytes a pixel
    with pytest.raises(ImageError, match=r"takes 0 MB of memory, above the limit of 0 MB; save it again as baseline"):
        decode(encoded(picture.convert("CMYK"), "JPEG", progressive=True))
    assert decode(encoded(picture.convert("CMYK"), "JPEG")).size == (100, 100)


BOMB = zlib.compress(MEGABYTE, 9)
EXIF = b"\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0" + bytes(65533 - 14)
JPEG = encoded(Image.new("RGB", (16, 16)), "JPEG")
GIF = encoded(Image.new("P", (16, 16)), "GIF")
COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    "profiles": (lambda: png(1, 1, extra=chunk(b"iCCP", b"a\0\0" + BOMB) * 900), "several colour profiles"),
    "texts": (lambda: png(1, 1, extra=chunk(b"zTXt", b"a\0\0" + BOMB) * 900), "text"),
    "international texts": (lambda: png(1, 1, extra=chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB) * 900), "text"),
    "one text": (lambda: png(1, 1, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(16 * MEGABYTE, 1))), "too large"),
    "a private chunk": (lambda: png(1, 1, extra=chunk(b"prIv", 40 * MEGABYTE)), "notes"),
    "very many chunks": (lambda: png(1, 1, extra=chunk(b"prIv", b"") * 2000), "1,000 pieces of notes"),
    "empty parts": (lambda: png(1, 1, pixels=chunk(b"IDAT", b"") * 600_000), "500,000 parts"),
    "a tail": (lambda: png(1, 1, pixels=chunk(b"IDAT", zlib.compress(b"\0\0") + 40 * MEGABYTE)), "far more data"),
    "exif of a png": (lambda: png(1, 1, extra=chunk(b"eXIf", b"II*\0" + 5 * MEGABYTE)), "EXIF"),
    "exif of a jpeg": (lambda: JPEG[:2] + EXIF * 500 + JPEG[2:], "4 MB of EXIF"),
    "junk in a jpeg": (lambda: JPEG[:2] + b"\xff\0" + 40 * MEGABYTE + JPEG[2:], "notes"),
    "comments in a jpeg": (lambda: JPEG[:2] + b"\xff\xfe\0\2" * 3_000_000 + JPEG[2:], "pieces of them"),
    "comments in a gif": (lambda: GIF[:13] + b"!\xfe" + b"\1a" * 2_000_000 + b"\0" + GIF[13:], "pieces of them"),
    "extensions in a gif": (lambda: GIF[:13] + b"!\x01\1a\0" * 1_000_000 + GIF[13:], "pieces of them"),
    "a large tile": (lambda: tiff(GREY, tile=(4, 4), compression=8, change={322: (4, [60_000]), 323: (4, [60_000])}), "3,600 MB"),
    "very many tiles": (lambda: tiff(GREY, tile=(4, 4), change={tag: (4, [9000]) for tag in (256, 257)}), "pieces"),
    "a layer": (lambda: tiff(GREY, change={37724: (4, [0] * 9_000_000)}), "36 MB of notes or layers"),
    "a directory": (lambda: tiff(GREY, change={40_000 + one: (3, [1]) for one in range(5000)}), "5,010 entries"),
    "runs of nothing": (lambda: run_lengths(1000, 1000, b"\0\0" * 2_000_000), "run-length"),
    "empty lines": (lambda: run_lengths(10_000, 10_000, b"\1\1\0\0" * 10_000 + b"\0\1"), "run-length encoding"),
    "a remark": (lambda: b"P6\n#" + 8 * MEGABYTE + b"\n2 2\n255\n" + bytes(12), "no size"),
    "words": (lambda: b"P3\n10000 10000\n255\n" + b"7 " * 9, "spells out 300,000,000 values"),
    "spaces": (lambda: b"P2\n2 2\n255\n" + b" " * 40_000_000 + b"1 2 3 4", "mostly something else"),
    "one long number": (lambda: b"P2\n2000 2000\n255\n" + b"1" * 9_000_000, "very many digits"),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_lies_beside_the_pixels_may_not_cost_more_than_they(name: str) -> None:
    make, says = COSTLY[name]
    data = make()
    begun = time.perf_counter()
    with pytest.raises(ImageError, match=f"<bytes>: .*{says}"):
        decode(data)
    assert time.perf_counter() - begun < 4


def test_very_many_frames_and_directories_cost_nothing() -> None:
    at = GIF.index(b",")
    assert decode(GIF[:-1] + GIF[at:-1] * 20_000 + b";").size == (16, 16)
    pages = bytearray(tiff(GREY, first=True))
    entry = 8 + 2 + 12 * struct.unpack_from("<H", pages, 8)[0]
    struct.pack_into("<I", pages, entry, 8)  # the next page is this one
    assert decode(bytes(pages)).size == (4, 4)
    frames = [Image.new("RGB", (40, 30), (one, 0, 0)) for one in range(0, 250, 5)]
    film = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert decode(film).getpixel((1, 1)) == (0, 0, 0)


def test_an_animated_webp_begins_with_a_part_of_the_picture() -> None:
    """As Pillow plays it: what the first frame leaves out is transparent, or black where the file says it has no such thing."""
    moving = Image.new("RGBA", (40, 30))
    moving.paste((200, 30, 60, 255), (10, 8, 20, 20))
    frames = [moving, Image.new("RGBA", (40, 30), "blue")]
    for options in ({"lossless": True}, {"quality": 90}, {"lossless": True, "minimize_size": True}):
        data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], **options)
        with Image.open(io.BytesIO(data)) as film:
            played = film.convert("RGBA")
        white = Image.new("RGBA", played.size, "white")
        white.alpha_composite(played)
        assert np.abs(np.asarray(decode(data)).astype(int) - np.asarray(white)[..., :3]).max() <= 1


@pytest.mark.parametrize("maximum", [1, 7, 100, 254, 255, 256, 1000, 65534, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_pnm_of_every_range_is_as_pillow_reads_it(kind: int, maximum: int) -> None:
    values = np.random.default_rng(maximum).integers(0, maximum + 1, (9, 13, 3) if kind in (3, 6) else (9, 13))
    head = b"P%d # a remark\n13\t9\n# 7 7\n%d\n" % (kind, maximum)
    text = b" # more\n".join(b"%d" % value for value in values.ravel()) + b"\n"
    data = head + (text if kind < 4 else values.astype(">u2" if maximum > 255 else np.uint8).tobytes())
    with Image.open(io.BytesIO(data)) as theirs:
        theirs.load()
        expected = np.asarray(theirs)
    if expected.dtype != np.uint8:
        expected = np.rint(expected / 65535 * 255)
    ours = np.asarray(decode(data))
    assert (ours == (expected if expected.ndim == 3 else expected[..., None])).all()


def test_bitmaps_in_letters_need_no_spaces() -> None:
    for text in (b"1 0 1\n0 0 1", b"101001", b"10#1\n1\n001 # end"):
        assert np.asarray(decode(b"P1 3 2\n" + text))[..., 0].tolist() == [[0, 255, 0], [255, 255, 0]]
    with pytest.raises(ImageError, match="more than 0 and 1"):
        decode(b"P1 3 2\n102001")
    with pytest.raises(ImageError, match="the value 9 is above the 7"):
        decode(b"P2 2 1 7\n1 9")
    with pytest.raises(ImageError, match="more than numbers"):
        decode(b"P2 2 1 7\n1 -2")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_costs_no_decoding(
    kind: str, orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    compression = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    data = encoded(Image.new("RGB", (40, 30)), kind, exif=exif, **compression)
    path = tmp_path / "a.any"
    path.write_bytes(data)
    expected = decode(data).size
    turned = orientation > 4 and kind not in ("BMP", "GIF", "PPM")
    assert expected == ((30, 40) if turned else (40, 30))
    made = Image.core.new

    def watch(mode: str, size: tuple[int, int]) -> object:
        assert size[0] * size[1] <= 1, "pixels were given room"
        return made(mode, size)

    monkeypatch.setattr(Image.core, "new", watch)
    assert size_of(path) == expected
    assert pixels_in(path) == pixels_in(data) == 1200
