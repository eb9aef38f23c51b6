"""TIFF: whether all of it is there and in pieces of a bearable size; and libtiff, which would print its doubts, kept quiet."""

from __future__ import annotations

import ctypes
import io
import math
import struct
from functools import lru_cache
from typing import IO

from PIL import TiffImagePlugin, _imaging

from whylight.images import kinds
from whylight.images.files import length_of
from whylight.images.limits import Refusal, room

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_WANTED = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR}
)
_PREVIEW, _MORE, _DNG = (
    254,
    330,
    50706,
)  # a small copy comes first; where the rest lies; a raw photograph in Adobe's form
_TILED = frozenset({_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES})
_TELLING = frozenset({_PREVIEW, _MORE, _DNG})
_ENTRIES = 4096  # of a directory; real ones have some thirty
_PIECES = 500_000
_RAW, _OLD_JPEG, _YCBCR = 1, 6, 6


class _Copy(io.BytesIO):
    """A file in memory, which nobody else has."""


def opened(stream: IO[bytes], name: str = "") -> TiffImagePlugin.TiffImageFile:
    """Open the first picture of a TIFF, of which every byte that it needs is there.

    Raises:
        Refusal: it is cut short, or in pieces or with notes too large to hold.
    """
    _be_quiet()
    tags = _directory(stream)
    if _DNG in tags or (tags.get(_PREVIEW, [0])[0] & 1 and _MORE in tags) or kinds.is_raw(name):
        raise Refusal(kinds.about(kinds.RAW, name))  # its first picture is a thumbnail
    compression = _check(tags, length_of(stream))
    stream.seek(0)
    pixels = tags.get(_WIDTH, [0])[0] * tags.get(_HEIGHT, [0])[0]
    if compression != _RAW and not isinstance(stream, io.BytesIO) and length_of(stream) <= room(pixels, 4):
        # libtiff would map the file into memory: a read error, or another program that shortens it, would end the process.
        stream = _Copy(stream.read())
    return TiffImagePlugin.TiffImageFile(stream)


def forget(picture: TiffImagePlugin.TiffImageFile) -> None:
    """Give back what was read of a file once its pixels are decoded: Pillow keeps it for the pages that follow."""
    copy = getattr(picture, "_fp", None)
    if isinstance(copy, _Copy):
        copy.close()


def prepare(picture: TiffImagePlugin.TiffImageFile) -> None:
    """Give the pixels their room beforehand: Pillow would hold them against a limit of its own, and warn."""
    if hasattr(picture, "_tile_size"):
        picture.im = _imaging.new(picture.mode, picture._tile_size)


def stored_size(picture: TiffImagePlugin.TiffImageFile) -> tuple[int, int]:
    """The (width, height) that is stored, whichever way up it is; Pillow's versions differ in what they call its size."""
    return int(picture.tag_v2[_WIDTH]), int(picture.tag_v2[_HEIGHT])


@lru_cache(maxsize=1)
def _be_quiet() -> None:
    """Take libtiff's handlers away that print to the standard error of the process; what went wrong, Pillow tells anyway.

    The functions are looked up through Pillow's own extension, which finds the very library it is linked to. Where that is
    built in and hides its names, as on Windows, there is nothing to be found, and libtiff goes on printing.
    """
    try:
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            change = getattr(library, name)
            change.argtypes, change.restype = [ctypes.c_void_p], ctypes.c_void_p
            change(None)
    except (OSError, AttributeError, TypeError):
        return


def _directory(stream: IO[bytes]) -> dict[int, list[int]]:
    """The first directory's values that say where the pixels are; everything else in it has to be in the file too."""
    end = length_of(stream)
    head = _exactly(stream, 0, 8)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == 43
    if is_big and order == ">":
        raise Refusal("a BigTIFF with its high bytes first cannot be read; save it as an ordinary TIFF or as PNG")
    word, count_word, inline = ("Q", "Q", 8) if is_big else ("I", "H", 4)
    (at,) = struct.unpack(order + word, _exactly(stream, 8, 8) if is_big else head[4:])
    (count,) = struct.unpack(order + count_word, _exactly(stream, at, struct.calcsize(count_word)))
    if count > _ENTRIES:
        raise Refusal(f"its directory has {count:,} entries; the picture is damaged: copy or export it again")
    each = 4 + 2 * inline
    entries = _exactly(stream, at + struct.calcsize(count_word), count * each + inline)  # and where the next one lies
    found: dict[int, list[int]] = {}
    notes = 0
    for number in range(count):
        tag, kind, values = struct.unpack_from(f"{order}HH{word}", entries, number * each)
        bytes_ = values * _SIZES.get(kind, 0)
        place = number * each + 4 + inline
        if bytes_ > inline:
            (start,) = struct.unpack_from(order + word, entries, place)
            if start + bytes_ > end:
                raise _cut(start + bytes_ - end)
            notes += bytes_
        if tag in found or tag not in _WANTED | _TILED | _TELLING or kind not in _LETTERS or values == 0:
            continue
        if values > 2 * _PIECES:
            raise Refusal(f"it is in {values:,} pieces, above the limit of {_PIECES:,}; export the picture again")
        data = _exactly(stream, start, bytes_) if bytes_ > inline else entries[place : place + bytes_]
        found[tag] = list(struct.unpack(f"{order}{values}{_LETTERS[kind]}", data))
    if notes > room(found.get(_WIDTH, [0])[0] * found.get(_HEIGHT, [0])[0], 1):
        raise Refusal(f"it holds {notes / 1e6:,.0f} MB of notes or layers beside its pixels; export it without them")
    return found


def _check(tags: dict[int, list[int]], end: int) -> int:
    """Hold each strip or tile against the file's end, and their size against the picture's; returns the compression."""
    width, height = (tags.get(tag, [0])[0] for tag in (_WIDTH, _HEIGHT))
    compression = tags.get(_COMPRESSION, [_RAW])[0]
    is_tiled = _TILES in tags and _STRIPS not in tags
    starts, lengths = (tags.get(tag, []) for tag in ((_TILES, _TILE_BYTES) if is_tiled else (_STRIPS, _STRIP_BYTES)))
    across, down = width, min(tags.get(_ROWS, [height])[0] or height, height)
    if is_tiled:
        across, down = (tags.get(tag, [0])[0] for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if min(width, height, across, down) < 1 or (compression == _OLD_JPEG and not starts):
        return compression  # Pillow says what is missing; the oldest JPEGs have a place of their own
    samples = tags.get(_SAMPLES, [3 if tags.get(_PHOTOMETRIC, [0])[0] in (2, 6, 8) else 1])[0]
    planes, together = (samples, 1) if tags.get(_PLANAR, [1])[0] == 2 else (1, samples)
    row = math.ceil(across * together * max(tags.get(_BITS, [1])) / 8)
    pieces = math.ceil(width / across) * math.ceil(height / down)
    if pieces * planes > _PIECES:
        raise Refusal(f"it is in {pieces * planes:,} pieces, above the limit of {_PIECES:,}; export the picture again")
    if len(starts) < pieces * planes:
        raise Refusal(
            f"the picture is damaged or cut short (it lists {len(starts):,} of {pieces * planes:,} pieces); "
            "copy or export it again"
        )
    if compression != _RAW and row * down > room(width * height, 5):
        raise Refusal(
            f"it is compressed in pieces of {row * down / 1e6:,.0f} MB, which have to be held whole; save it in "
            "strips or tiles"
        )
    if len(lengths) != len(starts):  # old files: they are known where nothing is compressed or left out
        is_plain = compression == _RAW and not is_tiled and tags.get(_PHOTOMETRIC, [0])[0] != _YCBCR
        lengths = [row * min(down, height - number % pieces * down) if is_plain else 1 for number in range(len(starts))]
    last = max((start + length for start, length in zip(starts, lengths, strict=True)), default=0)
    if last > end:
        raise _cut(last - end)
    return compression


def _exactly(stream: IO[bytes], at: int, count: int) -> bytes:
    stream.seek(min(at, 2**62))
    data = stream.read(count)
    if len(data) < count:
        raise _cut(count - len(data))
    return data


def _cut(lacking: int) -> Refusal:
    return Refusal(f"the picture is damaged or cut short (it lacks {lacking:,} bytes); copy or export it again")
