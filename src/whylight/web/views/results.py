"""Pages about questions: the result, how far it is, another question, cancel, share, download."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from whylight.web import catalogue, limits
from whylight.web.caller import Visit
from whylight.web.said import Said
from whylight.web.tasks import asking, keeper, questions, results
from whylight.web.tasks.models import State, Task
from whylight.web.views.forms import Ask, first_error


@require_GET
@ensure_csrf_cookie
def result(request: Visit, token: str) -> HttpResponse:
    """The answer to a question, or how far it is."""
    return render(request, "result.html", _context(asking.mine(request.owner, token)))


@require_GET
def state(request: Visit, token: str) -> HttpResponse:
    """The same without the page around it, for htmx: asked again until it is done."""
    return render(request, "result/body.html", _context(asking.mine(request.owner, token)))


@require_POST
def again(request: Visit, token: str) -> HttpResponse:
    """Another question about the same picture."""
    limits.count(request)
    task = asking.mine(request.owner, token)
    form = Ask(request.POST)
    if not form.is_valid():
        raise Said(400, first_error(form))
    return redirect("result", asking.ask(task.picture, form.question()).token)


@require_POST
def cancel(request: Visit, token: str) -> HttpResponse:
    """Stop a question."""
    asking.cancel(asking.mine(request.owner, token))
    return redirect("result", token)


def _context(task: Task) -> dict[str, Any]:
    """What the page of a question shows."""
    asked = questions.read(task.kind, task.question)
    found = results.read(task) if task.state == State.DONE else None
    return {
        "task": task,
        "asked": asked,
        "result": found,
        "model": catalogue.model(asked.model) if not isinstance(asked, questions.Face) else None,
        "served": keeper.is_served(task.lane),
        "ahead": keeper.ahead_of(task) if task.state == State.QUEUED else 0,
        "keeps": settings.WHYLIGHT_TTL,
    }


def file(request: Visit, token: str, name: str) -> HttpResponseBase:
    """One of the pictures that the job has made."""
    from django.http import FileResponse

    task = asking.mine(request.owner, token)
    files = results.read(task).files()
    if name not in files:
        raise Said(404, "there is no such file")
    return FileResponse(files[name].open("rb"), headers={"Cache-Control": "private, max-age=600"})
