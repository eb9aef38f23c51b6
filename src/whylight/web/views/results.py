"""Pages about questions: the result, how far it is, another question, cancel."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from whylight.errors import WhylightError
from whylight.web import catalogue, limits
from whylight.web.caller import Visit, wants_json
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, choices, drawing, facing, keeper, locating, questions, results, showing
from whylight.web.tasks.models import State, Task
from whylight.web.views import receipts
from whylight.web.views.ended import over
from whylight.web.views.forms import Ask, Shown, first_error


@require_GET
@ensure_csrf_cookie
def result(request: Visit, token: str) -> HttpResponse:
    """The answer to a question, or how far it is."""
    return render(request, "result.html", _context(request, asking.mine(request.owner, token)))


@require_GET
def state(request: Visit, token: str) -> HttpResponse:
    """How far it is, for htmx: asked again until it is done; then the answer, in place of all that was there."""
    try:
        task = asking.mine(request.owner, token)
    except Gone as error:
        if request.htmx:
            return over(error)
        raise
    context = _context(request, task)
    if task.is_open:
        return render(request, "result/progress.html", context)
    answer = render(request, "result/body.html", context)
    answer["HX-Retarget"], answer["HX-Reswap"] = "#body", "outerHTML"
    return answer


@require_POST
def again(request: Visit, token: str) -> HttpResponse:
    """Another question about the same picture."""
    limits.count(request)
    task = asking.mine(request.owner, token)
    try:
        address = _asked(task, Ask(request.POST))
    except (Said, WhylightError) as error:
        if wants_json(request) or (status := getattr(error, "status", 400)) != 400:
            raise
        wrong = {"wrong": str(error), "typed": request.POST.get("target", "")}
        return render(request, "result.html", _context(request, task) | wrong, status=status)
    return redirect(address)


def _asked(task: Task, form: Ask) -> str:
    """Ask what a form asks about the picture of another question; where the answer will be."""
    if not form.is_valid():
        raise Said(400, first_error(form))
    question, place = form.question(), 0
    if isinstance(question, questions.Explain):
        question, place = choices.following(task, question)
    address = reverse("result", args=[asking.ask(task.picture, question).token])
    return f"{address}?class={place}" if place else address


@require_POST
def cancel(request: Visit, token: str) -> HttpResponse:
    """Stop a question."""
    asking.cancel(asking.mine(request.owner, token))
    return redirect("result", token)


@require_GET
def file(request: Visit, token: str, name: str) -> HttpResponseBase:
    """One of the pictures that the job has made."""
    files = results.read(asking.mine(request.owner, token)).files()
    if name not in files:
        raise Said(404, "there is no such file")
    return FileResponse(files[name].open("rb"), headers={"Cache-Control": "private, max-age=600"})


def shown(request: Visit) -> Shown:
    """How the result is to be shown, as the address says."""
    form = Shown(request.GET)
    if not form.is_valid():
        raise Said(400, first_error(form))
    return form


def explained(found: results.Result, form: Shown, heat_at: Any) -> dict[str, Any]:
    """What is shown of an explanation, to its owner and to others."""
    maps = showing.maps(found, heat_at)
    place = showing.chosen(found, form.cleaned_data["place"])
    record = found.records[place]
    return {
        "maps": maps,
        "map": maps[place],
        "method": record["method"],
        "stage": showing.stage(record["width"], record["height"]),
        "has_boxes": any(one.boxes for one in maps),
        "look": form.look(),
        "colormaps": drawing.COLORMAPS,
        "is_pair": record["target"] is None,
    }


def _context(request: Visit, task: Task) -> dict[str, Any]:
    """What the page of a question shows."""
    asked = questions.read(task.kind, task.question)
    model = None if isinstance(asked, questions.Face) else catalogue.model(asked.model)
    context: dict[str, Any] = {
        "task": task,
        "asked": asked,
        "model": model,
        "result": None,
        "picture": task.picture,
        "stage": showing.stage(task.picture.width, task.picture.height),
        "share_for": settings.WHYLIGHT_SHARE_TTL,
        "query": request.GET.urlencode(),
    }
    if task.is_open:
        context |= {
            "served": keeper.is_served(task.lane),
            "ahead": keeper.ahead_of(task) if task.state == State.QUEUED else 0,
            "progress": choices.progress(task),
        }
    if isinstance(asked, questions.Explain) and model is not None:
        others = [one for one in catalogue.offered().models.values() if one.title != model.title]
        context |= {"methods": choices.methods(model), "others": others}
    if task.state == State.DONE:
        found = results.read(task)
        context |= {"result": found, "inner": [f"result/{task.kind}.html", "result/other.html"]}
        if isinstance(asked, questions.Face):
            faces = facing.faces(found)
            context |= {
                "faces": faces,
                "found_faces": sum(one.box is not None for one in faces),
                "languages": catalogue.offered().languages,
                "gallery": questions.gallery(),
                "shared_at": _shared_at(request, task),
            }
        elif isinstance(asked, questions.Locate):
            context |= {
                "found": found.first,
                "boxes": locating.boxes(found),
                "looks": locating.looks(found),
                "strip": next((name for name in found.files() if name.endswith(".looks.png")), None),
                "models": list(catalogue.offered().models.values()),
                "shared_at": _shared_at(request, task),
            }
        else:
            context |= explained(found, shown(request), lambda place: reverse("heat", args=[task.token, place]))
            checks = [receipts.context(found, place) for place in range(len(found.records))]
            context |= {
                "classes": choices.classes(found),
                "checks": list(zip(context["maps"], checks, strict=True)),
                "is_checking": any(one["check"] is not None and one["check"].is_open for one in checks),
                "of_target": model is None or model.methods[context["method"]].of_target,
                "shared_at": _shared_at(request, task),
            }
    return context


def _shared_at(request: Visit, task: Task) -> str:
    return request.build_absolute_uri(reverse("shared", args=[task.share])) if task.share else ""
