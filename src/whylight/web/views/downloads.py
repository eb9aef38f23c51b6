"""Files of a result: the heat, the picture under it as it is seen on the page, and the numbers."""

from __future__ import annotations

import io
import re

from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from whylight.jsontext import dumps
from whylight.render import scripted
from whylight.web.api import told
from whylight.web.caller import Visit
from whylight.web.said import Said
from whylight.web.tasks import asking, drawing, locating, results, showing
from whylight.web.tasks.results import Result
from whylight.web.views.results import shown

_MINE = {"Cache-Control": "private, max-age=600"}


@require_GET
def heat(request: Visit, token: str, place: int) -> HttpResponseBase:
    """The heat of one map, grey."""
    return heat_of(results.read(asking.mine(request.owner, token)), place, _MINE)


@require_GET
def overlay(request: Visit, token: str) -> HttpResponse:
    """Picture and map in one, as the address says, for browsers without scripts."""
    return overlay_of(request, results.read(asking.mine(request.owner, token)), _MINE)


@require_GET
def download(request: Visit, token: str, what: str) -> HttpResponseBase:
    """What the visitor sees as a PNG, or all its numbers as JSON."""
    found = _explained(results.read(asking.mine(request.owner, token)))
    form = shown(request)
    place = showing.chosen(found, form.cleaned_data["place"])
    if what == "png":
        data = drawing.encoded(found, place, form.look(), "png", whole=True)
        kind = "image/png"
    elif what == "json":
        data, kind = dumps(found.dict_of(place)).encode(), "application/json"
    else:
        raise Said(404, "there is no such file; there are png and json")
    return FileResponse(io.BytesIO(data), as_attachment=True, filename=_name(found, place, what), content_type=kind)


@require_GET
def boxes(request: Visit, token: str, what: str) -> HttpResponseBase:
    """The boxes of a search: drawn on the picture, as JSON, or for spreadsheets."""
    found = results.read(asking.mine(request.owner, token))
    if found.task.kind != "locate" or what not in ("png", "json", "csv"):
        raise Said(404, "there is no such file; there are png, json and csv of boxes")
    name = f"{_safe(found.first['label'])}-boxes.{what}"
    if what == "png":
        drawn = next(path for file, path in found.files().items() if file.endswith(".boxes.png"))
        return FileResponse(drawn.open("rb"), as_attachment=True, filename=name)
    text = dumps(told.located(found)) if what == "json" else locating.table(found)
    kind = "application/json" if what == "json" else "text/csv; charset=utf-8"
    return FileResponse(io.BytesIO(text.encode()), as_attachment=True, filename=name, content_type=kind)


@require_GET
def colours(request: Visit) -> HttpResponse:
    """The colour maps, for the page's script."""
    answer = HttpResponse(dumps(scripted.colours()), content_type="application/json")
    answer["Cache-Control"] = "public, max-age=86400"
    return answer


def heat_of(found: Result, place: int, headers: dict[str, str]) -> HttpResponseBase:
    """The heat of one map as a response."""
    path = _explained(found).heat_of(showing.chosen(found, place))
    return FileResponse(path.open("rb"), content_type="image/jpeg", headers=headers)


def overlay_of(request: Visit, found: Result, headers: dict[str, str]) -> HttpResponse:
    """Picture and map in one as a response."""
    form = shown(request)
    place = showing.chosen(_explained(found), form.cleaned_data["place"])
    data = drawing.encoded(found, place, form.look(), "jpg", whole=False)
    return HttpResponse(data, content_type="image/jpeg", headers=headers)


def _explained(found: Result) -> Result:
    if found.task.kind != "explain":
        raise Said(404, "there is no such file")
    return found


def _name(found: Result, place: int, suffix: str) -> str:
    """Of class and method alone: nothing of the visitor's."""
    record = found.records[place]
    return f"{_safe(record['label'])}-{re.sub(r'[^a-z0-9+]+', '-', record['method'])}.{suffix}"


def _safe(label: str) -> str:
    return re.sub(r"[^\w]+", "-", label, flags=re.ASCII).strip("-")[:60] or "class"
