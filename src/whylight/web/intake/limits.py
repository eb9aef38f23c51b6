"""What one upload may cost."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """What one upload may cost, and how long its sender waits.

    Attributes:
        size: bytes of a file.
        megapixels: a JPEG of more is read at a half, a quarter or an eighth of its size, anything else is refused.
        seconds: from the moment a child begins to the moment it is killed; with the 0.1 s in which that is noticed, under 2.
        patience: seconds that an upload waits for a child to be free.
        memory: bytes of address space that a child may take beside what it has when it is ready; None: 256 MB, or 16 bytes for each
            pixel where that is more.
        uses: uploads after which a child is replaced.
        side: pixels of the longest side of a picture for pages.
        quality: of the same, as JPEG.
    """

    size: int = 20 * 2**20
    megapixels: float = 16.0
    seconds: float = 1.8
    patience: float = 5.0
    memory: int | None = None
    uses: int = 500
    side: int = 1600
    quality: int = 85

    def room(self) -> int:
        """The same in bytes, in any case."""
        return max(256 * 2**20, round(16e6 * self.megapixels)) if self.memory is None else self.memory
