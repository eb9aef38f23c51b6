"""What a worker does besides: says that it lives, sends lost messages again, and sweeps."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from django.db import OperationalError, close_old_connections, connection
from django.db.models import QuerySet
from django.utils import timezone

from whylight.web.tasks import lanes, sweeper
from whylight.web.tasks.answering import ATTEMPTS
from whylight.web.tasks.models import OPEN, State, Task, Worker

BEAT = 2.0  # seconds between two signs of life
SILENT = 30.0  # seconds without one after which a worker is taken for dead
_SWEEP = 10.0
_log = logging.getLogger("whylight.web")


class Keeper(threading.Thread):
    """Runs beside the consumer of one worker."""

    def __init__(self, name: str, lane: str) -> None:
        super().__init__(name="keeper", daemon=True)
        self._me, self._lane = name, lane
        self._over = threading.Event()

    def begin(self, before: str) -> None:
        """Take over from who was there before: what they were at is asked again, and what they were told of and never began."""
        ask_again(Task.objects.filter(state=State.RUNNING, worker=before))
        self.look()
        self._wake()  # while many wait the queue is never empty; who is told twice of a question begins it once
        self.start()

    def run(self) -> None:
        """Beat, look and sweep until the worker ends."""
        try:
            rounds = 0
            while not self._over.wait(BEAT):
                rounds += 1
                try:
                    self.look()
                    if rounds % round(_SWEEP / BEAT) == 0:
                        sweeper.sweep()
                except OperationalError as error:  # a database that is away for a while comes back
                    _log.warning("the database does not answer: %s", error)
                    close_old_connections()
        finally:
            connection.close()

    def look(self) -> None:
        """A sign of life; and messages for questions that wait while the queue is empty."""
        now = timezone.now()
        Worker.objects.update_or_create(name=self._me, defaults={"lane": self._lane, "beat": now})
        ask_again(Task.objects.filter(state=State.RUNNING, lane=self._lane, beat__lt=now - timedelta(seconds=SILENT)))
        Task.objects.filter(state=State.QUEUED, cancel=True).update(state=State.CANCELLED, ended=now)
        Worker.objects.filter(beat__lt=now - timedelta(hours=1)).delete()
        if not lanes.lane(self._lane).pending_count():
            self._wake()

    def _wake(self) -> None:
        for task in Task.objects.filter(state=State.QUEUED, lane=self._lane).order_by("created")[:100]:
            lanes.wake(task)

    def stop(self) -> None:
        """End."""
        self._over.set()
        Worker.objects.filter(name=self._me).delete()


def is_served(lane: str) -> bool:
    """Whether a worker of this lane was heard of lately."""
    return Worker.objects.filter(lane=lane, beat__gt=timezone.now() - timedelta(seconds=5 * BEAT)).exists()


def ahead_of(task: Task) -> int:
    """How many questions of the same lane come before."""
    return Task.objects.filter(state__in=OPEN, lane=task.lane, created__lt=task.created).count()


def ask_again(tasks: QuerySet[Task]) -> None:
    """What a dead worker was at is asked again, or given up if it died of it too often."""
    gave_up = f"the worker that answered it stopped {ATTEMPTS} times; try another method, or a smaller picture"
    tasks.filter(attempts__gte=ATTEMPTS).update(state=State.FAILED, reason=gave_up, ended=timezone.now())
    tasks.filter(attempts__lt=ATTEMPTS).update(state=State.QUEUED, worker="")
