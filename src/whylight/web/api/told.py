"""What the jobs wrote, as the API tells it: nothing of where the site keeps its files."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from whylight.web.pictures.models import Picture
from whylight.web.tasks import keeper, results
from whylight.web.tasks.models import State, Task

_AT = "/api/jobs"


def answer(task: Task, *, kept: bool) -> dict[str, Any]:
    """The answer to a question that is done.

    Args:
        task: the question.
        kept: whether question and picture stay.
    """
    result = results.read(task)
    ids = {"job": task.pk if kept else None, "picture": task.picture_id if kept else None}
    if task.kind == "explain":
        every = [explanation(result, place) for place in range(len(result.records))]
        return {**every[0], "answers": every, **ids}
    return {**(located(result) if task.kind == "locate" else faces(result)), **ids}


def explanation(result: results.Result, place: int) -> dict[str, Any]:
    """One explanation."""
    record, facts = result.records[place], result.dict_of(place)
    keys = (
        "label",
        "probability",
        "target",
        "method",
        "model",
        "units",
        "blank",
        "flat",
        "peak",
        "region",
        "level",
        "map",
    )
    return {
        **{key: facts[key] for key in keys},
        "score": facts.get("score"),
        "span": facts.get("span"),
        "details": facts["details"],
        "diffuse": record["diffuse"],
        "boxes": record.get("boxes") or [],
        "sentence": result.told(place),
        "verified": record.get("verified"),
        **_size(result),
    }


def located(result: results.Result) -> dict[str, Any]:
    """What a search has found."""
    record = result.first
    keys = ("label", "target", "threshold", "boxes", "stopped")
    looks = ("boxes", "probability_before", "probability_after")
    return {
        **{key: record[key] for key in keys},
        "probability": record.get("probability"),
        "method": record["map_method"],
        "model": result.task.question["model"],
        "steps": [{key: step[key] for key in looks} for step in record["steps"]],
        "sentence": result.words,
        **_size(result),
    }


def faces(result: results.Result) -> dict[str, Any]:
    """What is said of each face."""
    every = [
        {key: value for key, value in one.items() if key not in ("picture", "files")} for one in result.first["results"]
    ]
    return {"results": every, "sentence": result.words, **_size(result)}


def job(request: HttpRequest, task: Task) -> dict[str, Any]:
    """A question and what has become of it."""
    done = task.state == State.DONE
    return {
        "id": task.pk,
        "kind": task.kind,
        "question": task.question,
        "picture": task.picture_id,
        "state": task.state,
        "reason": task.reason,
        "done": task.done,
        "total": task.total,
        "ahead": keeper.ahead_of(task) if task.state == State.QUEUED else 0,
        "served": keeper.is_served(task.lane),
        "created": task.created,
        "ended": task.ended,
        "result": request.build_absolute_uri(f"{_AT}/{task.pk}/result") if done else None,
        "shared": request.build_absolute_uri(f"/shared/{task.share}/") if task.share else None,
    }


def picture(one: Picture) -> dict[str, Any]:
    """A picture that is kept."""
    return {
        "id": one.pk,
        "width": one.width,
        "height": one.height,
        "reduced": one.times,
        "expires": one.expires,
        "jobs": list(one.tasks.order_by("created").values_list("pk", flat=True)),
    }


def _size(result: results.Result) -> dict[str, int]:
    picture = result.task.picture
    return {"width": picture.width, "height": picture.height, "reduced": picture.times}
