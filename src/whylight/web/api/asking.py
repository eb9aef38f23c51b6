"""Ask about a picture and get the answer."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from ninja import File, Form, Router, Status
from ninja.files import UploadedFile

from whylight.web import catalogue, limits
from whylight.web.api import shapes
from whylight.web.caller import Visit
from whylight.web.pictures import intake
from whylight.web.tasks import asking, results, sweeper
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import Explain

router = Router()


@router.get("/models", response=list[shapes.Model])
def models(request: Visit) -> list[dict[str, Any]]:
    """The models on offer, with their classes and methods."""
    return [one.to_dict() for one in catalogue.offered().models.values()]


@router.post("/explain", response={200: dict[str, Any], 202: dict[str, Any]})
def explain(
    request: Visit,
    picture: File[UploadedFile],
    model: Form[str] = "",
    method: Form[str] = "",
    target: Form[str] = "",
    keep: Form[bool] = False,
) -> Any:
    """Explain a picture: the class, how sure the model is of it, and the map."""
    limits.count(request)
    question = Explain(model, method, target).checked()
    taken = intake.take(picture, request.owner, view=keep)
    request.keep_owner = True
    try:
        task = asking.ask(taken, question)
    except BaseException:
        sweeper.delete(taken)
        raise
    waited(task)
    if task.state == State.DONE:
        answer = explained(results.read(task))
        if not keep:
            sweeper.delete(taken)
        return answer
    return Status(202, {"job": task.token, "state": task.state})


def waited(task: Task) -> None:
    """Wait until a question is answered, or it takes too long."""
    end, pause = time.monotonic() + settings.WHYLIGHT_WAIT, 0.01
    while task.is_open and time.monotonic() < end:
        time.sleep(pause)
        pause = min(0.1, pause * 1.1)
        task.refresh_from_db(fields=["state", "reason"])


def explained(result: results.Result) -> dict[str, Any]:
    """An explanation as the API tells it."""
    record = result.first
    keys = ("label", "probability", "score", "target", "method", "units", "blank", "width", "height")
    return {**{key: record[key] for key in keys}, "map": result.map_of()}
