"""JPEG: at what size it is read, and how often the file goes over its picture.

A few hundred bytes say "once more over everything".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from PIL import JpegImagePlugin

from whylight.images.limits import (
    EXTRA,
    MAX_EXIF,
    MAX_PIXELS,
    MAX_SCANNED,
    MAX_SCANS,
    Refusal,
    allowed,
    check_size,
    raised,
    too_much,
)

# The next marker that is followed by a length, or that begins or ends a picture: neither stuffing, nor a restart.
_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START, _END, _SCAN, _NOTES = 0xD8, 0xD9, 0xDA, 0xE1
_BLOCK = 1 << 16
_LOOK = 64  # bytes of a segment that are looked at
_SEGMENTS = 100_000
_HELD = 10  # bytes a pixel; of a colour picture in full resolution 4 are pixels and 6 coefficients
_TIMES = (1, 2, 4, 8)  # that libjpeg makes a picture smaller while it decodes it, at less cost than in full


class Frame(NamedTuple):
    """What a frame header says: (width, height), colour components, and samples (all components', as they are subsampled)."""

    size: tuple[int, int]
    components: int
    samples: float
    is_progressive: bool

    @property
    def pixels(self) -> int:
        """Of the whole picture."""
        return self.size[0] * self.size[1]


class JpegFile(JpegImagePlugin.JpegImageFile):
    """Pillow's reader, which is told how many bytes the picture is held in until its last scan, beside its pixels."""

    held = 0


def times_smaller(size: tuple[int, int], max_pixels: int) -> int:
    """How many times smaller the sides have to be for so many pixels: 1, 2, 4 or 8.

    Raises:
        Refusal: if an eighth is too large, or going over all of it would take too long.
    """
    check_size(size, min(_TIMES[-1] ** 2 * max_pixels, MAX_SCANNED))
    width, height = size
    fits = (times for times in _TIMES if -(-width // times) * -(-height // times) <= max_pixels)
    return next(fits, _TIMES[-1])


def check(stream: IO[bytes]) -> int:
    """Refuse a JPEG that goes over its picture too often, or has to be held whole in a form that is too large.

    Thumbnails lie in segments of their own, which are passed over. Only a file whose first scan leaves something for others
    is read further than that.

    Returns:
        How many bytes it is held in until its last scan, beside its pixels; 0 for one that comes all in one go.

    Raises:
        Refusal: if it is of that kind. Damage is left to the decoder.
    """
    frame: Frame | None = None
    scans = exif = held = 0
    for number, (marker, body) in enumerate(_segments(stream)):
        if number > _SEGMENTS or (scans == 0 and stream.tell() > EXTRA + 2 * _BLOCK):
            raise too_much(f"more than {EXTRA // 2**20} MB of notes, or {_SEGMENTS:,} pieces of them,")
        if marker == _NOTES and body.startswith(b"Exif\0"):
            exif += 1
            if exif > MAX_EXIF >> 16:  # Pillow takes time with the square of their number
                raise too_much(f"more than {MAX_EXIF // 2**20} MB of EXIF data")
        if marker in _FRAMES and frame is None:
            frame = _frame(marker, body)
        elif marker == _SCAN:
            scans += 1
            if frame is None or not (frame.is_progressive or body[0] < frame.components):
                return 0  # all in one go
            if scans == 1:
                held = _check_memory(frame)
            if scans > MAX_SCANS or scans * frame.pixels > MAX_SCANNED:
                raise Refusal(
                    f"this JPEG goes over its picture more than {scans - 1} times; above {MAX_SCANS} scans, or "
                    f"{MAX_SCANNED / 1e9:g} billion pixels in all of them, is too slow to decode; save it again as baseline JPEG"
                )
    return held


def _check_memory(frame: Frame) -> int:
    """What comes in several scans is held as coefficients, two bytes each, until the last."""
    times, most = times_smaller(frame.size, allowed()), _HELD * MAX_PIXELS * raised()
    held = 4 * frame.pixels / times**2 + 2 * frame.samples
    if held > most:
        raise Refusal(
            f"to decode this JPEG of several scans takes {held / 1e6:,.0f} MB of memory, above the limit of "
            f"{most / 1e6:,.0f} MB; save it again as baseline JPEG"
        )
    return round(2 * frame.samples)


def _frame(marker: int, body: bytes) -> Frame | None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    factors = body[7 : 6 + 3 * body[5] : 3]  # of each component: how much finer it is across, and down
    most = max((one >> 4 for one in factors), default=1) * max((one & 15 for one in factors), default=1)
    samples = size[0] * size[1] * sum((one >> 4) * (one & 15) for one in factors) / max(most, 1)
    return Frame(size, body[5], samples, marker in _PROGRESSIVE)


def _segments(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each (marker, first bytes behind its length), up to the end of the picture; entropy-coded data is passed over."""
    stream.seek(2)
    data, at = b"", 0
    while True:
        found = _MARKER.search(data, at)
        if found is None or len(data) < found.end() + _LOOK:
            rest = data[found.start() if found else max(len(data) - 1, at) :]  # the last byte may be half a marker
            more = stream.read(_BLOCK)
            data, at = rest + more, 0
            if not more and found is None:
                return
            found = _MARKER.search(data)
            if found is None:
                continue
        marker, start = found[1][0], found.end()
        length = int.from_bytes(data[start : start + 2], "big")
        if marker in (_START, _END) or len(data) < start + 2:
            return
        yield marker, data[start + 2 : start + min(length, _LOOK)]
        at = start + length
        if at > len(data):
            stream.seek(at - len(data), os.SEEK_CUR)
            data, at = b"", 0
