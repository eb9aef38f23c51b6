"""HEVC, in which HEIC's pictures are: what their stream of bits says of their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whylight.images.formats.bits import Bits

_SETTINGS = 33  # the kind of unit in which the size stands
_LOOK = 512  # bytes, of which everything up to the sizes takes at most 150
_UNITS = 10_000


def sizes_in_settings(settings: bytes) -> Iterator[tuple[int, int]]:
    """Each (width, height) in a box `hvcC`."""
    at = 23
    for _ in range(settings[22] if len(settings) > 22 else 0):
        count, at = int.from_bytes(settings[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(settings[at : at + 2], "big")
            yield from _size(settings[at + 2 : at + 2 + min(length, _LOOK)])
            at += 2 + length
            if at >= len(settings):
                return


def sizes_in(stream: bytes, sets: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Each (width, height) in the pixels' own stream; of those that say nothing, the largest in the boxes `hvcC`."""
    wide = (sets[0][21] & 3) + 1 if sets and len(sets[0]) > 21 else 4
    at, found = 0, False
    for _ in range(_UNITS):
        if at + wide >= len(stream):
            break
        length = int.from_bytes(stream[at : at + wide], "big")
        for size in _size(stream[at + wide : at + wide + min(length, _LOOK)]):
            found = True
            yield size
        at += wide + length
    if not found:
        known = [size for one in sets for size in sizes_in_settings(one)]
        yield from sorted(known, key=lambda size: size[0] * size[1])[-1:]


def _size(unit: bytes) -> Iterator[tuple[int, int]]:
    """Of a sequence parameter set (ITU-T H.265, 7.3.2.2); nothing of another kind of unit."""
    if len(unit) < 3 or unit[0] >> 1 & 63 != _SETTINGS:
        return
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))  # the 3 stands there so that no start of a unit is seen
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    there = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in there:
        bits.take(88 * profile + 8 * level)
    bits.golomb()
    if bits.golomb() == 3:
        bits.take(1)
    yield bits.golomb(), bits.golomb()
