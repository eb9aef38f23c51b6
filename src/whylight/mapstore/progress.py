"""How far a run is, from its plan and its marks alone: whoever works at it, and wherever."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.errors import DataError
from whylight.mapstore import parts
from whylight.mapstore.plan import Plan
from whylight.shown import shown

_LATELY = 20  # parts by which the rate is told
_STILL = 5.0  # times as long as a part takes, after which nobody seems to be at it


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes:
        pictures, done, failed: how many are planned, dealt with, and of those failed.
        parts, parts_done: the same in parts.
        bytes: on the disk.
        rate: pictures a second, of the parts done last; None where nothing was done.
        left: seconds that the rest takes at this rate; None where that is not known.
        last: seconds since a part was done; None where none is.
        is_complete: whether all is there.
    """

    pictures: int
    done: int
    failed: int
    parts: int
    parts_done: int
    bytes: int
    rate: float | None
    left: float | None
    last: float | None
    is_complete: bool

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return dict(vars(self))

    @property
    def sentence(self) -> str:
        """The same in words."""
        share = f" ({self.done / self.pictures:.1%})" if self.pictures else ""
        text = f"{self.done:,} of {self.pictures:,} pictures{share}, {self.failed:,} failed; {self.bytes / 1e6:,.1f} MB"
        if self.is_complete:
            return f"{text}; complete"
        if self.rate is None or self.left is None or self.last is None:
            return f"{text}; nothing is done yet"
        text += f"; {self.rate:.1f} pictures/s, {_clock(self.left)} left at that rate"
        quiet = self.last > max(60.0, _STILL * (self.done / self.parts_done) / self.rate)
        return f"{text}; the last part {_clock(self.last)} ago{': nobody seems to be at it' if quiet else ''}"


def status(folder: Path, now: float | None = None) -> Status:
    """How far the run in a folder is.

    Args:
        folder: the run's.
        now: seconds since 1970.

    Raises:
        DataError: if there is no run.
    """
    plan = Plan.read(folder)
    if plan is None:
        raise DataError(f"{shown(folder)}: holds no run; whylight explain PICTURES --maps FOLDER begins one")
    marks = list(parts.done(folder, plan.run).values())
    done = sum(one.pictures for one in marks)
    rate = left = last = None
    if marks:
        lately = sorted(marks, key=lambda one: one.at)[-_LATELY:]
        taken = sum(one.seconds for one in lately)
        # Several at a time do more than one: then the clock between them tells, unless the run stood still in between.
        passed = lately[-1].at - (lately[0].at - lately[0].seconds)
        rate = sum(one.pictures for one in lately) / max(min(taken, passed), 1e-3)
        left = (plan.rows - done) / rate
        last = max(0.0, (time.time() if now is None else now) - lately[-1].at)
    size = sum(one.size for one in marks)
    failed = sum(one.failed for one in marks)
    return Status(plan.rows, done, failed, plan.parts, len(marks), size, rate, left, last, len(marks) == plan.parts)


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
