"""Picture files made by hand: kinds that Pillow reads but does not write, and files that cost more than they seem to."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int, height: int, rows: bytes | None = None, *, extra: bytes = b"", pixels: bytes | None = None
) -> bytes:
    """A grey PNG; `extra` comes before its pixels, `pixels` in place of them."""
    rows = bytes(height * (width + 1)) if rows is None else rows
    pixels = chunk(b"IDAT", zlib.compress(rows, 1)) if pixels is None else pixels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pixels + chunk(b"IEND", b"")


def scans_of(data: bytes) -> tuple[list[int], int]:
    """Where the scans of a JPEG begin, and where the last one ends; of ours no entropy-coded byte looks like a marker."""
    found, at = [], 2
    while True:
        at = data.index(b"\xff", at)
        marker = data[at + 1]
        if marker == 0xD9:
            return found, at
        if marker in (0x00, 0xFF) or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        if marker == 0xDA:
            found.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def progressive(side: int, scans: int) -> bytes:
    """A grey progressive JPEG that goes over its picture so many times more than it has to."""
    data = encoded(Image.new("L", (side, side), 100), "JPEG", progressive=True)
    starts, end = scans_of(data)
    return data[:end] + data[starts[-1] : end] * scans + data[end:]


def one_by_one(side: int, scans: int) -> bytes:
    """A baseline JPEG whose three colours come in scans of their own, the first of them so many times."""
    data = encoded(Image.new("L", (side, side), 100), "JPEG")
    starts, end = scans_of(data)
    head, scan = data[: starts[0]], data[starts[0] : end]
    at = head.index(b"\xff\xc0")
    frame = b"\xff\xc0\x00\x11" + head[at + 4 : at + 9] + b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    head = head[:at] + frame + head[at + 13 :]
    first, second, third = (scan[:5] + bytes([one]) + scan[6:] for one in (1, 2, 3))
    return head + first * scans + second + third + b"\xff\xd9"


def run_lengths(width: int, height: int, body: bytes) -> bytes:
    """A BMP in run-length encoding."""
    palette = b"".join(bytes([one, one // 2, one, 0]) for one in range(256))
    start = 14 + 40 + len(palette)
    size = struct.pack("<IHHI", start + len(body), 0, 0, start)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + size + header + palette + body


def _pack_bits(data: bytes) -> bytes:
    pieces = (data[at : at + 128] for at in range(0, len(data), 128))
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)


_PACKED: dict[int, Callable[[bytes], bytes]] = {1: bytes, 8: zlib.compress, 32773: _pack_bits}


def tiff(
    array: np.ndarray,
    *,
    order: str = "<",
    big: bool = False,
    compression: int = 1,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    planes: bool = False,
    first: bool = False,
    change: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """A TIFF.

    Args:
        array: (H, W) or (H, W, C), uint8 or uint16.
        order: `"<"` or `">"`.
        big: a BigTIFF.
        compression: 1 none, 8 deflate, 32773 PackBits.
        tile: (width, height) of tiles; None: strips.
        rows: of a strip; None: all.
        planes: each colour by itself.
        first: the directory comes before the pixels.
        change: tags that say something else, with their type (3 two bytes, 4 four).
    """
    height, width = array.shape[:2]
    samples = 1 if array.ndim == 2 else array.shape[2]
    array = array.astype(array.dtype.newbyteorder(order))
    pieces = []
    for plane in [array[..., one] for one in range(samples)] if planes and samples > 1 else [array]:
        across, down = tile or (width, rows or height)
        for top in range(0, height, down):
            for left in range(0, width, across):
                part = plane[top : top + down, left : left + across]
                if tile:
                    whole = np.zeros((down, across, *plane.shape[2:]), plane.dtype)
                    whole[: part.shape[0], : part.shape[1]] = part
                    part = whole
                pieces.append(_PACKED[compression](np.ascontiguousarray(part).tobytes()))
    starts, lengths = (324, 325) if tile else (273, 279)
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * array.dtype.itemsize] * samples),
        259: (3, [compression]),
        262: (3, [2 if samples >= 3 else 1]),
        277: (3, [samples]),
        284: (3, [2 if planes else 1]),
        starts: (4, [0] * len(pieces)),
        lengths: (4, [len(piece) for piece in pieces]),
        **({322: (4, [tile[0]]), 323: (4, [tile[1]])} if tile else {278: (4, [rows or height])}),
        **(change or {}),
    }
    inline, number = (8, "Q") if big else (4, "I")

    def directory(at: int, pixels: int) -> bytes:
        places = [pixels + sum(map(len, pieces[:one])) for one in range(len(pieces))]
        behind = at + (16 + 20 * len(tags) if big else 6 + 12 * len(tags))
        entries = data = b""
        for tag, (kind, values) in sorted(tags.items()):
            values = places if tag == starts and tag not in (change or {}) else values
            value = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
            if len(value) > inline:
                value, data = struct.pack(order + number, behind + len(data)), data + value
            entries += struct.pack(f"{order}HH{number}", tag, kind, len(values)) + value.ljust(inline, b"\0")
        return struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + struct.pack(order + number, 0) + data

    begin = 16 if big else 8
    body = b"".join(pieces)
    body += b"\0" * (0 if first else len(body) % 2)
    at = begin if first else begin + len(body)
    told = directory(at, begin + (len(directory(at, 0)) if first else 0))
    magic = b"II" if order == "<" else b"MM"
    head = struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at)
    return magic + head + (told + body if first else body + told)
