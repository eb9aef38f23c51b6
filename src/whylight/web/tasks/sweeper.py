"""Deletes what is over: pictures whose time has passed, with all that was asked about them, and what a kill left behind."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from django.db.models import Exists, OuterRef
from django.utils import timezone

from whylight.web.pictures import store
from whylight.web.pictures.models import Picture
from whylight.web.tasks.models import OPEN, Task

_PATIENCE = timedelta(hours=1)  # that a question may wait or be answered in before its picture goes all the same
_GRACE = 60  # seconds in which a folder may lie without a line in the database: it is being made


def delete(picture: Picture) -> None:
    """Delete a picture and everything that came of it; a worker that is at it stops."""
    token, tasks = picture.token, list(picture.tasks.values_list("token", flat=True))
    picture.tasks.filter(state__in=OPEN).update(cancel=True)
    picture.delete()
    store.drop(store.of_picture(token))
    for task in tasks:
        store.drop(store.of_task(task))


def drop_all(task: str, picture: str) -> None:
    """Delete the files of a question that was deleted while a worker was at it, and of its picture if that is gone, too."""
    store.drop(store.of_task(task))
    if not Picture.objects.filter(pk=picture).exists():
        store.drop(store.of_picture(picture))


def sweep(grace: float = _GRACE) -> int:
    """Delete what is over; returns how many pictures that were.

    A picture stays while it is asked about, and while a result of it is shared.
    """
    now = timezone.now()
    tasks = Task.objects.filter(picture=OuterRef("pk"))
    wanted = tasks.filter(state__in=OPEN, created__gt=now - _PATIENCE)
    over = Picture.objects.filter(~Exists(wanted), ~Exists(tasks.filter(shared_until__gt=now)), expires__lte=now)
    count = 0
    for picture in over:
        delete(picture)
        count += 1
    _orphans("pictures", set(Picture.objects.values_list("token", flat=True)), grace)
    _orphans("tasks", set(Task.objects.values_list("token", flat=True)), grace)
    return count


def keep(picture: Picture, seconds: float) -> None:
    """Keep a picture for so long from now, unless it is kept longer."""
    until = timezone.now() + timedelta(seconds=seconds)
    Picture.objects.filter(pk=picture.pk, expires__lt=until).update(expires=until)


def _orphans(kind: str, known: set[str], grace: float) -> None:
    for folder in store.all_of(kind):
        if folder.name not in known and _age(folder) > grace:
            store.drop(folder)


def _age(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
