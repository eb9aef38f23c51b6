"""One run of a job: the folder to itself, account of what failed, threads, and a switch that stops it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from whylight.atomic import named_errors
from whylight.errors import WhylightError
from whylight.jobs.events import Cancel, Cancelled, OnEvent, Progress, Watch
from whylight.jobs.folder import ERRORS, alone_in, check_folder, place_in
from whylight.jobs.job import Job
from whylight.jsontext import dumps
from whylight.shown import shown

# Where each kind of job is described. By name, since the kinds lie above this room: they know models, maps and measures, and
# adding one is a line here and a file there.
KINDS = {
    "explain": "whylight.work.explain:Explain",
    "maps": "whylight.work.maps:Maps",
    "locate": "whylight.work.locate:Locate",
    "face": "whylight.work.face:Face",
    "localization": "whylight.work.localization:Localization",
    "calibrate": "whylight.work.calibrate:Calibrate",
    "faithfulness": "whylight.work.faithfulness:Faithfulness",
    "sanity": "whylight.work.sanity:Sanity",
    "attention": "whylight.work.attention:Attention",
}


@dataclass
class Session:
    """What a kind of job gets from the run it is in.

    Attributes:
        folder: the results folder; None where nothing is kept.
        watch: is told what happens, and heeds the switch.
        workers: how many threads decode, draw and write; None: as many as suit the machine.
        batch_size: pictures in one forward; None: what suits method and device.
        overwrite: do again what is done already.
        begin: to be called before the first record is written down: it puts the job beside the results.
    """

    folder: Path | None
    watch: Watch
    workers: int | None = None
    batch_size: int | None = None
    overwrite: bool = False
    begin: Callable[[], object] = field(default=lambda: None)


class Kind(Protocol):
    """One kind of job: checks all that can be checked without a model when it is made, and does the rest when it is run."""

    def __init__(self, job: Job) -> None: ...

    def run(self, session: Session) -> Any:
        """Do what is missing; returns what the kind has to tell at the end, such as figures."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: which.
        progress: the last count, with what each stage cost.
        failed: a dict with `picture`, `error` and `kind` for each picture that failed.
        cancelled: whether it was stopped; what is done is kept, and the same job goes on from there.
        result: what the kind tells at the end: figures of an evaluation, say.
    """

    job: Job
    progress: Progress
    failed: list[dict[str, str]]
    cancelled: bool
    result: Any = None

    @property
    def errors_file(self) -> Path | None:
        """Where the pictures that failed are named."""
        return None if self.job.out is None else Path(self.job.out) / ERRORS


def run(
    job: Job,
    *,
    on_event: OnEvent | None = None,
    cancel: Cancel | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Do a job, or what is left of it.

    Args:
        job: what is to be done.
        on_event: is told everything while it runs; see `whylight.jobs.events`. It is called in this thread.
        cancel: stops the job from another thread: at the next picture, and inside of slow methods at the next chunk.
        workers: threads that decode, draw, encode and write; default: as many as the process has cores.
        batch_size: pictures in one forward; default: what suits method and device.
        overwrite: do again what is done already.

    Raises:
        WhylightError: if the job cannot be done as it is described, or its folder holds what is not its own.
        WriteError: if nothing more can be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     outcome = run(Job("explain", ["examples"], folder, model="face"))
    ...     (outcome.progress.done, outcome.failed, Job.read(folder).kind)
    (1, [], 'explain')
    """
    if job.kind not in KINDS:
        raise WhylightError(f"job: kind {shown(repr(job.kind))}: choose one of {', '.join(KINDS)}")
    module, name = KINDS[job.kind].split(":")
    from whylight.images.limits import allowing  # not before: `--help` has no use for what reads pictures

    with allowing(job.max_megapixels):
        kind: Kind = getattr(importlib.import_module(module), name)(job)
    with _session(job, on_event, cancel) as (session, failures), allowing(job.max_megapixels):
        session.workers, session.batch_size, session.overwrite = workers, batch_size, overwrite
        cancelled, result = False, None
        try:
            result = kind.run(session)
        except Cancelled:
            cancelled = True
        return Outcome(job, session.watch.progress, failures.found, cancelled, result)


@contextmanager
def _session(job: Job, on_event: OnEvent | None, cancel: Cancel | None) -> Iterator[tuple[Session, Failures]]:
    folder = None if job.out is None else Path(job.out)
    with ExitStack() as stack:
        if folder is not None:
            check_folder(folder)
            stack.enter_context(alone_in(folder))
        failures = Failures(folder)
        session = Session(folder, Watch(on_event, cancel, failures.add))
        if folder is not None:
            session.begin = job.write
        yield session, failures


class Failures:
    """`errors.jsonl`: the pictures that failed in this run, a line each."""

    def __init__(self, folder: Path | None) -> None:
        self.found: list[dict[str, str]] = []
        self._path = None if folder is None else place_in(folder, ERRORS)
        if self._path is not None and (self._path.is_file() or self._path.is_symlink()):
            self._path.unlink()  # those of an earlier run are tried again, and named again if they still fail

    def add(self, picture: Any, error: WhylightError) -> None:
        """Name one picture."""
        self.found.append({"picture": str(picture), "error": str(error), "kind": type(error).__name__})
        if self._path is not None:
            with named_errors(self._path), self._path.open("a", encoding="utf-8") as file:
                file.write(dumps(self.found[-1]) + "\n")
