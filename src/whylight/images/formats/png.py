"""PNG: whether all of it is there, what lies beside the pixels, and which way up it is, without decoding it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from PIL import PngImagePlugin

from whylight.images.files import length_of
from whylight.images.limits import EXTRA, MAX_EXIF, MAX_NOTES, Refusal, too_much

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IDAT", b"fdAT", b"fcTL"})
_NOTES = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_CHUNKS = 500_000
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the kind of colour


class Chunk(NamedTuple):
    """A part of the file: its kind, where its body begins, and how many bytes that has."""

    kind: bytes
    start: int
    length: int


def check(stream: IO[bytes]) -> None:
    """Refuse a PNG that is cut short, or holds more notes or more compressed pixels than it has any use for.

    Raises:
        Refusal: if it is of that kind. Damage inside its parts is left to the decoder.
    """
    notes = pixels = beside = profiles = exif = 0
    most = EXTRA
    for chunk in _chunks(stream):
        if chunk.kind == b"IDAT":
            pixels += chunk.length
        elif chunk.kind not in _PIXELS:
            notes, beside = notes + 1, beside + chunk.length
            profiles += chunk.kind == b"iCCP"
            exif += chunk.length * (chunk.kind == b"eXIf")
        if chunk.kind == b"IHDR" and chunk.length >= 13:
            stream.seek(chunk.start)
            most = EXTRA + 2 * _raw(stream.read(13))  # nobody's compression doubles them
        if beside > EXTRA or notes > MAX_NOTES:
            raise too_much(f"more than {EXTRA // 2**20} MB or {MAX_NOTES:,} pieces of notes")
        if profiles > 1 or exif > MAX_EXIF:
            raise too_much(f"several colour profiles, or more than {MAX_EXIF // 2**20} MB of EXIF data,")
        if pixels > most:
            raise Refusal("it holds far more data than its pixels can need; export the picture again")


def notes_of(stream: IO[bytes]) -> PngImagePlugin.PngImageFile:
    """The same file with one pixel instead of its own: it tells the orientation at no cost.

    Pillow looks for notes behind the pixels too, and decodes those on the way.
    """
    parts = [_SIGNATURE]
    for chunk in _chunks(stream):
        if chunk.kind == b"IHDR" or chunk.kind in _NOTES:
            stream.seek(chunk.start)
            body = stream.read(chunk.length)
            if chunk.kind == b"IHDR":
                body = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
                parts += _chunk(b"IHDR", body), _chunk(b"IDAT", zlib.compress(bytes(2)))
            else:
                parts.append(_chunk(chunk.kind, body))
    return PngImagePlugin.PngImageFile(io.BytesIO(b"".join([*parts, _chunk(b"IEND", b"")])))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(stream: IO[bytes]) -> Iterator[Chunk]:
    """Each part up to the last one."""
    end = length_of(stream)
    at = len(_SIGNATURE)
    for _ in range(_CHUNKS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            raise Refusal("the picture is damaged or cut short (its last part is missing); copy or export it again")
        chunk = Chunk(head[4:], at + 8, int.from_bytes(head[:4], "big"))
        at = chunk.start + chunk.length + 4
        if at > end:
            raise Refusal(
                f"the picture is damaged or cut short (a part of it lacks {at - end:,} bytes); copy or export it again"
            )
        yield chunk
        if chunk.kind == b"IEND":
            return
    raise Refusal(f"it is in more than {_CHUNKS:,} parts; export the picture again")


def _raw(header: bytes) -> int:
    """How many bytes the rows take that a header speaks of."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    return height * (2 + width * header[8] * _SAMPLES.get(header[9], 4) // 8)
