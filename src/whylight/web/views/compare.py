"""Results side by side: methods, classes or models, about one picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from whylight.web import catalogue, limits
from whylight.web.caller import Visit
from whylight.web.pictures.models import Picture
from whylight.web.said import Said
from whylight.web.tasks import asking, choices, comparing, drawing, showing
from whylight.web.views.ended import over
from whylight.web.views.forms import Comparison, first_error
from whylight.web.views.results import shown


@require_http_methods(["GET", "POST"])
@ensure_csrf_cookie
def compare(request: Visit, token: str) -> HttpResponse:
    """Choose what is compared, and see it."""
    picture = asking.my_picture(request.owner, token)
    if request.method == "POST":
        return _asked(request, picture)
    form = _form(request.GET)
    given = form.cleaned_data
    by, model = given["by"] or "methods", catalogue.model(given["model"])
    look = shown(request).look()
    cells = [comparing.cell(task, by) for task in comparing.tasks(picture, request.GET.getlist("r"))]
    units = comparing.units(cells)
    is_shared = given["scale"] == "shared" and len(units) == 1
    if is_shared:
        most = max(one.reach for one in cells)
        cells = [replace(one, part=round(one.reach / most, 4) if most and one.reach else 1.0) for one in cells]
    context: dict[str, Any] = {
        "picture": picture,
        "stage": showing.stage(picture.width, picture.height),
        "by": by,
        "bys": comparing.BY,
        "model": model,
        "models": list(catalogue.offered().models.values()),
        "method": given["method"] or model.default,
        "target": given["target"],
        "methods": choices.methods(model),
        "usual": comparing.usual(model),
        "classes": model.classes if len(model.classes) <= comparing.MOST else (),
        "cells": cells,
        "is_open": any(one.task.is_open for one in cells),
        "units": units,
        "is_shared": is_shared,
        "look": look,
        "colormaps": drawing.COLORMAPS,
        "most": comparing.MOST,
    }
    return render(request, "compare.html", context)


@require_GET
def cell(request: Visit, token: str) -> HttpResponse:
    """One of the results, for htmx: asked again until it is done."""
    by = _form(request.GET).cleaned_data["by"] or "methods"
    try:
        task = asking.mine(request.owner, token)
    except Said as error:
        if request.htmx:
            return over(error)
        raise
    if task.kind != "explain":
        raise Said(404, "this result is not of a kind that can be compared")
    picture = task.picture
    context = {
        "one": comparing.cell(task, by),
        "by": by,
        "picture": picture,
        "stage": showing.stage(picture.width, picture.height),
        "look": drawing.Look(),
    }
    return render(request, "result/cell.html", context)


def _asked(request: Visit, picture: Picture) -> HttpResponse:
    limits.count(request)
    given = _form(request.POST).cleaned_data
    by = given["by"] or "methods"
    chosen = request.POST.getlist("with")
    asked = comparing.questions(by, chosen, given["model"], given["method"], given["target"])
    tokens = [task.token for task in comparing.ask(picture, asked)]
    kept = {name: given[name] for name in ("by", "model", "method", "target") if given[name]}
    return redirect(f"{reverse('compare', args=[picture.token])}?{urlencode(kept | {'r': tokens}, doseq=True)}")


def _form(sent: QueryDict) -> Comparison:
    form = Comparison(sent)
    if not form.is_valid():
        raise Said(400, first_error(form))
    return form
