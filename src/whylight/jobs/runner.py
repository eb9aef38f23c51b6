"""The one loop: open ahead → ask the model → draw and write behind → note down. What is known already is not asked again."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any, Generic, Protocol, TypeVar

from whylight.errors import WhylightError, WriteError
from whylight.jobs.events import Watch
from whylight.pipeline.workers import Workers

Item = TypeVar("Item")
Question = tuple[str | None, ...]

_BEHIND = 16  # answers drawn and written ahead of the store; more would only hold more pictures in memory
# What the system says of one file's name or place; anything else (a full disk, a folder that is gone) is true of all files.
_OF_ONE_FILE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP)


@dataclass(frozen=True)
class Answer(Generic[Item]):
    """What a model said about one picture: its answers to some of the questions, or one part of them.

    Attributes:
        item: the picture.
        parts: what `Work.write` and `Work.note` get, one after another; each is let go when it is written.
        pixels: how many are held while the parts are written.
        last: whether no more of this picture comes.
    """

    item: Item
    parts: list[Any]
    pixels: int = 0
    last: bool = True


class Work(Protocol[Item]):
    """What one kind of job knows; the runner knows the rest."""

    @property
    def questions(self) -> Sequence[Question]:
        """What is asked about each picture, in the order in which answers are wanted."""

    def knows(self, item: Item, question: Question) -> bool:
        """Whether the answer is there from an earlier run."""

    def prepare(self) -> None:
        """Load what asking takes; called only where something is left to ask."""

    @property
    def patient(self) -> bool:
        """Whether a picture takes so long that its answers should be on disk before the next is begun. Read once prepared."""

    def source(self, item: Item) -> Any:
        """The picture's path, for the error file."""

    def ask(self, items: Sequence[Item], questions: Sequence[Question], workers: Workers) -> Generator[Answer[Item]]:
        """Ask about pictures, all of which have the same questions open; those that fail go to the watch."""

    def write(self, part: Any) -> Any:
        """Draw, encode and write one part of an answer, in a thread; whatever it raises is told as this picture's."""

    def note(self, part: Any) -> None:
        """Put a part that was written down in the store, in the main thread."""


def carry_out(work: Work[Item], items: Sequence[Item], watch: Watch, workers: int | None = None) -> None:
    """Ask what is not known yet, write it and note it down.

    A kill loses what was in flight; Ctrl-C, a cancel and any error first bring to disk what the model has finished.

    Args:
        work: what is asked, and how.
        items: the pictures.
        watch: is told what happens.
        workers: threads that decode, draw and write; default: as many as the process has cores.

    Raises:
        WriteError: if nothing more can be written.
        WhylightError: whatever ends the job; one picture's failure does not.
        Cancelled: if the watch's switch was thrown.
    """
    watch.plan([str(work.source(item)) for item in items])
    groups = _open_questions(work, items)
    if not groups:
        return
    work.prepare()
    with Workers(workers) as threads:
        watch.costs = lambda: (threads.costs, threads.limit)
        watch.begin(sum(map(len, groups.values())))
        behind = _Behind(work, watch, threads)
        try:
            for questions, some in groups.items():
                with closing(work.ask(some, questions, threads)) as answers:
                    for answer in answers:
                        behind.add(answer)
                        del answer  # nothing of it is held while the next is made
                        if work.patient:
                            behind.drain()
            behind.drain()
        finally:
            behind.give_up()


def _open_questions(work: Work[Item], items: Sequence[Item]) -> dict[tuple[Question, ...], list[Item]]:
    """The pictures behind each set of questions that are still open."""
    groups: dict[tuple[Question, ...], list[Item]] = {}
    for item in items:
        left = tuple(question for question in work.questions if not work.knows(item, question))
        if left:
            groups.setdefault(left, []).append(item)
    return groups


class _Behind(Generic[Item]):
    """A queue of answers on their way to disk, noted down in order once they are there."""

    def __init__(self, work: Work[Item], watch: Watch, workers: Workers) -> None:
        self._work, self._watch, self._workers = work, watch, workers
        self._waiting: deque[tuple[Answer[Item], Future[list[Any]]]] = deque()

    def add(self, answer: Answer[Item]) -> None:
        """Take an answer, and note down what is on disk by now; wait if too much is not."""
        self._workers.take(answer.pixels)
        self._waiting.append((answer, self._workers.submit(self._write, answer)))
        while self._waiting and (self._waiting[0][1].done() or len(self._waiting) > _BEHIND):
            self._next()

    def drain(self) -> None:
        """Wait for what is left."""
        while self._waiting:
            self._next()

    def give_up(self) -> None:
        """After an error, bring to disk what the model has finished, as far as that goes."""
        while self._waiting:
            with suppress(WriteError):  # the disk is full: what ended the run has been said
                self._next(quiet=True)

    def _write(self, answer: Answer[Item]) -> list[Any]:
        done = []
        try:
            while answer.parts:  # each is let go when it is written: the next picture waits for its memory
                done.append(self._work.write(answer.parts.pop(0)))
        except Exception as error:
            # What is told of it is its words; what its frames hold, such as the picture, must not wait for that.
            each: BaseException | None = error
            while each is not None:
                clear_frames(each.__traceback__)
                each = each.__cause__ or each.__context__
            raise
        finally:
            answer.parts.clear()
            self._workers.give(answer.pixels)
        return done

    def _next(self, quiet: bool = False) -> None:
        answer, future = self._waiting.popleft()
        try:
            with self._workers.waiting():
                parts = future.result()
        except (
            Exception
        ) as error:  # whatever it is, it is this picture's, and is named as such; unless it is true of all
            if _of_all(error):
                raise
            if not quiet:
                source = self._work.source(answer.item)
                self._watch.failed(source, error)
        else:
            for part in parts:
                self._work.note(part)
            if answer.last and not quiet:
                self._watch.picture()


def _of_all(error: Exception) -> bool:
    """Whether an error of the system will meet every other file too."""
    cause = error.__cause__ if isinstance(error, WriteError) else error
    return isinstance(cause, OSError) and cause.errno not in _OF_ONE_FILE and not isinstance(cause, WhylightError)
