"""The threads beside the network, how many pixels they may hold, and what each stage costs."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from whylight.allocator import give_back
from whylight.errors import WhylightError

MOST_PIXELS = (
    64_000_000  # decoded and not yet written, of all pictures together: 4 bytes each, and as much again while drawn
)
_LARGE = 2**24  # pixels, of which the memory takes longer to fill than to give back and fetch again
P = ParamSpec("P")
T = TypeVar("T")


def cores() -> int:
    """Processor cores that this process may use.

    >>> cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Threads that decode ahead of the network and draw, encode and write behind it: one pool, whichever is waiting.

    Threads, since all of this leaves Python for most of its time: two of them do 1.9 times the work of one (benchmarks/jobs).

    Args:
        count: how many; default: as many as the process has cores, and at least two, so that nothing waits for a slow disk.
        pixels: how many the pictures in flight may have together; a single larger one goes through alone.

    Raises:
        WhylightError: if the count is below one.
    """

    def __init__(self, count: int | None = None, *, pixels: int = MOST_PIXELS) -> None:
        if count is not None and count < 1:
            raise WhylightError(f"workers: expected at least 1, got {count}")
        self.count = max(2, cores()) if count is None else count
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="whylight-worker")
        self._most, self._held = pixels, 0
        self._freed = threading.Condition()
        self._seconds: dict[str, float] = {}
        self._waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what has not begun, and the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, run: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """Have something done in one of the threads, under the limits that hold here."""
        here = contextvars.copy_context()
        return self._pool.submit(lambda: here.run(run, *args, **named))

    # Pixels in flight.

    def fits(self, pixels: int) -> bool:
        """Whether so many more may come in now."""
        with self._freed:
            return self._fits(pixels)

    def take(self, pixels: int) -> None:
        """Count pixels as held, whether they fit or not."""
        with self._freed:
            self._held += pixels

    def give(self, pixels: int) -> None:
        """Count them as gone; what a large picture took goes back to the system, or each thread would keep as much."""
        if pixels > _LARGE:
            give_back()
        with self._freed:
            self._held -= pixels
            self._freed.notify_all()

    def wait_for(self, pixels: int) -> None:
        """Wait until so many more may come in. Only who holds none may wait: whoever holds some must be about to let go."""
        with self._freed:
            self._freed.wait_for(lambda: self._fits(pixels))

    def _fits(self, pixels: int) -> bool:
        return self._held <= 0 or self._held + pixels <= self._most

    # What it costs.

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        """Count the time of the block as work of a stage: `decode`, `model`, `draw`, `encode` or `write`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._freed:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of the block as the network's time of waiting for the threads."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - start

    @property
    def costs(self) -> dict[str, float]:
        """Seconds of work in each stage, of all threads together."""
        with self._freed:
            return dict(self._seconds)

    @property
    def limit(self) -> str:
        """The stage that keeps the run from being faster: the model, unless it is kept waiting; else what the threads do most.

        "" before anything was done.
        """
        costs = self.costs
        model = costs.pop("model", 0.0)
        if not costs or model >= self._waited:
            return "model" if model else ""
        return max(costs, key=lambda stage: costs[stage])
