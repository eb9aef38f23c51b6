"""Ask about a picture and get the answer, or a word where to look for it."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from whylight.web import limits
from whylight.web.api import shapes, told
from whylight.web.caller import Visit
from whylight.web.pictures import intake
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, sweeper
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import Explain, Face, Locate, Question

router = Router(tags=["ask"])
_FIRST, _LONGEST = 0.01, 0.1  # seconds between two looks whether there is an answer


class About(Schema):
    """What every question has.

    Attributes:
        picture_id: a picture that was sent before, instead of a new one.
        keep: keep the picture and the answer until their time is over; else they are deleted when the answer is out.
        wait: seconds to wait for the answer before telling where to look for it.
    """

    picture_id: str = ""
    keep: bool = False
    wait: float | None = Field(None, ge=0, le=300)


class AboutClass(About):
    """What is asked about classes: a model on offer and a class by name or index; each has a default."""

    model: str = ""
    target: str = ""


class ExplainForm(AboutClass):
    """`target` may also be `topK`, `rankK` or `A >> B`; `verify` also checks whether the map can be trusted, which takes longer."""

    method: str = ""
    verify: bool = False


class LocateForm(AboutClass):
    """`sequential`: find one, erase it, look again."""

    sequential: bool = False


class FaceForm(About):
    """`every`: all faces, rather than the largest; `language` of the sentence."""

    every: bool = True
    language: str = "en"


@router.post("/explain", response=shapes.answers(shapes.Explained, more={202: shapes.Job}))
def explain(request: Visit, form: Form[ExplainForm], picture: File[UploadedFile | None] = None) -> Any:
    """Why does the model say that, and where in the picture did it look?"""
    return _answer(request, picture, form, Explain(form.model, form.method, form.target, form.verify))


@router.post("/locate", response=shapes.answers(shapes.Located, more={202: shapes.Job}))
def locate(request: Visit, form: Form[LocateForm], picture: File[UploadedFile | None] = None) -> Any:
    """Where is it? Boxes around the objects of a class."""
    return _answer(request, picture, form, Locate(form.model, form.target, form.sequential))


@router.post("/face", response=shapes.answers(shapes.Faces, more={202: shapes.Job}))
def face(request: Visit, form: Form[FaceForm], picture: File[UploadedFile | None] = None) -> Any:
    """Is it a face, whose, and which features say so?"""
    return _answer(request, picture, form, Face(form.every, form.language))


def _answer(request: Visit, upload: UploadedFile | None, form: About, question: Question) -> Any:
    limits.count(request)
    question = question.checked()  # before the picture is opened: that costs more
    if upload is not None and form.picture_id:
        raise Said(400, "picture: there are two, a new one and picture_id; send one of them")
    if upload is not None:
        taken, ours = intake.take(upload, request.owner, view=form.keep), True
        request.keep_owner = True
    elif form.picture_id:
        taken, ours = asking.my_picture(request.owner, form.picture_id), False
    else:
        raise Said(400, "picture: there is none; send a JPEG, PNG or WebP as the file `picture`, or a picture_id")
    try:
        task = asking.ask(taken, question)
        waited(task, settings.WHYLIGHT_WAIT if form.wait is None else form.wait)
        return _told(request, taken, task, kept=form.keep or not ours)
    except BaseException:
        if ours:
            sweeper.delete(taken)
        raise


def _told(request: Visit, picture: Picture, task: Task, *, kept: bool) -> Any:
    if task.is_open:
        return Status(202, told.job(request, task))
    if task.state == State.FAILED:
        raise Said(422, task.reason)
    if task.state == State.CANCELLED:
        raise Said(409, "the question was cancelled; ask again")
    answer = told.answer(task, kept=kept)
    if not kept:
        sweeper.delete(picture)
    return answer


def waited(task: Task, seconds: float) -> None:
    """Wait until a question is answered, or it takes too long.

    Raises:
        Gone: it was deleted meanwhile.
    """
    end, pause = time.monotonic() + seconds, _FIRST
    while task.is_open and (left := end - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(_LONGEST, pause * 1.1)
        try:
            task.refresh_from_db(fields=["state", "reason"])
        except Task.DoesNotExist:
            raise Gone from None
