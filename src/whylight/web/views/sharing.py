"""A result that its owner shows to others."""

from __future__ import annotations

from typing import Any, TypeVar

from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from whylight.web.caller import Visit
from whylight.web.said import Gone
from whylight.web.tasks import asking, results
from whylight.web.tasks import sharing as shares
from whylight.web.views import downloads
from whylight.web.views.pictures import shown as picture_of
from whylight.web.views.results import explained, shown

Answer = TypeVar("Answer", bound=HttpResponseBase)
_THEIRS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}  # once taken back it is seen no more


@require_POST
def share(request: Visit, token: str) -> HttpResponse:
    """Make an address that others may see the result at."""
    shares.share(asking.mine(request.owner, token))
    return redirect(reverse("result", args=[token]) + "#share")


@require_POST
def take_back(request: Visit, token: str) -> HttpResponse:
    """No longer."""
    shares.take_back(asking.mine(request.owner, token))
    return redirect(reverse("result", args=[token]) + "#share")


@require_GET
def shared(request: Visit, share: str) -> HttpResponse:
    """The result for others: picture, map and words, and nothing to ask."""
    task = shares.shared(share)
    found = results.read(task)
    context: dict[str, Any] = {"share": share, "until": task.shared_until, "task": task, "result": found}
    if task.kind == "explain":
        context |= explained(found, shown(request), lambda place: reverse("shared_heat", args=[share, place]))
    else:
        context["files"] = sorted(found.files())
    return _quiet(render(request, "shared.html", context))


@require_GET
def view(request: Visit, share: str) -> HttpResponseBase:
    """The picture."""
    return _quiet(picture_of(shares.shared(share).picture))


@require_GET
def heat(request: Visit, share: str, place: int) -> HttpResponseBase:
    """The heat of one map."""
    return _quiet(downloads.heat_of(results.read(shares.shared(share)), place, {}))


@require_GET
def overlay(request: Visit, share: str) -> HttpResponseBase:
    """Picture and map in one."""
    return _quiet(downloads.overlay_of(request, results.read(shares.shared(share)), {}))


@require_GET
def file(request: Visit, share: str, name: str) -> HttpResponseBase:
    """One of the pictures that the job has made."""
    task = shares.shared(share)
    files = results.read(task).files()
    if task.kind == "explain" or name not in files:
        raise Gone
    return _quiet(FileResponse(files[name].open("rb")))


def _quiet(answer: Answer) -> Answer:
    for name, value in _THEIRS.items():
        answer.headers[name] = value
    return answer
