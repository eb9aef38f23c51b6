"""What a job tells while it runs, and how it is stopped from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from whylight.errors import WhylightError, is_of_question, of_picture
from whylight.jobs.lines import Record
from whylight.progress import Bars
from whylight.shown import shown


@dataclass(frozen=True)
class Planned:
    """So many pictures belong to the job, those that are done included; the first event.

    Attributes:
        pictures: how many.
        names: their paths in order, as `Failed` has them; none where there may be millions.
    """

    pictures: int
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Skipped:
    """What lies among the pictures and is none: told once, where there is any.

    Attributes:
        where: the folders and globs that it was found in.
        what: how many files of which kinds, in words.
    """

    where: str
    what: str


@dataclass(frozen=True)
class Loaded:
    """The model is there.

    Attributes:
        model: its name.
        preparation: how pictures become its input, in words; "" where its own file says so, and nobody else.
    """

    model: str
    preparation: str = ""


@dataclass(frozen=True)
class Known:
    """An answer that an earlier run wrote down, and that still holds."""

    record: Record


@dataclass(frozen=True)
class Noted:
    """A new answer: its files and its line are on disk."""

    record: Record


@dataclass(frozen=True)
class Failed:
    """A picture that could not be opened, asked about, drawn or written; its line is in the error file, the rest goes on."""

    picture: str
    error: WhylightError


@dataclass(frozen=True)
class Step:
    """How far a method that takes long is with the present picture: so many of its forwards are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Progress:
    """How far the job is.

    Attributes:
        done: pictures dealt with in this run, those that failed included.
        total: pictures that were left to do when it began.
        failed: of those done.
        seconds: since the first was begun.
        costs: seconds of work in each stage (`decode`, `model`, `draw`, `encode`, `write`), of all threads together.
        limit: the stage that keeps the run from being faster; "" where that is not known yet.
    """

    done: int = 0
    total: int = 0
    failed: int = 0
    seconds: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    limit: str = ""

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Event = Planned | Skipped | Loaded | Known | Noted | Failed | Step | Progress
OnEvent = Callable[[Event], None]


class Cancelled(BaseException):
    """Ends a job between two steps. No `Exception`, as Ctrl-C is none: nothing that deals with errors may deal with it."""


class Cancel:
    """A switch that stops a job from another thread: at the next picture, and inside of slow methods at the next chunk.

    >>> cancel = Cancel()
    >>> cancel.set(); cancel.is_set
    True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_set(self) -> bool:
        """Whether it was thrown."""
        return self._event.is_set()

    def set(self) -> None:
        """Stop the job; what is done is kept, and the same job goes on from there."""
        self._event.set()

    def check(self) -> None:
        """Raise `Cancelled` if it was thrown."""
        if self._event.is_set():
            raise Cancelled


class Watch(Bars):
    """Keeps count of a job's pictures, tells what happens, and heeds the switch that stops it.

    Args:
        on_event: is told everything.
        cancel: the switch.
        on_error: is told of each picture that failed, once.
    """

    def __init__(
        self,
        on_event: OnEvent | None = None,
        cancel: Cancel | None = None,
        on_error: Callable[[Any, WhylightError], None] | None = None,
    ) -> None:
        self._tell = on_event or (lambda event: None)
        self.cancel = cancel or Cancel()
        self._on_error = on_error
        self._failed: set[str] = set()
        self._now = Progress()
        self._start = time.perf_counter()
        self.costs: Callable[[], tuple[Mapping[str, float], str]] = lambda: ({}, "")

    @property
    def progress(self) -> Progress:
        """How far the job is."""
        return self._now

    def plan(self, names: Sequence[str], count: int | None = None) -> None:
        """These pictures belong to the job; or so many, where they are too many to be named."""
        self._tell(Planned(len(names) if count is None else count, names))

    def skipped(self, where: str, what: str) -> None:
        """These files were found among the pictures and are none."""
        self._tell(Skipped(where, what))

    def loaded(self, model: str, preparation: str = "") -> None:
        """The model is there, and pictures are prepared for it so."""
        self._tell(Loaded(model, preparation))

    def begin(self, total: int) -> None:
        """So many pictures are left to do, and the first is begun."""
        self._start = time.perf_counter()
        self._now = Progress(total=total)
        self._tell(self._now)

    def picture(self) -> None:
        """One picture is done."""
        self._count()
        self.cancel.check()

    def _count(self) -> None:
        costs, limit = self.costs()
        seconds = time.perf_counter() - self._start
        self._now = Progress(self._now.done + 1, self._now.total, len(self._failed), seconds, costs, limit)
        self._tell(self._now)

    def step(self, done: int, total: int) -> None:
        """So many forwards of the present method on the present picture are done."""
        self._tell(Step(done, total))
        self.cancel.check()

    def known(self, record: Record) -> None:
        """An earlier run's answer holds."""
        self._tell(Known(record))

    def noted(self, record: Record) -> None:
        """A new answer is on disk."""
        self._tell(Noted(record))

    def failed(self, picture: object, error: Exception) -> None:
        """A picture failed, whatever it was, and is done with; said once, however many questions were asked about it.

        Raises:
            Exception: the error, where nobody wants to be told.
        """
        if self._on_error is None:
            raise error
        name, told = str(picture), of_picture(shown(picture), error)
        if name not in self._failed:
            self._failed.add(name)
            self._on_error(picture, told)
            self._tell(Failed(name, told))
            self._count()

    @contextmanager
    def guarding(self, picture: object) -> Iterator[None]:
        """What goes wrong in the block is the picture's failure, and the rest goes on; unless it is the question that is wrong."""
        try:
            yield
        except Exception as error:
            if is_of_question(error):
                raise
            self.failed(picture, error)
