"""Ask about a picture and get the answer, or a word where to look for it."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from whylight.web import limits
from whylight.web.api import shapes, told
from whylight.web.api.bodies import form_only
from whylight.web.api.patience import has_left, waited
from whylight.web.caller import Visit
from whylight.web.pictures import intake
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, sweeper
from whylight.web.tasks.models import State
from whylight.web.tasks.questions import Explain, Face, Locate, Question
from whylight.web.tokens import Token

router = Router(tags=["ask"])


class About(Schema):
    """What every question has.

    Attributes:
        picture_id: a picture that was sent before, instead of a new one.
        keep: keep the picture and the answer until their time is over; else they are deleted when the answer is out.
        wait: seconds to wait for the answer before telling where to look for it.
    """

    picture_id: str = ""
    keep: shapes.Flag = False
    wait: float | None = Field(None, ge=0, le=60)


class AboutClass(About):
    """What is asked about classes: a model on offer and a class by name or index; each has a default."""

    model: str = ""
    target: str = ""


class ExplainForm(AboutClass):
    """`target` may also be `topK`, `rankK` or `A >> B`; `verify` also checks whether the map can be trusted, which takes longer."""

    method: str = ""
    verify: shapes.Flag = False


class LocateForm(AboutClass):
    """`sequential`: find one, erase it, look again."""

    sequential: shapes.Flag = False


class FaceForm(About):
    """`every`: all faces, rather than the largest; `language` of the sentence."""

    every: shapes.Flag = True
    language: str = "en"


@router.post("/explain", response=shapes.answers(shapes.Explained, more={202: shapes.Job}, bad=shapes.ASK))
@form_only
def explain(request: Visit, form: Form[ExplainForm], picture: File[UploadedFile | None] = None) -> Any:
    """Why does the model say that, and where in the picture did it look?"""
    return _answer(request, picture, form, Explain(form.model, form.method, form.target, form.verify))


@router.post("/locate", response=shapes.answers(shapes.Located, more={202: shapes.Job}, bad=shapes.ASK))
@form_only
def locate(request: Visit, form: Form[LocateForm], picture: File[UploadedFile | None] = None) -> Any:
    """Where is it? Boxes around the objects of a class."""
    return _answer(request, picture, form, Locate(form.model, form.target, form.sequential))


@router.post("/face", response=shapes.answers(shapes.Faces, more={202: shapes.Job}, bad=shapes.ASK))
@form_only
def face(request: Visit, form: Form[FaceForm], picture: File[UploadedFile | None] = None) -> Any:
    """Is it a face, whose, and which features say so?"""
    return _answer(request, picture, form, Face(form.every, form.language))


def _answer(request: Visit, upload: UploadedFile | None, form: About, question: Question) -> Any:
    limits.count(request)
    question = question.checked()  # before the picture is opened: that costs more
    picture, ours = _picture(request, upload, form)
    kept = form.keep or not ours
    try:
        task = asking.ask(picture, question)
        waited(request, task, settings.WHYLIGHT_WAIT if form.wait is None else form.wait)
        if task.state == State.FAILED:
            raise Said(422, task.reason)
        if task.state == State.CANCELLED:
            raise Said(409, "the question was cancelled; ask again")
        if task.is_open and not kept and has_left(request):
            raise Gone  # nobody would know where to look for it
        answer = Status(202, told.job(request, task)) if task.is_open else told.answer(task, kept=kept)
    except BaseException:
        if ours:
            sweeper.delete(picture)
        raise
    if not kept and not task.is_open:
        sweeper.delete(picture)
    return answer


def _picture(request: Visit, upload: UploadedFile | None, form: About) -> tuple[Picture, bool]:
    """The picture that is asked about, and whether it came with the question."""
    if upload is not None and form.picture_id:
        raise Said(400, "picture: there are two, a new one and picture_id; send one of them")
    if len(request.FILES.getlist("picture")) > 1:
        raise Said(400, "picture: there are several; send one at a time")
    if upload is not None:
        picture = intake.take(upload, request.owner, view=form.keep)
        request.keep_owner = True
        return picture, True
    if form.picture_id:
        if not re.fullmatch(Token.regex, form.picture_id):
            raise Gone("picture")
        return asking.my_picture(request.owner, form.picture_id), False
    raise Said(400, "picture: there is none; send a JPEG, PNG or WebP as the file `picture`, or a picture_id")
