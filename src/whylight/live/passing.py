"""From the threads that read sources to the one that explains: the newest frame alone, or each of a few that wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from whylight.errors import WhylightError
from whylight.live.frame import Frame, Source

WAITING = 4  # frames of a file that are read ahead
_PATIENCE = 10.0  # seconds for a reader to end: a stream that does not answer is given up by then


class Passing:
    """Reads sources, each in a thread of its own, as long as its `with` block lasts.

    Of a live source only the newest frame waits: one that comes before the last was taken replaces it, and is counted. Of any
    other every frame is passed on, and reading waits where too many do.

    Args:
        sources: opened and closed here.
        lossless: pass on every frame of live sources, too, or drop those of files; None: as each is.

    Attributes:
        dropped: how many frames of each source were never taken.
    """

    def __init__(self, sources: Sequence[Source], *, lossless: bool | None = None) -> None:
        self._sources = list(sources)
        self._lossless = lossless
        self._frames: list[deque[Frame]] = [deque() for _ in sources]
        self._ended = [False] * len(self._sources)
        self.errors: list[BaseException | None] = [None] * len(self._sources)
        self.dropped = [0] * len(self._sources)
        self._changed = threading.Condition()
        self._over = False
        self._threads = [
            threading.Thread(target=self._read, args=(place,), name=f"read {one.name}", daemon=True)
            for place, one in enumerate(self._sources)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for source in self._sources:
            source.stop()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def take(self, wait: float | None = None, most: int = 1) -> list[tuple[int, Frame]]:
        """Frames of each source that has some, with the source's place; waits for the first. Empty: all have ended.

        Args:
            wait: seconds to wait; after them an empty list, and `is_over` tells whether that was the end.
            most: how many of each source.

        Raises:
            BaseException: see `check`.
        """
        with self._changed:
            self._changed.wait_for(lambda: any(self._frames) or all(self._ended) or self._over, wait)
            taken = [
                (place, frames.popleft())
                for place, frames in enumerate(self._frames)
                for _ in range(min(most, len(frames)))
            ]
            self._changed.notify_all()
        if not taken:
            self.check()
        return taken

    def check(self) -> None:
        """Raise what ended sources: a fault of ours at once, and what a source cannot give where no other is left."""
        failed = [error for error in self.errors if error is not None]
        for error in failed:
            if not isinstance(error, WhylightError) or len(failed) == len(self._sources):
                raise error

    @property
    def is_over(self) -> bool:
        """Whether all sources have ended, and all of their frames are taken."""
        with self._changed:
            return self._over or (all(self._ended) and not any(self._frames))

    def _read(self, place: int) -> None:
        source = self._sources[place]
        try:
            with source:
                for frame in source:
                    if not self._pass(place, frame, source.is_live):
                        return
        except BaseException as error:  # noqa: BLE001  # whatever it is, the one that takes frames raises it
            self.errors[place] = error
        finally:
            with self._changed:
                self._ended[place] = True
                self._changed.notify_all()

    def _pass(self, place: int, frame: Frame, is_live: bool) -> bool:
        """Give a frame on; False: nobody wants any more."""
        waiting = self._frames[place]
        newest = is_live if self._lossless is None else not self._lossless
        with self._changed:
            if newest:
                self.dropped[place] += len(waiting)
                waiting.clear()
            else:
                self._changed.wait_for(lambda: len(waiting) < WAITING or self._over)
            if self._over:
                return False
            waiting.append(frame)
            self._changed.notify_all()
            return True

    def failures(self) -> list[str]:
        """What ended sources before their time, while others went on."""
        return [str(error) for error in self.errors if isinstance(error, WhylightError)]
