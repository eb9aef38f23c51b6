"""From a question to a job of `whylight.jobs`: the one place that knows how the two are written."""

from __future__ import annotations

from typing import Any

from whylight.jobs import Job
from whylight.models.zoo.choice import ModelChoice
from whylight.web import catalogue
from whylight.web.pictures import store
from whylight.web.tasks import questions
from whylight.web.tasks.models import Task
from whylight.web.tasks.questions import Explain, Face, Locate

# The heat alone and in grey: pages lay it over the picture in any colours, and downloads are drawn from it.
EXPLAIN = {"style": "map", "colormap": "gray", "format": "jpg", "save_map": True, "boxes": True}


def job_of(task: Task) -> Job:
    """The job that answers a question."""
    asked = questions.read(task.kind, task.question)
    about, settings = _parts(asked)
    model = ModelChoice() if isinstance(asked, Face) else ModelChoice(catalogue.model(asked.model).name)
    picture = store.of_picture(task.picture_id) / store.PICTURE
    return Job(task.kind, [str(picture)], str(store.of_task(task.token)), model, about, settings)


def _parts(asked: questions.Question) -> tuple[dict[str, Any], dict[str, Any]]:
    if isinstance(asked, Explain):
        targets = [asked.target] if asked.target else []
        return {"methods": [asked.method], "targets": targets}, {**EXPLAIN, "verify": asked.verify}
    if isinstance(asked, Locate):
        return {"target": asked.target or None}, {"sequential": asked.sequential, "strips": asked.sequential}
    gallery = questions.gallery()
    faces = "all" if asked.every else "largest"
    return {"faces": faces, "language": asked.language, **({} if gallery is None else {"gallery": gallery})}, {}
