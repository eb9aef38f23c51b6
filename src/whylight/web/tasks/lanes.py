"""The queue: a message that says which question waits. The database is the truth; a message that is lost is sent again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from huey import RedisHuey, SqliteHuey

from whylight.web.tasks.models import Task

# Said by hand: huey's own defaults are Redis, and in debug mode to run everything at once in the caller.
_COMMON: dict[str, Any] = {"immediate": False, "results": False, "utc": True}


@cache
def lane(name: str) -> Any:
    """The queue of a lane."""
    if settings.REDIS_URL:
        return RedisHuey(f"whylight-{name}", url=settings.REDIS_URL, **_COMMON)
    return SqliteHuey(
        f"whylight-{name}", filename=str(Path(settings.SITE, "queue.db")), fsync=False, timeout=20, **_COMMON
    )


@cache
def _task(name: str) -> Callable[[str], Any]:
    def run(token: str) -> None:
        from whylight.web.tasks.answering import answer

        answer(token)

    found: Callable[[str], Any] = lane(name).task(name="answer")(run)
    return found


def register(name: str) -> Any:
    """The queue of a lane, ready for a consumer."""
    _task(name)
    return lane(name)


def wake(task: Task) -> None:
    """Tell a worker that a question waits."""
    _task(task.lane)(task.token)
