"""What a picture file may cost: a stranger's file of a few kilobytes must not take minutes, or all the memory there is.

Each limit is held against the header, before the pixels are decoded. All together they keep the peak of decoding at about
9 bytes for each pixel, and `EXTRA` bytes besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from whylight.errors import ImageError, WhylightError
from whylight.shown import shown

MAX_PIXELS = 100_000_000
MOST_MEGAPIXELS = 1_000  # that `allowing` allows: 10 GB at 9 or 10 bytes a pixel, more than most machines have to spare
MAX_SIDE = 100_000  # pixels; ten times the side of the largest square, and what the writers of PNG can still write
MAX_SCANS = 100  # of a JPEG that comes in several; programs write about ten
MAX_SCANNED = 2_000_000_000  # scans times pixels of a JPEG: some three seconds
MAX_FILE = 512 * 2**20  # bytes that are read of a pipe; a picture of 100 million pixels without compression has 300 MB
MAX_VALUES = 50_000_000  # numbers in a PNM file that spells them out
MAX_RUN_LENGTH = 5_000_000  # pixels of a BMP file in run-length encoding
MAX_NOTES = 1_000  # chunks of a PNG that are not pixels
MAX_EXIF = 4 * 2**20  # bytes; the standard has room for 64 kB
EXTRA = 32 * 2**20  # bytes of notes, profiles and thumbnails; and what a small picture may take in any case


_allowed: ContextVar[int] = ContextVar("whylight_max_pixels", default=MAX_PIXELS)


class Refusal(Exception):
    """What is wrong with a picture and what to do about it, without its name: `blaming` adds that."""


@contextmanager
def allowing(megapixels: float | None) -> Iterator[None]:
    """Within the block, pictures may have so many million pixels, rather than 100; None: as it is outside.

    A JPEG of more is read at a half, a quarter or an eighth of its size; whatever else has more is refused. Decoding takes
    some 10 bytes of memory for each pixel.

    Raises:
        WhylightError: if it is no number above 0, up to `MOST_MEGAPIXELS` (1,000).

    Examples:
        >>> from whylight import images
        >>> with images.allowing(0.1):
        ...     images.decode("examples/astronaut.jpg").size
        (256, 256)
    """
    if megapixels is None:
        yield
        return
    token = _allowed.set(round(1e6 * checked_megapixels(megapixels)))
    try:
        yield
    finally:
        _allowed.reset(token)


def checked_megapixels(value: float) -> float:
    """A limit that can be allowed.

    Raises:
        WhylightError: if it is none.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not 0.000001 <= value <= MOST_MEGAPIXELS:
        raise WhylightError(
            f"max megapixels {shown(value)}: expected a number above 0, up to {MOST_MEGAPIXELS:,}: decoding takes 10 bytes of "
            "memory for each pixel"
        )
    return value


def allowed() -> int:
    """How many pixels a picture may have at present."""
    return _allowed.get()


def raised() -> float:
    """How many times as much as usual is allowed at present; at least 1."""
    return max(1.0, _allowed.get() / MAX_PIXELS)


def check_size(size: tuple[int, int], max_pixels: int | None, cost: float = 1.0) -> None:
    """Refuse a (width, height) that has no pixels or too many.

    Args:
        size: the picture's.
        max_pixels: the most; None: only the sides are limited.
        cost: how many times as much memory as others it takes: it may have so many times fewer pixels.
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise Refusal(f"the picture has no pixels: {width} × {height}")
    if max_pixels is not None and width * height * cost > max_pixels:
        raise Refusal(
            f"{width} × {height} is {width * height / 1e6:,.1f} million pixels, above the limit of "
            f"{max_pixels / cost / 1e6:,.1f} million; make the picture smaller{_or_allow(width * height * cost)}"
        )
    if max(size) > MAX_SIDE:
        raise Refusal(
            f"{width} × {height}: a side is above the limit of {MAX_SIDE:,} pixels; cut the picture into shorter ones"
        )


def _or_allow(pixels: float) -> str:
    """How to have it all the same, where that is possible."""
    needed = math.ceil(pixels / 1e6)
    if needed > MOST_MEGAPIXELS:
        return ""
    return f", or allow it: --max-megapixels {needed}; when training, or in Python, whylight.images.allowing({needed})"


def too_much(what: str) -> Refusal:
    """The refusal of a file in which something other than pixels is beyond measure."""
    return Refusal(f"{what} lie beside its pixels; export the picture again without them")


def room(pixels: int, each: float) -> float:
    """How many bytes something may take beside a picture of so many pixels."""
    return EXTRA + each * pixels


def named(name: str, what: object) -> ImageError:
    """The error that says what is wrong with a picture, under its name."""
    return ImageError(f"{shown(name)}: {shown(what)}")
