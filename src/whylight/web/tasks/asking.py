"""Ask a question about a picture: noted in the database first, then a worker is woken."""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from whylight.web.pictures import store
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import lanes, questions, sweeper
from whylight.web.tasks.models import OPEN, Lane, State, Task

_AGAIN = (State.FAILED, State.CANCELLED)


def ask(picture: Picture, question: questions.Question) -> Task:
    """Ask, unless the same was asked of the same picture before; what failed or was cancelled is tried again.

    Raises:
        Said: the question cannot be asked, or too many wait already.
        Gone: the picture's time is over.
    """
    question = question.checked()
    if picture.is_over:
        raise Gone("picture")
    digest = questions.digest(question)
    task = picture.tasks.filter(digest=digest).first()
    if task is None or task.state in _AGAIN:
        _check_room(picture.owner)
    if task is None:
        task = Task(
            picture=picture,
            kind=question.kind,
            question=questions.written(question),
            digest=digest,
            lane=Lane(question.lane),
        )
        try:
            with transaction.atomic():
                task.save(force_insert=True)
        except IntegrityError:  # somebody else asked the same meanwhile
            return picture.tasks.get(digest=digest)
    elif task.state in _AGAIN:
        again = {"state": State.QUEUED, "reason": "", "attempts": 0, "cancel": False, "done": 0, "total": 0}
        if not Task.objects.filter(pk=task.pk, state__in=_AGAIN).update(**again, created=timezone.now()):
            return Task.objects.get(pk=task.pk)
        task.refresh_from_db()
    else:
        return task
    sweeper.keep(picture, settings.WHYLIGHT_TTL)
    lanes.wake(task)
    return task


def cancel(task: Task) -> None:
    """Stop a question: at once where nobody is at it, else within a second."""
    Task.objects.filter(pk=task.pk, state__in=OPEN).update(cancel=True)
    Task.objects.filter(pk=task.pk, state=State.QUEUED).update(state=State.CANCELLED, ended=timezone.now())
    task.refresh_from_db()


def delete(task: Task) -> None:
    """Delete one question and its result."""
    cancel(task)
    token = task.token
    task.delete()
    store.drop(store.of_task(token))


def mine(owner: str, token: str) -> Task:
    """A question by its token.

    Raises:
        Gone: there is none, its picture's time is over, or it is somebody else's.
    """
    task = Task.objects.select_related("picture").filter(pk=token, picture__owner=owner).first()
    if task is None or (task.picture.is_over and not task.is_open):
        raise Gone
    return task


def my_picture(owner: str, token: str) -> Picture:
    """A picture by its token.

    Raises:
        Gone: as for `mine`.
    """
    picture = Picture.objects.filter(pk=token, owner=owner).first()
    if picture is None or picture.is_over:
        raise Gone("picture")
    return picture


def _check_room(owner: str) -> None:
    waiting = Task.objects.filter(state__in=OPEN)
    if waiting.count() >= settings.WHYLIGHT_MAX_QUEUE:
        raise Said(503, "too many questions wait already; try again in a minute", retry=30)
    if waiting.filter(picture__owner=owner).count() >= settings.WHYLIGHT_MAX_QUEUE_EACH:
        raise Said(429, "too many of your questions wait already; wait for them, or cancel some", retry=10)
