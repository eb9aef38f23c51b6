"""WebP: the first picture of a file, taken out and decoded alone.

Pillow's reader plays every file as an animation, for which it holds four whole pictures in memory. OpenCV decodes to the same
bytes and holds one; its errors go to the standard error of the process, so the file's parts are checked before it sees them.
"""

from __future__ import annotations

import struct
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from whylight.images.files import length_of
from whylight.images.limits import MAX_EXIF, Refusal, room, too_much

_HAS_ALPHA, _IS_ANIMATED = 0x10, 0x02
_PARTS = 100_000
_CUT = "the picture is damaged or cut short ({}); copy or export it again"


class WebPFile(ImageFile.ImageFile):
    """A reader in Pillow's sense: the size and the notes at once, the pixels when they are asked for."""

    format = "WEBP"
    format_description = "WebP image"

    def _open(self) -> None:
        assert self.fp is not None
        parts = _parts(self.fp, 12, _end(self.fp))
        kind, start, length = parts[0]
        flags, self._frame, self._corner, self._is_animated = 0, parts, (0, 0), False
        if kind == b"VP8X":
            head = _read(self.fp, start, 10)
            flags = head[0]
            self._size = _number(head[4:7]) + 1, _number(head[7:10]) + 1
            if flags & _IS_ANIMATED:
                self._enter(next((part for part in parts if part[0] == b"ANMF"), None))
        elif kind == b"VP8L":
            head = _read(self.fp, start, 5)
            bits = int.from_bytes(head[1:5], "little")
            self._size = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
            flags = _HAS_ALPHA  # it tells in its own bits, and what has none comes without
        elif kind == b"VP8 ":
            self._size = _lossy_size(_read(self.fp, start, 10))
        self._mode = "RGBA" if flags & _HAS_ALPHA else "RGB"
        frame = [part for part in self._frame if part[0] in (b"ALPH", b"VP8 ", b"VP8L")]
        self._frame = frame[: 2 if frame and frame[0][0] == b"ALPH" else 1]
        if not frame or self._frame[-1][0] == b"ALPH":
            raise Refusal(_CUT.format("it has no pixels"))
        for kind, start, length in parts:
            if kind in (b"EXIF", b"XMP "):
                if length > MAX_EXIF:
                    raise too_much(f"more than {MAX_EXIF // 2**20} MB of notes")
                self.info[kind.strip().lower().decode()] = _read(self.fp, start, length)
        self.tile = [("raw", (0, 0, *self._size), 0, self._mode)]  # type: ignore[list-item]  # not loaded yet

    def _enter(self, part: tuple[bytes, int, int] | None) -> None:
        """Go into an animation's first picture, which may be smaller than the whole."""
        if part is None or part[2] < 24:
            raise Refusal(_CUT.format("it is an animation without pictures"))
        assert self.fp is not None
        self._is_animated = True
        head = _read(self.fp, part[1], 16)
        self._corner = 2 * _number(head[0:3]), 2 * _number(head[3:6])
        self._frame = _parts(self.fp, part[1] + 16, part[1] + part[2])

    def load(self) -> Any:
        """Decode."""
        if self.tile:
            self.im = self._decoded().im
            self.tile, self.fp = [], None
        return super().load()

    def _decoded(self) -> Image.Image:
        import cv2

        try:
            pixels = cv2.imdecode(np.frombuffer(self._alone(), np.uint8), cv2.IMREAD_UNCHANGED)  # (h, w, 3 or 4) BGR
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError from None
            pixels = None
        if pixels is None or pixels.ndim != 3:
            raise Refusal(_CUT.format("its pixels cannot be decoded"))
        height, width = pixels.shape[:2]
        right, bottom = self._corner[0] + width, self._corner[1] + height
        if right > self.size[0] or bottom > self.size[1] or not (self._is_animated or (right, bottom) == self.size):
            raise Refusal(_CUT.format("its parts differ in size"))
        whole = Image.new(self.mode, self.size)
        rows = max(1, 2**20 // width)
        code = {(3, "RGB"): cv2.COLOR_BGR2RGB, (3, "RGBA"): cv2.COLOR_BGR2RGBA, (4, "RGB"): cv2.COLOR_BGRA2RGB}.get(
            (pixels.shape[2], self.mode), cv2.COLOR_BGRA2RGBA
        )
        for top in range(0, height, rows):
            band = Image.fromarray(cv2.cvtColor(pixels[top : top + rows], code))
            whole.paste(band, (self._corner[0], self._corner[1] + top))
        return whole

    def _alone(self) -> bytearray:
        """A WebP file of the first picture alone."""
        assert self.fp is not None
        total = sum(8 + length + length % 2 for _, _, length in self._frame)
        if total > room(self.size[0] * self.size[1], 3):
            raise Refusal(_CUT.format("it holds far more data than its pixels can need"))
        head = b"RIFF0000WEBP"
        if len(self._frame) > 1:  # transparency in a part of its own has to be announced
            width, height = _lossy_size(_read(self.fp, self._frame[-1][1], 10))
            head += struct.pack("<4sIB3x", b"VP8X", 10, _HAS_ALPHA) + _three(width - 1) + _three(height - 1)
        file = bytearray(len(head) + total)
        file[: len(head)] = head
        struct.pack_into("<I", file, 4, len(file) - 8)
        at = len(head)
        for kind, start, length in self._frame:
            struct.pack_into("<4sI", file, at, kind, length)
            self.fp.seek(start)
            if self.fp.readinto(memoryview(file)[at + 8 : at + 8 + length]) < length:  # type: ignore[attr-defined]
                raise Refusal(_CUT.format("some of its pixels are missing"))
            at += 8 + length + length % 2
        return file


def _end(stream: IO[bytes]) -> int:
    """Where the file says that it ends."""
    end = int.from_bytes(_read(stream, 4, 4), "little") + 8
    lacking = end - length_of(stream)
    if lacking > 0:
        raise Refusal(_CUT.format(f"it lacks {lacking:,} bytes"))
    return end


def _parts(stream: IO[bytes], at: int, end: int) -> list[tuple[bytes, int, int]]:
    """The kind, the place and the length of each part between two places."""
    found: list[tuple[bytes, int, int]] = []
    while at + 8 <= end:
        head = _read(stream, at, 8)
        length = int.from_bytes(head[4:], "little")
        if at + 8 + length > end or len(found) == _PARTS:
            raise Refusal(_CUT.format("its parts do not fit"))
        found.append((head[:4], at + 8, length))
        at += 8 + length + length % 2
    if not found:
        raise Refusal(_CUT.format("it is empty"))
    return found


def _read(stream: IO[bytes], at: int, count: int) -> bytes:
    stream.seek(at)
    data = stream.read(count)
    if len(data) < count:
        raise Refusal(_CUT.format(f"it lacks {count - len(data):,} bytes"))
    return data


def _lossy_size(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack("<HH", head[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _three(value: int) -> bytes:
    return max(value, 0).to_bytes(3, "little")
