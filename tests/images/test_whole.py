"""A file that was cut short is no whole picture, wherever the cut is; and what a decoder thinks of it is not printed."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encoded, run_lengths, tiff
from whylight.errors import ImageError
from whylight.images import decode

COLOUR = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
COLOUR[:, :30] = np.arange(30)[None, :, None] * 8  # half of it can be compressed
PICTURE = Image.fromarray(COLOUR)
DEEP = COLOUR.astype(np.uint16) * 257
CLEAR = Image.fromarray(np.dstack([COLOUR, COLOUR[..., 0]]))
EXIF = Image.Exif()
EXIF[0x112] = 6

TIFFS = {
    **{f"Pillow's {how}": encoded(PICTURE, "TIFF", compression=how) for how in
       ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")},
    **{f"Pillow's {how}": encoded(PICTURE.convert("1"), "TIFF", compression=how) for how in ("group3", "group4")},
    "with a palette": encoded(PICTURE.quantize(16), "TIFF", compression="tiff_lzw"),
    "16 bits": encoded(Image.fromarray(DEEP[..., 0]), "TIFF", compression="tiff_lzw"),
    "floats": encoded(Image.fromarray(DEEP[..., 0].astype(np.float32)), "TIFF", compression="tiff_adobe_deflate"),
    "BigTIFF of Pillow": encoded(PICTURE, "TIFF", compression="tiff_lzw", big_tiff=True),
    "turned": encoded(PICTURE, "TIFF", exif=EXIF),
    **{
        f"{name}, directory {'first' if first else 'last'}": tiff(array, first=first, **options)  # type: ignore[arg-type]
        for first in (False, True)
        for name, array, options in (
            ("high bytes first", COLOUR, {"order": ">"}),
            ("16 bits, high bytes first", DEEP, {"order": ">", "compression": 8, "rows": 9}),
            ("strips", COLOUR, {"rows": 7}),
            ("strips in PackBits", COLOUR, {"rows": 7, "compression": 32773}),
            ("tiles", COLOUR, {"tile": (32, 16)}),
            ("tiles in deflate", COLOUR, {"tile": (32, 16), "compression": 8}),
            ("colours apart", COLOUR, {"planes": True, "rows": 7}),
            ("colours apart in deflate", COLOUR, {"planes": True, "rows": 7, "compression": 8}),
            ("BigTIFF", COLOUR, {"big": True, "compression": 8, "rows": 9}),
        )
    },
}  # fmt: skip
OTHERS = {
    "JPEG": encoded(PICTURE, "JPEG"),
    "JPEG, progressive": encoded(PICTURE, "JPEG", progressive=True),
    "JPEG, grey": encoded(PICTURE.convert("L"), "JPEG"),
    "JPEG, restarts": encoded(PICTURE, "JPEG", restart_marker_rows=1),
    "PNG": encoded(PICTURE, "PNG"),
    "PNG, turned": encoded(PICTURE, "PNG", exif=EXIF),
    "PNG, palette": encoded(PICTURE.quantize(16), "PNG"),
    "PNG, moving": encoded(
        PICTURE, "PNG", save_all=True, append_images=[PICTURE.transpose(Image.Transpose.ROTATE_180)]
    ),
    "WebP": encoded(PICTURE, "WEBP"),
    "WebP, lossless": encoded(PICTURE, "WEBP", lossless=True),
    "WebP, transparent": encoded(CLEAR, "WEBP", exif=EXIF),
    "WebP, moving": encoded(
        PICTURE, "WEBP", save_all=True, append_images=[PICTURE.transpose(Image.Transpose.ROTATE_180)]
    ),
    "GIF": encoded(PICTURE, "GIF"),
    "GIF, moving": encoded(
        PICTURE, "GIF", save_all=True, append_images=[PICTURE.transpose(Image.Transpose.ROTATE_180)]
    ),
    "BMP": encoded(PICTURE, "BMP"),
    "BMP, palette": encoded(PICTURE.quantize(16), "BMP"),
    "BMP, runs": run_lengths(60, 50, (b"".join(bytes([1, one]) for one in COLOUR[0, :, 0]) + b"\0\0") * 50 + b"\0\1"),
    "PPM": encoded(PICTURE, "PPM"),
    "PGM, 16 bits": encoded(Image.fromarray(DEEP[..., 0]), "PPM"),
    "PBM": encoded(PICTURE.convert("1"), "PPM"),
    "PPM, odd range": b"P6\n60 50\n200\n" + COLOUR.tobytes(),
    "PPM, words": b"P3\n60 50\n255\n" + b" ".join(b"%d" % one for one in COLOUR.ravel() % 10) + b"\n",
}


def cuts(data: bytes) -> list[int]:
    """25 places at which to cut: spread over the file, some at chance, and each of its last bytes."""
    dice = random.Random(len(data))
    spread = [round(one * (len(data) - 1) / 12) for one in range(12)]
    return sorted({*spread, *(dice.randrange(len(data)) for _ in range(6)), *range(len(data) - 8, len(data))} - {0})


@pytest.mark.parametrize("name", TIFFS)
def test_no_tiff_that_was_cut_short_passes(name: str, tmp_path: Path) -> None:
    data = TIFFS[name]
    assert decode(data).size == ((50, 60) if name == "turned" else (60, 50))
    path = tmp_path / "cut.tif"
    for cut in cuts(data):
        path.write_bytes(data[:cut])
        for source in (data[:cut], path):
            with pytest.raises(ImageError):
                decode(source)


@pytest.mark.parametrize("name", OTHERS)
def test_what_was_cut_short_passes_only_where_no_pixel_is_lost(name: str) -> None:
    data = OTHERS[name]
    whole = np.asarray(decode(data))
    refused = 0
    for cut in cuts(data):
        try:
            rest = np.asarray(decode(data[:cut]))
        except ImageError:
            refused += 1
            continue
        assert np.array_equal(rest, whole), cut
    assert refused > (5 if "moving" in name else 15)


@pytest.mark.parametrize("kind", [{"rows": 7}, {"tile": (32, 16)}])
def test_pieces_that_are_not_listed_are_missed(kind: dict[str, object]) -> None:
    """Pillow leaves what they hold black."""
    starts, lengths = (324, 325) if "tile" in kind else (273, 279)
    data = tiff(COLOUR, change={starts: (4, [8, 8]), lengths: (4, [60, 60])}, **kind)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="it lists 2 of 8 pieces"):
        decode(data)


def test_many_pages_count_for_nothing_but_the_first() -> None:
    pages = encoded(PICTURE, "TIFF", compression="tiff_lzw", save_all=True, append_images=[PICTURE] * 3)
    assert np.array_equal(np.asarray(decode(pages)), COLOUR)
    assert np.array_equal(np.asarray(decode(pages[: len(pages) // 2])), COLOUR)


def test_a_page_that_pillow_was_sent_to_is_read() -> None:
    pages = encoded(PICTURE, "TIFF", compression="tiff_lzw", save_all=True, append_images=[PICTURE.convert("L")])
    with Image.open(io.BytesIO(pages)) as opened:
        opened.seek(1)
        assert np.array_equal(np.asarray(decode(opened))[..., 0], np.asarray(PICTURE.convert("L")))


def test_reading_leaves_an_open_picture_as_it_was() -> None:
    for name, data in (TIFFS | OTHERS).items():
        with Image.open(io.BytesIO(data)) as opened, Image.open(io.BytesIO(data)) as other:
            first, again = (np.asarray(decode(opened)) for _ in range(2))
            assert np.array_equal(first, again), name
            assert np.array_equal(np.asarray(opened), np.asarray(other)), name


@pytest.mark.parametrize("kind", ["TIFF", "other"])
def test_decoders_print_nothing(kind: str, tmp_path: Path) -> None:
    """libtiff and Python's warnings go to the terminal by themselves, so this takes a process of its own."""
    dice = random.Random(0)
    for number, data in enumerate((TIFFS if kind == "TIFF" else OTHERS).values()):
        for cut in cuts(data)[::4]:
            (tmp_path / f"{number} {cut}").write_bytes(data[:cut])
        for turn in range(6):
            broken = bytearray(data)
            for _ in range(1 + turn):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            (tmp_path / f"{number} broken {turn}").write_bytes(broken)
    code = (
        "import sys, pathlib\n"
        "from whylight.errors import ImageError\n"
        "from whylight.images import decode\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    for source in (path, path.read_bytes()):\n"
        "        try: decode(source)\n"
        "        except ImageError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("refused") > 100
