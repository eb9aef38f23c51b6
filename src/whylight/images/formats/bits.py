"""Numbers of any number of bits, one after another."""

from __future__ import annotations


class Bits:
    """Reads a stream of bits, the highest of each byte first; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next so many bits as a number."""
        self._left -= count
        value = self._bits >> self._left if self._left >= 0 else self._bits << -self._left
        return value & ((1 << count) - 1)

    def golomb(self) -> int:
        """A number in exponential Golomb code; no size takes more than 32 bits."""
        zeros = 0
        while zeros < 32 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
