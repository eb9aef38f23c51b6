"""One picture of a moving one, and what is told of where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        pixels: (H, W, 3) uint8, RGB, upright.
        time: seconds since the source began, by its own time stamps; of a camera or a stream by the clock.
        number: 0, 1, 2, … of those that the source gave, dropped ones counted.
        came: when it was here, in seconds of `time.monotonic()`.
        source: name of where it comes from.
    """

    pixels: NDArray[np.uint8]
    time: float
    number: int
    came: float
    source: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


class Source(Protocol):
    """Where frames come from: iterated once, in a `with` block.

    Attributes:
        name: what it is called in messages.
        is_live: whether it goes on whether or not somebody looks: then frames that come too fast are dropped.
        rate: frames a second that it says to have; None where that is not known.
        total: how many frames there are; None where that is not known.
    """

    name: str
    is_live: bool
    rate: float | None
    total: int | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def stop(self) -> None:
        """End the iteration soon, from any thread."""
        ...
