"""Pictures and questions that are kept: look, cancel, share, delete; and how far a question is, told while it changes."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse
from ninja import File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from whylight.jsontext import dumps
from whylight.web import limits
from whylight.web.api import shapes, told
from whylight.web.caller import Visit
from whylight.web.pictures import intake, store
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, drawing, results, sharing, sweeper
from whylight.web.tasks.models import Task

router = Router(tags=["pictures and jobs"])
_STREAMS = threading.BoundedSemaphore(12)  # each holds one of the threads that answer browsers
_LONGEST, _LOOK, _BEAT = 600.0, 0.2, 10.0  # seconds of a stream, between two looks, between two signs of life


class Page(Schema):
    """Which of many: the newest first."""

    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


class Drawn(Schema):
    """How a map is laid over the picture: `answer` is its place among several, `alpha` how much the strongest evidence covers."""

    answer: int = Field(0, ge=0, le=1000)
    colormap: str = "plasma"
    alpha: int = Field(50, ge=0, le=100)
    boxes: bool = False


@router.post("/pictures", response=shapes.answers(shapes.Picture, status=201))
def send(request: Visit, picture: File[UploadedFile]) -> Any:
    """Send a picture, to ask about it more than once."""
    limits.count(request)
    taken = intake.take(picture, request.owner, view=True)
    request.keep_owner = True
    return Status(201, told.picture(taken))


@router.get("/pictures", response=shapes.answers(list[shapes.Picture]))
def pictures(request: Visit, page: Query[Page]) -> list[dict[str, Any]]:
    """Your pictures."""
    mine = Picture.objects.filter(owner=request.owner).order_by("-created")[page.offset : page.offset + page.limit]
    return [told.picture(one) for one in mine if not one.is_over]


@router.get("/pictures/{token:picture}", response=shapes.answers(shapes.Picture))
def picture(request: Visit, picture: str) -> dict[str, Any]:
    """One picture."""
    return told.picture(asking.my_picture(request.owner, picture))


@router.get("/pictures/{token:picture}/view.jpg", response=shapes.answers(None))
def view(request: Visit, picture: str) -> HttpResponseBase:
    """The picture as pages show it: at most 1600 pixels a side."""
    try:
        file = (store.of_picture(asking.my_picture(request.owner, picture).pk) / store.VIEW).open("rb")
    except FileNotFoundError:
        raise Gone("picture") from None
    return FileResponse(file, content_type="image/jpeg")


@router.delete("/pictures/{token:picture}", response=shapes.answers(None, status=204))
def delete_picture(request: Visit, picture: str) -> Any:
    """Delete a picture and all that came of it."""
    sweeper.delete(asking.my_picture(request.owner, picture))
    return Status(204, None)


@router.get("/jobs", response=shapes.answers(list[shapes.Job]))
def jobs(request: Visit, page: Query[Page]) -> list[dict[str, Any]]:
    """Your questions."""
    mine = Task.objects.select_related("picture").filter(picture__owner=request.owner).order_by("-created")
    return [told.job(request, one) for one in mine[page.offset : page.offset + page.limit] if not one.picture.is_over]


@router.get("/jobs/{token:job}", response=shapes.answers(shapes.Job))
def job(request: Visit, job: str) -> dict[str, Any]:
    """A question, and how far it is."""
    return told.job(request, asking.mine(request.owner, job))


@router.get("/jobs/{token:job}/result", response=shapes.answers(shapes.Explained | shapes.Located | shapes.Faces))
def result(request: Visit, job: str) -> dict[str, Any]:
    """The answer; 409 while there is none."""
    return told.answer(asking.mine(request.owner, job), kept=True)


@router.get("/jobs/{token:job}/overlay.png", response=shapes.answers(None))
def overlay(request: Visit, job: str, look: Query[Drawn]) -> HttpResponse:
    """The picture with the map over it."""
    found = results.read(asking.mine(request.owner, job))
    if found.task.kind != "explain" or look.answer >= len(found.records):
        raise Said(404, "there is no such map")
    if look.colormap not in drawing.COLORMAPS:
        raise Said(400, f"colormap: choose one of {', '.join(drawing.COLORMAPS)}")
    how = drawing.Look(look.colormap, look.alpha, look.boxes)
    return HttpResponse(drawing.encoded(found, look.answer, how, "png", whole=True), content_type="image/png")


@router.get("/jobs/{token:job}/files", response=shapes.answers(list[str]))
def files(request: Visit, job: str) -> list[str]:
    """The pictures that were made: crops, cards, boxes."""
    return sorted(results.read(asking.mine(request.owner, job)).files())


@router.get("/jobs/{token:job}/files/{name}", response=shapes.answers(None))
def file(request: Visit, job: str, name: str) -> HttpResponseBase:
    """One of them."""
    found = results.read(asking.mine(request.owner, job)).files().get(name)
    if found is None:
        raise Said(404, "there is no such file")
    return FileResponse(found.open("rb"))


@router.post("/jobs/{token:job}/cancel", response=shapes.answers(shapes.Job))
def cancel(request: Visit, job: str) -> dict[str, Any]:
    """Stop a question: at once while it waits, within a second while it is answered."""
    task = asking.mine(request.owner, job)
    asking.cancel(task)
    return told.job(request, task)


@router.delete("/jobs/{token:job}", response=shapes.answers(None, status=204))
def delete_job(request: Visit, job: str) -> Any:
    """Delete a question and its answer; the picture stays."""
    asking.delete(asking.mine(request.owner, job))
    return Status(204, None)


@router.post("/jobs/{token:job}/share", response=shapes.answers(shapes.Shared))
def share(request: Visit, job: str) -> dict[str, Any]:
    """Make an address under which anybody sees the result, for a while."""
    task = asking.mine(request.owner, job)
    sharing.share(task)
    return {"url": request.build_absolute_uri(f"/shared/{task.share}/"), "until": task.shared_until}


@router.delete("/jobs/{token:job}/share", response=shapes.answers(None, status=204))
def unshare(request: Visit, job: str) -> Any:
    """Take that address back."""
    sharing.take_back(asking.mine(request.owner, job))
    return Status(204, None)


@router.get("/jobs/{token:job}/events", response=shapes.answers(None))
def events(request: Visit, job: str) -> HttpResponseBase:
    """How far a question is, as server-sent events: `progress` with a job as data whenever that changes, `end` with the last."""
    task = asking.mine(request.owner, job)
    if not _STREAMS.acquire(blocking=False):
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
        while not self._over and time.monotonic() < self._end:
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
            _STREAMS.release()
