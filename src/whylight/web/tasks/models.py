"""Questions about pictures, and the workers that answer them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from whylight.web.pictures.models import Picture
from whylight.web.tokens import new_token


class State(models.TextChoices):
    """What has become of a question."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "being answered"
    DONE = "done", "answered"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


OPEN = (State.QUEUED, State.RUNNING)


class Lane(models.TextChoices):
    """Which workers answer: what takes a second holds up nobody who wants less, what takes minutes nobody at all."""

    QUICK = "quick"  # one or two forwards
    MEDIUM = "medium"  # some hundred: whether a map can be trusted, one search after another
    SLOW = "slow"  # thousands


class Task(models.Model):
    """One question about one picture: a job of `whylight.jobs`. Its results folder lies in the store under its token.

    Attributes:
        kind, question: what is asked, as `kinds.job_of` reads it.
        digest: of both: the same question about the same picture is asked once.
        state, reason: what has become of it, and why if that is nothing good.
        done, total: how far a slow method is: forwards.
        attempts: how often a worker has begun it.
        worker, beat: who answers, and when they last said that they are at it.
        cancel: its owner wants it no longer.
        share, shared_until: by which name strangers may see the result, and how long.
    """

    token = models.CharField(primary_key=True, max_length=22, default=new_token, editable=False)
    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=12)
    question = models.JSONField()
    digest = models.CharField(max_length=64)
    lane = models.CharField(max_length=8, choices=Lane.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    reason = models.TextField(default="")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=60, default="")
    cancel = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now)
    begun = models.DateTimeField(null=True)
    beat = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    share = models.CharField(max_length=22, null=True, unique=True)
    shared_until = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("picture", "digest"), name="asked_once"),)
        indexes = (models.Index(fields=("state", "lane", "created"), name="next_in_lane"),)

    @property
    def is_open(self) -> bool:
        """Whether an answer is still to come."""
        return self.state in OPEN


class Worker(models.Model):
    """A worker process, and when it was last heard of."""

    name = models.CharField(primary_key=True, max_length=60)
    lane = models.CharField(max_length=8, choices=Lane.choices)
    beat = models.DateTimeField(default=timezone.now)
