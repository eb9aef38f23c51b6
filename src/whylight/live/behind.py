"""Work that is done behind the model, in a thread of its own and in order: drawing and encoding."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
_WAITING = 4


class Behind(Generic[T]):
    """Does something with each thing it is given, in order; used in a `with` block, whose end waits for all of it.

    Args:
        work: what is done. What it raises is raised where the next thing is given, or at the end of the block.
        name: of the thread.
    """

    def __init__(self, work: Callable[[T], None], name: str) -> None:
        self._work = work
        self._waiting: queue.Queue[T | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if error is None:
            self._check()

    def give(self, thing: T) -> None:
        """Hand one over; waits where too many wait."""
        self._check()
        self._waiting.put(thing)

    def _check(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        while (thing := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._work(thing)
                except BaseException as error:  # noqa: BLE001  # raised where the next one is given
                    self._error = error
