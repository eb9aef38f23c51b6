"""Who may look: a bounded number of visitors, each with one frame in the works and one, the newest, that waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from whylight.web.said import Said

_KEPT = 5.0  # seconds that a place is kept for a visitor of whom nothing is heard
_BUSY = "as many cameras as this site can follow are being looked through; try again in a few seconds"


class _Waiting:
    """A frame that waits for its visitor's one before."""

    def __init__(self) -> None:
        self.called, self.replaced = threading.Event(), False


class _Seat:
    """A visitor's place."""

    def __init__(self, address: str | None) -> None:
        self.address, self.busy, self.last = address, False, time.monotonic()
        self.waiting: _Waiting | None = None


class Seats:
    """Places for visitors.

    Args:
        most: how many.
        of_one: how many of them one address may have, so that no single machine takes all.

    >>> seats = Seats(most=1, of_one=1)
    >>> with seats.turn("a visitor", None) as mine:
    ...     mine
    True
    """

    def __init__(self, most: int, of_one: int) -> None:
        self._most, self._of_one = most, of_one
        self._seats: dict[str, _Seat] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, visitor: str, address: str | None) -> Iterator[bool]:
        """Wait until nothing else of this visitor is in the works; False where something newer of theirs came meanwhile.

        Args:
            visitor: who.
            address: where they call from; None: it does not count.

        Raises:
            Said: there is no place left.
        """
        mine = None
        with self._lock:
            seat = self._seats.get(visitor) or self._take(visitor, address)
            if seat.busy:
                if seat.waiting is not None:
                    seat.waiting.replaced = True
                    seat.waiting.called.set()
                mine = seat.waiting = _Waiting()
            seat.busy = True
        if mine is not None:
            mine.called.wait()
            if mine.replaced:
                yield False
                return
        try:
            yield True
        finally:
            with self._lock:
                following, seat.waiting, seat.last = seat.waiting, None, time.monotonic()
                seat.busy = following is not None
                if following is not None:
                    following.called.set()

    def _take(self, visitor: str, address: str | None) -> _Seat:
        now = time.monotonic()
        for gone in [who for who, seat in self._seats.items() if not seat.busy and now - seat.last > _KEPT]:
            del self._seats[gone]
        theirs = 0 if address is None else sum(seat.address == address for seat in self._seats.values())
        if len(self._seats) >= self._most or theirs >= self._of_one:
            raise Said(503, _BUSY, retry=5)
        seat = self._seats[visitor] = _Seat(address)
        return seat


class Line:
    """A lock that is handed on in the order in which it was asked for."""

    def __init__(self) -> None:
        self._lock, self._held = threading.Lock(), False
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False
