"""Pictures to bytes and back, for tests."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from whylight.images import decode


def pixels(source: object) -> np.ndarray:
    picture = decode(source)  # type: ignore[arg-type]
    assert picture.mode == "RGB"
    return np.asarray(picture)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG written by hand, for kinds that PIL reads but does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def transparent_key(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + b"tRNS" + body + struct.pack(">I", zlib.crc32(b"tRNS" + body))
