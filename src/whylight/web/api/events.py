"""How far a question is, told while it changes: server-sent events."""

from __future__ import annotations

import time

from django.http import HttpResponseBase, StreamingHttpResponse
from ninja import Router

from whylight.jsontext import dumps
from whylight.web.api import shapes, told
from whylight.web.api.patience import has_left, listening
from whylight.web.caller import Visit
from whylight.web.said import Said
from whylight.web.tasks import asking
from whylight.web.tasks.models import Task

router = Router(tags=["pictures and jobs"])
_LONGEST, _LOOK, _BEAT = 600.0, 0.2, 10.0  # seconds of a stream, between two looks, between two signs of life


@router.get(
    "/jobs/{token:job}/events",
    response=shapes.answers(None, bad=(*shapes.THEIRS, 503)),
    openapi_extra=shapes.file("text/event-stream"),
)
def events(request: Visit, job: str) -> HttpResponseBase:
    """How far a question is: an event `progress` whenever that changes, then `end`, each with a job as its data. A stream is closed
    after ten minutes; ask again then."""
    task = asking.mine(request.owner, job)
    if not listening().acquire(blocking=False):
        raise Said(503, "too many listen already; ask /api/jobs instead", retry=5)
    answer = StreamingHttpResponse(_Stream(request, task), content_type="text/event-stream")
    answer["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    return answer


class _Stream:
    """Events of one question; whoever is done with it closes it, read to its end or not."""

    def __init__(self, request: Visit, task: Task) -> None:
        self._request, self._task = request, task
        self._end, self._said, self._over, self._told = time.monotonic() + _LONGEST, time.monotonic(), False, ""
        self._is_open = True

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> bytes:
        while not self._over and time.monotonic() < self._end and not has_left(self._request):
            try:
                self._task.refresh_from_db()
            except Task.DoesNotExist:
                self._over = True
                return b'event: end\ndata: {"state": "deleted"}\n\n'
            fresh = dumps(shapes.Job(**told.job(self._request, self._task)).model_dump(mode="json"))
            self._over = not self._task.is_open
            if fresh != self._told or self._over:
                self._told, self._said = fresh, time.monotonic()
                return f"event: {'end' if self._over else 'progress'}\ndata: {fresh}\n\n".encode()
            if time.monotonic() - self._said > _BEAT:
                self._said = time.monotonic()
                return b": still there\n\n"
            time.sleep(_LOOK)
        raise StopIteration

    def close(self) -> None:
        """Make room for another."""
        if self._is_open:
            self._is_open = False
            listening().release()
