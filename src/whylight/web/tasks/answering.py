"""A worker answers one question: takes it for itself, runs its job, and says how it ended."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import close_old_connections, connection
from django.db.models import F
from django.utils import timezone

from whylight import jobs
from whylight.errors import WhylightError
from whylight.jobs import Job
from whylight.jobs.events import Event, Step
from whylight.models.zoo.choice import ModelChoice
from whylight.models.zoo.keeping import Kept, keeping
from whylight.web.pictures import store
from whylight.web.said import Said
from whylight.web.tasks import sweeper
from whylight.web.tasks.jobs import EXPLAIN, job_of
from whylight.web.tasks.models import State, Task

ATTEMPTS = 3  # times that a question is begun before it is given up
_LOOK = 0.2  # seconds between two looks whether it was cancelled
_TELL = 0.3  # seconds between two words about how far it is

_log = logging.getLogger("whylight.web")
_me = {"name": ""}
_kept = Kept()


def be(name: str) -> None:
    """Say which worker this process is."""
    _me["name"] = name


def warm(models: Sequence[str]) -> None:
    """Load models, and all that a first answer takes seconds to load, before anybody waits for it."""
    explain = {**EXPLAIN, "verify": False}
    with TemporaryDirectory() as folder, keeping(_kept):
        picture = Path(folder, "grey.ppm")
        picture.write_bytes(b"P6 256 256 255 " + bytes([128]) * (3 * 256 * 256))
        for number, name in enumerate(models):
            jobs.run(Job("explain", [str(picture)], f"{folder}/{number}", ModelChoice(name), {}, explain), workers=1)


def answer(token: str) -> None:
    """Answer a question, unless somebody else does, or it was cancelled."""
    close_old_connections()
    taken = Task.objects.filter(pk=token, state=State.QUEUED, cancel=False).update(
        state=State.RUNNING, worker=_me["name"], begun=timezone.now(), beat=timezone.now(), attempts=F("attempts") + 1
    )
    if not taken:
        return
    task = Task.objects.select_related("picture").get(pk=token)
    cancel = jobs.Cancel()
    with _watched(task, cancel) as tell:
        state, reason = _carry_out(task, cancel, tell)
    if state != State.DONE:
        store.drop(store.of_task(token))
    ended = {"state": state, "reason": reason, "ended": timezone.now()}
    if not Task.objects.filter(pk=token, state=State.RUNNING, worker=_me["name"]).update(**ended):
        store.drop(store.of_task(token))  # it was deleted meanwhile, or given to somebody else
    if not Task.objects.filter(pk=token).exists():
        sweeper.drop_all(token, task.picture_id)


def _carry_out(task: Task, cancel: jobs.Cancel, tell: Any) -> tuple[State, str]:
    store.made(store.of_task(task.token))
    try:
        with keeping(_kept):
            outcome = jobs.run(job_of(task), on_event=tell, cancel=cancel, workers=1)
    except (WhylightError, Said) as error:
        return State.FAILED, _without_paths(str(error), task)
    except Exception as error:  # noqa: BLE001  # a fault of ours: told to the visitor as such, and logged with its trace
        _log.exception("a %s job met a fault", task.kind)
        return (
            State.FAILED,
            f"something went wrong here ({type(error).__name__}); it was noted down, try another method",
        )
    if outcome.cancelled:
        return State.CANCELLED, ""
    if outcome.failed:
        return State.FAILED, _without_paths(outcome.failed[0]["error"], task)
    return State.DONE, ""


def _without_paths(sentence: str, task: Task) -> str:
    """What went wrong, without where the site keeps its files."""
    for folder in (store.of_picture(task.picture_id), store.of_task(task.token)):
        sentence = sentence.replace(f"{folder}/{store.PICTURE}", "the picture").replace(str(folder), "the results")
    return sentence


@contextmanager
def _watched(task: Task, cancel: jobs.Cancel) -> Iterator[Any]:
    """Meanwhile says that somebody is at it and how far, and looks whether it is still wanted."""
    over, far = threading.Event(), {"done": 0, "total": 0}

    def tell(event: Event) -> None:
        if isinstance(event, Step):
            far.update(done=event.done, total=event.total)

    def watch() -> None:
        told: dict[str, int] = dict(far)
        last = time.monotonic()
        try:
            while not over.wait(_LOOK):
                wanted = Task.objects.filter(pk=task.pk, cancel=False, worker=_me["name"]).exists()
                if not wanted:
                    cancel.set()
                if far != told or time.monotonic() - last > 2:
                    told, last = dict(far), time.monotonic()
                    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(beat=timezone.now(), **told)
        finally:
            connection.close()

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield tell
    finally:
        over.set()
        watcher.join()
