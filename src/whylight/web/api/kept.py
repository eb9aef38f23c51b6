"""Pictures and questions that are kept: look, cancel, share, delete."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase
from ninja import File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from whylight.web import limits
from whylight.web.api import shapes, told
from whylight.web.api.bodies import form_only
from whylight.web.caller import Visit
from whylight.web.pictures import intake, viewing
from whylight.web.pictures.models import Picture
from whylight.web.said import Said
from whylight.web.tasks import asking, drawing, results, sharing, sweeper
from whylight.web.tasks.models import Task

router = Router(tags=["pictures and jobs"])
_SEND = (*shapes.CHANGE, 413, 415, 429, 503)
_DONE = (*shapes.THEIRS, 409)
_CHANGE = (*shapes.CHANGE, 404)


class Page(Schema):
    """Which of many: the newest first."""

    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


class Drawn(Schema):
    """How a map is laid over the picture: `answer` is its place among several, `alpha` how much the strongest evidence covers."""

    answer: int = Field(0, ge=0, le=1000)
    colormap: str = "plasma"
    alpha: int = Field(50, ge=0, le=100)
    boxes: shapes.Flag = False


@router.post("/pictures", response=shapes.answers(shapes.Picture, status=201, bad=_SEND))
@form_only
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


@router.get("/pictures/{token:picture}", response=shapes.answers(shapes.Picture, bad=shapes.THEIRS))
def picture(request: Visit, picture: str) -> dict[str, Any]:
    """One picture."""
    return told.picture(asking.my_picture(request.owner, picture))


@router.get(
    "/pictures/{token:picture}/view.jpg",
    response=shapes.answers(None, bad=shapes.THEIRS),
    openapi_extra=shapes.file("image/jpeg"),
)
def view(request: Visit, picture: str) -> HttpResponseBase:
    """The picture as pages show it: at most 1600 pixels a side."""
    file = viewing.opened(asking.my_picture(request.owner, picture).pk)
    return FileResponse(file, content_type="image/jpeg")


@router.delete("/pictures/{token:picture}", response=shapes.answers(None, status=204, bad=_CHANGE))
def delete_picture(request: Visit, picture: str) -> Any:
    """Delete a picture and all that came of it."""
    sweeper.delete(asking.my_picture(request.owner, picture))
    return Status(204, None)


@router.get("/jobs", response=shapes.answers(list[shapes.Job]))
def jobs(request: Visit, page: Query[Page]) -> list[dict[str, Any]]:
    """Your questions."""
    mine = Task.objects.select_related("picture").filter(picture__owner=request.owner).order_by("-created")
    return [told.job(request, one) for one in mine[page.offset : page.offset + page.limit] if not one.picture.is_over]


@router.get("/jobs/{token:job}", response=shapes.answers(shapes.Job, bad=shapes.THEIRS))
def job(request: Visit, job: str) -> dict[str, Any]:
    """A question, and how far it is."""
    return told.job(request, asking.mine(request.owner, job))


@router.get(
    "/jobs/{token:job}/result", response=shapes.answers(shapes.Explained | shapes.Located | shapes.Faces, bad=_DONE)
)
def result(request: Visit, job: str) -> dict[str, Any]:
    """The answer; 409 while there is none."""
    return told.answer(asking.mine(request.owner, job), kept=True)


@router.get(
    "/jobs/{token:job}/overlay.png", response=shapes.answers(None, bad=_DONE), openapi_extra=shapes.file("image/png")
)
def overlay(request: Visit, job: str, look: Query[Drawn]) -> HttpResponse:
    """The picture with the map over it."""
    found = results.read(asking.mine(request.owner, job))
    if found.task.kind != "explain" or look.answer >= len(found.records):
        raise Said(404, "there is no such map")
    if look.colormap not in drawing.COLORMAPS:
        raise Said(400, f"colormap: choose one of {', '.join(drawing.COLORMAPS)}")
    how = drawing.Look(look.colormap, look.alpha, look.boxes)
    return HttpResponse(drawing.encoded(found, look.answer, how, "png", whole=True), content_type="image/png")


@router.get("/jobs/{token:job}/files", response=shapes.answers(list[str], bad=_DONE))
def files(request: Visit, job: str) -> list[str]:
    """The pictures that were made: crops, cards, boxes."""
    return sorted(results.read(asking.mine(request.owner, job)).files())


@router.get(
    "/jobs/{token:job}/files/{name}",
    response=shapes.answers(None, bad=_DONE),
    openapi_extra=shapes.file("image/jpeg", "image/png"),
)
def file(request: Visit, job: str, name: str) -> HttpResponseBase:
    """One of them."""
    found = results.read(asking.mine(request.owner, job)).files().get(name)
    if found is None:
        raise Said(404, "there is no such file")
    return FileResponse(found.open("rb"))


@router.post("/jobs/{token:job}/cancel", response=shapes.answers(shapes.Job, bad=_CHANGE))
def cancel(request: Visit, job: str) -> dict[str, Any]:
    """Stop a question: at once while it waits, within a second while it is answered."""
    task = asking.mine(request.owner, job)
    asking.cancel(task)
    return told.job(request, task)


@router.delete("/jobs/{token:job}", response=shapes.answers(None, status=204, bad=_CHANGE))
def delete_job(request: Visit, job: str) -> Any:
    """Delete a question and its answer; the picture stays."""
    asking.delete(asking.mine(request.owner, job))
    return Status(204, None)


@router.post("/jobs/{token:job}/share", response=shapes.answers(shapes.Shared, bad=(*_CHANGE, 409)))
def share(request: Visit, job: str) -> dict[str, Any]:
    """Make an address under which anybody sees the result, for a while."""
    task = asking.mine(request.owner, job)
    sharing.share(task)
    return {"url": request.build_absolute_uri(f"/shared/{task.share}/"), "until": task.shared_until}


@router.delete("/jobs/{token:job}/share", response=shapes.answers(None, status=204, bad=_CHANGE))
def unshare(request: Visit, job: str) -> Any:
    """Take that address back."""
    sharing.take_back(asking.mine(request.owner, job))
    return Status(204, None)
