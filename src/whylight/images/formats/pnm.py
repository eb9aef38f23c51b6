"""PNM: Pillow's readers for unusual ranges and for numbers in words take minutes, being loops over single values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from whylight.images.files import length_of
from whylight.images.limits import EXTRA, MAX_VALUES, Refusal

_MODES = {b"1": "1", b"2": "L", b"3": "RGB", b"4": "1", b"5": "L", b"6": "RGB"}
_HEADER = 1 << 16  # bytes within which the sizes have to stand, however much is remarked before
_BLOCK = 1 << 20
_SPACE = b" \t\n\v\f\r"
_REMARK = re.compile(rb"#[^\r\n]*")
_CUT = "the picture is damaged or cut short ({}); copy or export it again"


class PnmFile(ImageFile.ImageFile):
    """A reader in Pillow's sense: the size at once, the pixels when they are asked for. Grey beyond 8 bits has mode I."""

    format = "PPM"
    format_description = "Pbmplus image"

    def _open(self) -> None:
        assert self.fp is not None
        head = self.fp.read(_HEADER)
        kind = head[1:2]
        numbers, self._start = _numbers(head, 2 if kind in b"14" else 3)
        self._size = numbers[0], numbers[1]
        self._highest = numbers[2] if len(numbers) > 2 else 1
        if not 0 < self._highest < 65536:
            raise Refusal(_CUT.format(f"its highest value is {self._highest}"))
        self._is_text = kind in b"123"
        self._mode = "I" if _MODES[kind] == "L" and self._highest > 255 else _MODES[kind]
        self.tile = [("raw", (0, 0, *self._size), self._start, self._raw_mode())]  # type: ignore[list-item]

    def load(self) -> Any:
        """Decode."""
        if self.tile and (
            self._is_text or (self.mode != "1" and self._highest not in (255, 65535)) or self._is_deep_colour
        ):
            self.im = self._decoded().im
            self.tile, self.fp = [], None
        return super().load()

    @property
    def _is_deep_colour(self) -> bool:
        return self.mode == "RGB" and self._highest > 255

    def _raw_mode(self) -> str:
        return {"1": "1;I", "I": "I;16B"}.get(self.mode, self.mode)

    def _decoded(self) -> Image.Image:
        width, height = self.size
        across = width * (3 if self.mode == "RGB" else 1)
        table = self._table()
        whole = Image.new(self.mode, self.size)
        for top, values in self._rows(across, height):
            if values.max(initial=0) > self._highest:
                if self._is_text:
                    raise Refusal(_CUT.format(f"the value {values.max()} is above the {self._highest} of its header"))
                values = values.clip(max=self._highest)
            rows = table[values].reshape((-1, width, 3) if self.mode == "RGB" else (-1, width))
            whole.paste(Image.fromarray(rows), (0, top))
        return whole

    def _table(self) -> NDArray[np.generic]:
        """What each value up to the highest becomes: 0 … 255, or 0 … 65535 for grey deeper than that. In a bitmap 1 is black."""
        if self.mode == "1":
            return np.array([255, 0], np.uint8)
        most, kind = (65535, np.int32) if self.mode == "I" else (255, np.uint8)
        return np.rint(np.arange(self._highest + 1) / self._highest * most).astype(kind)

    def _rows(self, across: int, height: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Bands of whole rows of values, each with the number of its first row."""
        assert self.fp is not None
        most = max(1, _BLOCK // across)
        if self._is_text:
            source = _Words(self.fp, self._start, across * height, is_bits=self.mode == "1")
        self.fp.seek(self._start)
        kind = np.dtype(">u2" if self._highest > 255 else np.uint8)
        for top in range(0, height, most):
            count = across * min(most, height - top)
            if self._is_text:
                yield top, source.take(count)
                continue
            data = self.fp.read(count * kind.itemsize)
            if len(data) < count * kind.itemsize:
                raise Refusal(_CUT.format(f"it lacks {count * kind.itemsize - len(data):,} bytes or more"))
            yield top, np.frombuffer(data, kind).astype(np.int64)


class _Words:
    """Numbers written out in text, some at a time."""

    def __init__(self, stream: IO[bytes], start: int, count: int, *, is_bits: bool) -> None:
        size = length_of(stream) - start
        if count > MAX_VALUES or size > 8 * count + EXTRA:
            raise Refusal(
                f"it spells out {count:,} values in {size:,} bytes of text; above {MAX_VALUES:,} values, or where the text is "
                "mostly something else, that is too slow to read: save it in binary form"
            )
        stream.seek(start)
        self._stream, self._is_bits = stream, is_bits
        self._ready: list[NDArray[np.int64]] = []
        self._count, self._rest = 0, b""

    def take(self, count: int) -> NDArray[np.int64]:
        """The next so many numbers."""
        while self._count < count:
            block = self._stream.read(_BLOCK)
            found = self._parsed(block)
            self._ready.append(found)
            self._count += len(found)
            if not block and self._count < count:
                raise Refusal(_CUT.format("values are missing at its end"))
        values = np.concatenate(self._ready)
        self._ready, self._count = [values[count:]], len(values) - count
        return values[:count]

    def _parsed(self, block: bytes) -> NDArray[np.int64]:
        text, self._rest = self._rest + block, b""
        if block:  # a remark may go on in the next block, and so may the number behind the last space
            remark = text.rfind(b"#")
            if remark >= 0 and not re.search(rb"[\r\n]", text[remark:]):
                text, self._rest = text[:remark], b"#"
            elif not self._is_bits:
                cut = max(text.rfind(_SPACE[one : one + 1]) for one in range(len(_SPACE))) + 1
                text, self._rest = text[:cut], text[cut:]
            if len(self._rest) > 64:
                raise Refusal(_CUT.format("there is a number of very many digits in it"))
        text = _REMARK.sub(b" ", text)
        if self._is_bits:
            bits = np.frombuffer(text.translate(None, _SPACE), np.uint8).astype(np.int64) - ord("0")
            if bits.size and not 0 <= bits.min() <= bits.max() <= 1:
                raise Refusal(_CUT.format("there is more than 0 and 1 in it"))
            return bits
        if text.translate(None, _SPACE + b"0123456789"):
            raise Refusal(_CUT.format("there is more than numbers in it"))
        return np.fromstring(text, np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)


def _numbers(head: bytes, count: int) -> tuple[list[int], int]:
    """So many numbers behind the first two letters, and where the pixels begin: one space behind the last of them."""
    found: list[int] = []
    at = 2
    pattern = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])*([0-9]{1,10})(?:#[^\r\n]*)?(?=[ \t\n\v\f\r])")
    for _ in range(count):
        match = pattern.match(head, at)
        if match is None:
            raise Refusal(_CUT.format("its header has no size"))
        found.append(int(match[1]))
        at = match.end()
    return found, at + 1
