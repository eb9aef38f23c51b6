"""Results that their owner shows to others: by an address that nobody guesses, for a while."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import sweeper
from whylight.web.tasks.models import State, Task
from whylight.web.tokens import new_token


def share(task: Task) -> None:
    """Make an address under which anybody sees the result; the picture is kept as long.

    Raises:
        Said: there is no result yet.
    """
    if task.state != State.DONE:
        raise Said(409, f"there is nothing to share: the question is {task.get_state_display()}")
    task.share = task.share or new_token()
    task.shared_until = timezone.now() + timedelta(seconds=settings.WHYLIGHT_SHARE_TTL)
    task.save(update_fields=["share", "shared_until"])
    sweeper.keep(task.picture, settings.WHYLIGHT_SHARE_TTL)


def take_back(task: Task) -> None:
    """The address leads nowhere from now on, and the picture is kept no longer than any other."""
    task.share = task.shared_until = None
    task.save(update_fields=["share", "shared_until"])
    now = timezone.now()
    if not Task.objects.filter(picture=task.picture_id, shared_until__gt=now).exists():
        until = now + timedelta(seconds=settings.WHYLIGHT_TTL)
        Picture.objects.filter(pk=task.picture_id, expires__gt=until).update(expires=until)
    task.picture.refresh_from_db()


def shared(name: str) -> Task:
    """A question whose result is shared, by its address.

    Raises:
        Gone: there is none, or its time is over.
    """
    found = Task.objects.select_related("picture").filter(share=name, shared_until__gt=timezone.now()).first()
    if found is None:
        raise Gone
    return found
