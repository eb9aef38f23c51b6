"""AVIF and HEIC: files of boxes, within which pictures are items. What they will cost is found out before a decoder sees them.

The box `ispe` says a picture's size, but a decoder goes by the stream of bits inside, which may say another. So that is read
too, as far as its sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from whylight.images.formats import av1, hevc
from whylight.images.limits import MAX_EXIF, Refusal, check_size, room, too_much

_FILMS = {b"avis": b"avif", b"hevc": b"heic", b"hevx": b"heix", b"msf1": b"mif1"}
_CODED = (b"av01", b"hvc1")
_COMPOSED = {b"grid": 4, b"iovl": 10}  # of others; and how far into their bytes they say their own size
_BOXES = 100_000
_ITEMS = 10_000
_TOGETHER = (
    4  # times the pixels of the whole that all pictures in a file may have: colours, transparency, depth, thumbnails
)


class Box(NamedTuple):
    """A part of the file: its kind, and where its body begins and ends."""

    kind: bytes
    start: int
    end: int


class Container:
    """What a file holds, read from its boxes.

    Args:
        data: the whole file.
        what: `AVIF` or `HEIC`.
        max_pixels: the most that a picture in it may have.
        cost: how much more memory than others these pictures take.

    Attributes:
        kinds: of the items: `av01`, `hvc1`, `grid`, `Exif`, …
        still: the file without its films, of which nothing is asked: one that says it is a picture.

    Raises:
        Refusal: it is cut short, holds no picture, or more than is allowed.
    """

    def __init__(self, data: bytes, what: str, max_pixels: int, cost: float) -> None:
        self._data, self._what = data, what
        self._count = 0
        top = list(self._boxes(0, len(data)))
        meta = next((box for box in top if box.kind == b"meta"), None)
        if meta is None:
            why = (
                "it is a film without a still picture"
                if any(box.kind == b"moov" for box in top)
                else f"the {what} file is cut short, or holds no picture"
            )
            raise Refusal(f"{why}; save one as JPEG or PNG")
        inside = list(self._boxes(meta.start + 4, meta.end))
        first = {box.kind: box for box in reversed(inside)}
        self._idat = first.get(b"idat")
        self.kinds = dict(self._items(first[b"iinf"])) if b"iinf" in first else {}
        self._check(list(self._properties(inside)), first.get(b"iloc"), max_pixels, cost)
        self.still = self._without_films(top)

    def _check(self, properties: list[Box], places: Box | None, max_pixels: int, cost: float) -> None:
        sizes = [
            (self._number(box.start + 4, 4), self._number(box.start + 8, 4))
            for box in properties
            if box.kind == b"ispe"
        ]
        if not sizes or places is None:
            raise self._cut("it does not say how large it is")
        sets = [self._data[box.start : box.end] for box in properties if box.kind == b"hvcC"]
        sizes += [size for one in sets for size in hevc.sizes_in_settings(one)]
        together = 0
        for item, extents in self._places(places):
            kind = self.kinds.get(item)
            if kind == b"Exif" and sum(end - start for start, end in extents) > MAX_EXIF:
                raise too_much(f"more than {MAX_EXIF // 2**20} MB of EXIF data")
            stream = b"".join(self._data[start:end] for start, end in extents) if kind in (*_CODED, *_COMPOSED) else b""
            if kind in _COMPOSED:
                sizes.append(_composed(stream, _COMPOSED[kind]))
            if kind in _CODED:
                found = list(av1.sizes_in(stream) if kind == b"av01" else hevc.sizes_in(stream, sets))
                together += max((width * height for width, height in found), default=0)
                sizes += found
        for size in sizes:
            check_size(size, max_pixels, cost)
        whole = max(width * height for width, height in sizes)
        if together > room(whole, _TOGETHER) or len(self._data) > room(whole, _TOGETHER):
            raise Refusal("it holds far more pictures, or data, than the one that is shown can need; export it again")

    def _boxes(self, at: int, end: int) -> Iterator[Box]:
        while at + 8 <= end:
            size, kind, start = self._number(at, 4), self._data[at + 4 : at + 8], at + 8
            if size == 1:
                size, start = self._number(at + 8, 8), at + 16
            stop = end if size == 0 else at + size
            self._count += 1
            if stop < start or stop > end or self._count > _BOXES:
                raise self._cut(f"it lacks {stop - end:,} bytes" if stop > end else "its parts do not fit")
            yield Box(kind, start, stop)
            at = stop

    def _properties(self, inside: list[Box]) -> Iterator[Box]:
        for box in inside:
            for one in self._boxes(box.start, box.end) if box.kind == b"iprp" else ():
                if one.kind == b"ipco":
                    yield from self._boxes(one.start, one.end)

    def _items(self, box: Box) -> Iterator[tuple[int, bytes]]:
        wide = 4 if self._data[box.start] else 2
        for entry in self._boxes(box.start + 4 + wide, box.end):
            version = self._number(entry.start, 1)
            if entry.kind == b"infe" and version in (2, 3):
                number = 2 if version == 2 else 4
                at = entry.start + 4 + number + 2
                yield self._number(entry.start + 4, number), self._data[at : at + 4]

    def _places(self, box: Box) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Each item, and where its bytes are."""
        version, sizes, at = self._number(box.start, 1), self._number(box.start + 4, 2), box.start + 6
        offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        index = index if version else 0
        number = 4 if version == 2 else 2
        count, at = self._number(at, number), at + number
        if count > _ITEMS:
            raise Refusal(f"it holds {count:,} pictures and notes, above the limit of {_ITEMS:,}; export it again")
        for _ in range(count):
            item, at = self._number(at, number), at + number
            method, at = (self._number(at, 2) & 15, at + 2) if version else (0, at)
            start, at = self._number(at + 2, base), at + 2 + base
            extents, at = self._number(at, 2), at + 2
            origin, most = (self._idat.start, self._idat.end) if method == 1 and self._idat else (0, len(self._data))
            found: list[tuple[int, int]] = []
            for _ in range(extents):
                begin = origin + start + self._number(at + index, offset)
                size = self._number(at + index + offset, length)
                at += index + offset + length
                found.append((begin, begin + size if size else most))
                if at > box.end or max(found[-1]) > most:
                    raise self._cut("some of it lies behind its end")
                if len(found) * count > _BOXES:
                    raise self._cut("it is in very many pieces")
            yield item, found

    def _without_films(self, top: list[Box]) -> bytes:
        still = bytearray(self._data)
        for box in top:
            if box.kind == b"moov":
                still[box.start - 4 : box.start] = b"free"
        if top[0].kind == b"ftyp":
            for at in range(top[0].start, top[0].end - 3, 4):  # a reader misses the film where one of these is said
                brand = bytes(still[at : at + 4])
                still[at : at + 4] = _FILMS.get(brand, brand)
        return bytes(still)

    def _cut(self, why: str) -> Refusal:
        return Refusal(f"the {self._what} picture is damaged or cut short ({why}); copy or export it again")

    def _number(self, at: int, count: int) -> int:
        data = self._data[at : at + count]
        if len(data) < count:
            raise self._cut(f"it lacks {count - len(data):,} bytes")
        return int.from_bytes(data, "big")


def _composed(stream: bytes, at: int) -> tuple[int, int]:
    """The (width, height) of a picture that is put together of others."""
    wide = 4 if stream[1:2] and stream[1] & 1 else 2
    width, height = stream[at : at + wide], stream[at + wide : at + 2 * wide]
    return int.from_bytes(width, "big"), int.from_bytes(height, "big")
