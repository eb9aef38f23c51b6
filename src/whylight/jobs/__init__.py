"""Jobs: inputs × questions × settings, and what has become of each.

    job = whylight.jobs.Job("explain", ["photos"], "looked", model="face", questions={"methods": ["layercam"]})
    outcome = whylight.jobs.run(job, on_event=print)

Everything that works through many pictures is a job: the command line's verbs, and what a web worker or a cluster does. A job
that was stopped, or killed, goes on from what is written down. Names load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight.jobs.events import Cancel, Event, Failed, Known, Loaded, Noted, Planned, Progress, Skipped, Step
    from whylight.jobs.job import Job
    from whylight.jobs.session import Outcome, run
    from whylight.jobs.store import Store

__all__ = [
    "Cancel",
    "Event",
    "Failed",
    "Job",
    "Known",
    "Loaded",
    "Noted",
    "Outcome",
    "Planned",
    "Progress",
    "Skipped",
    "Step",
    "Store",
    "run",
]

_HOMES = {
    **dict.fromkeys(
        ("Cancel", "Event", "Failed", "Known", "Loaded", "Noted", "Planned", "Progress", "Skipped", "Step"), "events"
    ),
    **dict.fromkeys(("Outcome", "run"), "session"),
    "Job": "job",
    "Store": "store",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
