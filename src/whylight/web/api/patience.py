"""Calls that wait and calls that listen hold a thread each: how many may, so that there are always some left for everybody else."""

from __future__ import annotations

import threading
import time
from functools import cache

from django.conf import settings

from whylight.web.caller import Visit
from whylight.web.said import Gone
from whylight.web.tasks.models import Task

_SHORT = 1.0  # seconds that a call may wait when too many wait already
_SOONEST = 0.03  # seconds before which nothing is answered
_FIRST, _LAST, _SHARE = 0.008, 0.25, 0.1  # pauses between two looks: a share of the time waited so far, within bounds


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
        while task.is_open and (now := time.monotonic()) < end and not has_left(request):
            pause = max(_FIRST, _SOONEST - (now - begun), min(_LAST, _SHARE * (now - begun)))
            time.sleep(min(end - now, pause))
            try:
                task.refresh_from_db(fields=["state", "reason"])
            except Task.DoesNotExist:
                raise Gone from None
    finally:
        if has_place:
            waiting().release()
