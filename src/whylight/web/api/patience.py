"""Calls that wait and calls that listen hold a thread each: how many may, so that there are always some left for everybody else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from whylight.web.caller import Visit
from whylight.web.said import Gone
from whylight.web.tasks.models import OPEN, Task

_SHORT = 1.0  # seconds that a call may wait when too many wait already
_LOOK = 0.012  # seconds between two looks for all who wait
_LEFT = 0.25  # seconds between two looks whether a caller has hung up

_log = logging.getLogger("whylight.web")


class Board:
    """Where those who wait in this process hear that their question is answered: one looks for all, as long as there are any.

    If each looked for itself, twenty who wait would keep a third of a processor busy with asking.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[threading.Event]] = {}
        self._looks = False

    @contextmanager
    def told(self, token: str) -> Iterator[threading.Event]:
        """What is set when a question is open no longer, or is gone."""
        event = threading.Event()
        with self._lock:
            self._waiting.setdefault(token, []).append(event)
            begins, self._looks = not self._looks, True
        if begins:
            threading.Thread(target=self._look, name="board", daemon=True).start()
        try:
            yield event
        finally:
            with self._lock:
                left = [one for one in self._waiting[token] if one is not event]
                if left:
                    self._waiting[token] = left
                else:
                    del self._waiting[token]

    def _look(self) -> None:
        try:
            while tokens := self._tokens():
                try:
                    still = set(Task.objects.filter(pk__in=tokens, state__in=OPEN).values_list("pk", flat=True))
                except DatabaseError as error:  # those who wait do so until it is back, or their time is over
                    _log.warning("the database does not answer: %s", error)
                    close_old_connections()
                    still = set(tokens)
                with self._lock:
                    for token in set(tokens) - still:
                        for event in self._waiting.get(token, ()):
                            event.set()
                time.sleep(_LOOK)
        finally:
            connection.close()

    def _tokens(self) -> list[str]:
        """The questions that somebody waits for; where there are none, looking ends."""
        with self._lock:
            self._looks = bool(self._waiting)
            return list(self._waiting)


_board = Board()


@cache
def waiting() -> threading.BoundedSemaphore:
    """Places for those who wait for an answer."""
    return threading.BoundedSemaphore(max(1, settings.WHYLIGHT_THREADS * 5 // 8))


@cache
def listening() -> threading.BoundedSemaphore:
    """Places for those who listen how far a question is."""
    return threading.BoundedSemaphore(max(1, settings.WHYLIGHT_THREADS * 3 // 16))


def has_left(request: Visit) -> bool:
    """Whether the caller is known to have hung up; not every server tells."""
    told = request.META.get("waitress.client_disconnected")
    return told is not None and bool(told())


def waited(request: Visit, task: Task, seconds: float) -> None:
    """Wait until a question is answered, it takes too long, or the caller hangs up.

    Raises:
        Gone: it was deleted meanwhile.
    """
    begun, has_place = time.monotonic(), waiting().acquire(blocking=False)
    end = begun + (seconds if has_place else min(seconds, _SHORT))
    try:
        with _board.told(task.pk) as answered:
            while task.is_open and (now := time.monotonic()) < end and not has_left(request):
                answered.wait(min(end - now, _LEFT))
                if answered.is_set() or time.monotonic() >= end:
                    try:
                        task.refresh_from_db(fields=["state", "reason"])
                    except Task.DoesNotExist:
                        raise Gone from None
    finally:
        if has_place:
            waiting().release()
