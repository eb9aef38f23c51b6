"""Still pictures as a source: one, a folder of them, a glob."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from whylight.errors import ImageError
from whylight.images import read, walk
from whylight.live.frame import Frame


class Pictures:
    """Pictures one after another; each is a frame, a second apart.

    Args:
        inputs: files, folders (searched recursively) and globs.
        name: what they are called together.

    Attributes:
        failed: (name, what is wrong) of those that could not be read; the others go on.
    """

    is_live = False
    rate: float | None = 1.0

    def __init__(self, inputs: Sequence[str], *, name: str) -> None:
        self.name = name
        self._files = walk(inputs)
        self.total: int | None = len(self._files)
        self.failed: list[tuple[str, str]] = []
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the iteration soon, from any thread."""
        self._over.set()

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        for file in self._files:
            if self._over.is_set():
                return
            try:
                picture = read(file).picture
            except ImageError as error:
                self.failed.append((str(file), str(error)))
                continue
            yield Frame(np.asarray(picture), float(number), number, time.monotonic(), str(file))
            number += 1
        if number == 0:
            raise ImageError(f"{self.name}: none of the {len(self._files)} pictures could be read")
