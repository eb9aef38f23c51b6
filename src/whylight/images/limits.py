"""What a picture file may cost: a stranger's file of a few kilobytes must not take minutes, or all the memory there is.

Each limit is held against the header, before the pixels are decoded. All together they keep the peak of decoding at about
9 bytes for each pixel, and `EXTRA` bytes besides.
"""

from __future__ import annotations

from whylight.errors import ImageError
from whylight.shown import shown

MAX_PIXELS = 100_000_000
MAX_SIDE = 100_000  # pixels; ten times the side of the largest square, and what the writers of PNG can still write
MAX_SCANS = 100  # of a JPEG that comes in several; programs write about ten
MAX_SCANNED = 2_000_000_000  # scans times pixels: some three seconds
MAX_VALUES = 50_000_000  # numbers in a PNM file that spells them out
MAX_RUN_LENGTH = 5_000_000  # pixels of a BMP file in run-length encoding
MAX_NOTES = 1_000  # chunks of a PNG that are not pixels
MAX_EXIF = 4 * 2**20  # bytes; the standard has room for 64 kB
EXTRA = 32 * 2**20  # bytes of notes, profiles and thumbnails; and what a small picture may take in any case


class Refusal(Exception):
    """What is wrong with a picture and what to do about it, without its name: `blaming` adds that."""


def check_size(size: tuple[int, int], max_pixels: int | None) -> None:
    """Refuse a (width, height) that has no pixels or too many; None: only the sides are limited."""
    width, height = size
    if width <= 0 or height <= 0:
        raise Refusal(f"the picture has no pixels: {width} × {height}")
    if max_pixels is not None and width * height > max_pixels:
        raise Refusal(
            f"{width} × {height} is {width * height / 1e6:,.1f} million pixels, above the limit of "
            f"{max_pixels / 1e6:,.1f} million; make the picture smaller"
        )
    if max(size) > MAX_SIDE:
        raise Refusal(
            f"{width} × {height}: a side is above the limit of {MAX_SIDE:,} pixels; cut the picture into shorter ones"
        )


def too_much(what: str) -> Refusal:
    """The refusal of a file in which something other than pixels is beyond measure."""
    return Refusal(f"{what} lie beside its pixels; export the picture again without them")


def room(pixels: int, each: float) -> float:
    """How many bytes something may take beside a picture of so many pixels."""
    return EXTRA + each * pixels


def named(name: str, what: object) -> ImageError:
    """The error that says what is wrong with a picture, under its name."""
    return ImageError(f"{shown(name)}: {shown(what)}")
