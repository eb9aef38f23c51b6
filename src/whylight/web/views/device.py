"""The page on which the visitor's own browser runs the model: no frame comes here, only files go there."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from whylight.browser import runtime
from whylight.browser.page import SCRIPTS
from whylight.render.scripted import COLORMAPS
from whylight.web import catalogue
from whylight.web.caller import Visit
from whylight.web.live.making import Making
from whylight.web.live.making import graph as graph_of
from whylight.web.policy import PERMISSIONS_LIVE, compiling
from whylight.web.said import Said

_KINDS = {".js": "text/javascript; charset=utf-8", ".wasm": "application/wasm"}
_LONG = "public, max-age=31536000, immutable"
# The page has a process for itself and shares no memory with other sites': then browsers let it have threads.
_ALONE = "require-corp"


@cache
def making() -> Making:
    """The one of this web process."""
    return Making()


def offered() -> list[catalogue.Offered]:
    """Models whose maps can be in a graph."""
    return [one for one in catalogue.offered().models.values() if one.is_closed]


def is_there() -> bool:
    """Whether the runtime is in this installation. Nothing is fetched while the site runs."""
    return runtime.found() is not None


@require_GET
@compiling
def page(request: Visit) -> HttpResponse:
    """The model in the visitor's browser."""
    found = offered()
    if found and is_there():
        with suppress(Said):  # it is told when it is asked for
            making().facts(found[0].title, found[0].name)  # begun before the visitor is
    models = [{"title": one.title, "facts": reverse("device_facts", args=[one.title])} for one in found]
    told = {"models": models, "colormaps": COLORMAPS}
    shown = {"told": told, "models": models, "is_there": is_there(), "runtime": runtime.VERSION}
    answer = render(request, "device.html", shown)
    answer["Permissions-Policy"] = PERMISSIONS_LIVE
    answer["Cross-Origin-Embedder-Policy"] = _ALONE
    return answer


@require_GET
@compiling
def file(request: Visit, name: str) -> HttpResponseBase:
    """A script of the page's, or a part of the runtime."""
    ort = runtime.found()
    path = SCRIPTS.get(name)
    if path is None and ort is not None and name in runtime.FILES.values():
        path = ort / name
    if path is None:
        raise Said(404, "there is no such file")
    answer = _sent(path, _KINDS[path.suffix])
    answer["Cache-Control"] = "no-cache" if name in SCRIPTS else "public, max-age=604800"
    answer["Cross-Origin-Embedder-Policy"] = _ALONE
    return answer


@require_GET
def facts(request: Visit, title: str) -> HttpResponse:
    """What the page is told of a model; 202 while its graph is made."""
    model = next((one for one in offered() if one.title == title), None)
    try:
        if model is None:
            raise Said(404, "no such model runs in browsers here; reload the page")
        found: dict[str, Any] | None = making().facts(model.title, model.name)
    except Said as error:
        headers = {} if error.retry is None else {"Retry-After": str(error.retry)}
        return JsonResponse({"error": str(error)}, status=error.status, headers=headers)
    return JsonResponse({"state": "making"}, status=202) if found is None else JsonResponse(found)


@require_GET
def graph(request: Visit, title: str, graph: str) -> HttpResponseBase:
    """The graph of a model. Its name tells it from all others, so browsers may keep it."""
    answer = _sent(graph_of(title, graph), "application/octet-stream")
    answer["Cache-Control"] = _LONG
    return answer


def _sent(path: Path, kind: str) -> FileResponse:
    return FileResponse(path.open("rb"), content_type=kind)
