"""AV1, in which AVIF's pictures are: what their stream of bits says of their size."""

from __future__ import annotations

from collections.abc import Iterator

from whylight.images.formats.bits import Bits

_SEQUENCE = 1  # the kind of unit in which the largest size stands; no frame may be larger
_LOOK = 512  # bytes, of which the sizes take at most half
_UNITS = 10_000


def sizes_in(stream: bytes) -> Iterator[tuple[int, int]]:
    """Each (width, height) that a stream announces."""
    at = 0
    for _ in range(_UNITS):
        if at >= len(stream):
            return
        head, at = stream[at], at + 1 + (stream[at] >> 2 & 1)
        length = len(stream) - at
        if head & 2:
            length, at = _leb128(stream, at)
        if head >> 3 & 15 == _SEQUENCE:
            yield _size(Bits(stream[at : at + min(length, _LOOK)]))
        at += length


def _leb128(stream: bytes, at: int) -> tuple[int, int]:
    """A number in seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for place, byte in enumerate(stream[at : at + 8]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    return value, at + 8


def _size(bits: Bits) -> tuple[int, int]:
    """Of a sequence header (AV1 specification, 5.5): everything before the size decides where that stands."""
    bits.take(4)  # profile; whether it is a still picture
    if bits.take(1):  # the short form, of still pictures
        bits.take(5)
    else:
        delay = _timing(bits) if bits.take(1) else None
        initial = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delay is not None and bits.take(1):
                bits.take(2 * delay + 1)
            if initial and bits.take(1):
                bits.take(4)
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _timing(bits: Bits) -> int | None:
    """Passes over what is said of time; returns how many bits a delay has, where there are any."""
    bits.take(64)
    if bits.take(1):
        bits.golomb()
    if not bits.take(1):
        return None
    delay = bits.take(5) + 1
    bits.take(32 + 5 + 5)
    return delay
