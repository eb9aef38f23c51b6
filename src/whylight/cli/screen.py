"""What people read while and after a job: lines, a progress bar, a summary. Never mixed with JSON on stdout.

Whatever came from outside (names of files and classes, messages that quote them) is spelled out before it reaches the terminal.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import typer

from whylight.atomic import named_errors
from whylight.cli.given.wording import as_options
from whylight.errors import WhylightError, WhylightWarning
from whylight.jobs.events import Event, Known, Loaded, Noted, Planned, Progress, Skipped, Step
from whylight.jobs.job import Job
from whylight.jsontext import dumps
from whylight.progress import Bars, bars
from whylight.shown import shown
from whylight.work.words import percent as percent

if TYPE_CHECKING:
    from whylight.cli.options import RunOptions
    from whylight.jobs.session import Outcome

Record = Mapping[str, Any]
LINES = 20  # pictures of whose results each has a line; of more there is a table
_NAMED = 20  # broken pictures named on the screen; all of them are in errors.jsonl
_STAGES = {
    "model": "the network",
    "decode": "reading pictures",
    "draw": "drawing",
    "encode": "encoding",
    "write": "writing",
}


class Screen:
    """Shows a job: a bar while it runs, its answers as JSON lines, and what is said at the end.

    Args:
        json_to: where JSON goes: a file, stdout (`-`), or nowhere (None).
        what: a word for the bar.
        on_record: called with each answer, and whether it was there before.

    Raises:
        WhylightError: if the file cannot be written.
    """

    def __init__(
        self, json_to: str | None, what: str, on_record: Callable[[Record, bool], None] = lambda record, again: None
    ) -> None:
        self.to_stdout, self._where = json_to == "-", json_to or ""
        self._file: IO[str] | None = None
        if json_to and not self.to_stdout:
            try:
                self._file = Path(json_to).open("w", encoding="utf-8")  # noqa: SIM115 (close() closes it)
            except OSError as error:
                raise WhylightError(f"--json {json_to}: cannot be written: {error.strerror}") from error
        self._what, self.on_record = what, on_record
        self._shown = ExitStack()
        self._bar: Bars | None = None
        self._start = time.perf_counter()
        self.pictures = self.known = self.new = 0
        self._reduced: list[tuple[Record, int]] = []
        self.loading = 0.0
        self.quiet = self.by_default = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._shown.close()
        if self._file:
            with named_errors(self._where):
                self._file.close()

    def __call__(self, event: Event) -> None:
        """Take an event of a job."""
        if isinstance(event, Planned):
            self.pictures = event.pictures
        elif isinstance(event, Loaded):
            if not self.quiet:
                self._tell_model(event)
        elif isinstance(event, Skipped):
            warn(f"skipped in {event.where}: {event.what}")
        elif isinstance(event, Known | Noted):
            again = isinstance(event, Known)
            self.known, self.new = self.known + again, self.new + (not again)
            self.on_record(event.record, again)
            if not again and (times := reduction(event.record)) > 1:
                self._reduced.append((event.record, times))
        elif isinstance(event, Progress):
            if not event.done:
                self.loading = time.perf_counter() - self._start
                self._show(event.total, slow=False)
            elif self._bar is not None:
                self._bar.picture()
        elif isinstance(event, Step):
            if self._bar is None:
                self._show(1, slow=True)
            assert self._bar is not None
            self._bar.step(event.done, event.total)

    def _tell_model(self, event: Loaded) -> None:
        """What of the model decides the answers and was not said on the command line."""
        if self.by_default:
            tell(f"with the bundled model {event.model}; --model names another", err=True)
        if event.preparation:
            tell(f"pictures for {event.model}: {event.preparation}", err=True)

    def put(self, value: Record) -> None:
        """Write one line of JSON."""
        if self.to_stdout:
            typer.echo(dumps(value))
        elif self._file:
            with named_errors(self._where):
                self._file.write(dumps(value) + "\n")

    def say(self, *lines: str) -> None:
        """Print lines for people, who may not want any: on stdout, unless JSON has it."""
        if not self.quiet:
            tell(*lines, err=self.to_stdout)

    def run(self, job: Job, options: RunOptions) -> Outcome:
        """Do a job, and name the pictures that failed."""
        from whylight import tune_allocator
        from whylight.jobs.session import run

        self.quiet = options.quiet
        tune_allocator()  # the process is ours, so glibc may keep the memory of activations for the next batch
        with calm_warnings():
            outcome = run(
                replace(job, max_megapixels=options.max_megapixels),
                on_event=self,
                workers=options.workers,
                batch_size=options.batch_size,
                overwrite=options.overwrite,
            )
        self._shown.close()
        name_failures(outcome)
        if pictures := {record["stamp"]["path"]: (record, times) for record, times in self._reduced}:
            tell_reduced(*next(iter(pictures.values())), len(pictures) - 1)
        return outcome

    def _show(self, total: int, *, slow: bool) -> None:
        if self._bar is None and (total > 1 or slow):
            self._bar = self._shown.enter_context(bars(total, self._what, slow=slow))


def is_default(context: typer.Context, name: str) -> bool:
    """Whether an option has the value that nobody gave it."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT"


def tell(*lines: str, err: bool = False) -> None:
    """Print lines for people, each as one line whatever is in it."""
    for line in lines:
        typer.echo(shown(line), err=err)


def warn(text: str) -> None:
    """Print a line for people on stderr."""
    typer.echo(f"whylight: {shown(text, lines=True)}", err=True)


def name_failures(outcome: Outcome) -> None:
    """Name the pictures that failed."""
    for failure in outcome.failed[:_NAMED]:
        warn(as_options(failure["error"]))
    if len(outcome.failed) > _NAMED:
        warn(f"… and {len(outcome.failed) - _NAMED} more, all in {outcome.errors_file}")


def reduction(record: Record) -> int:
    """How many times smaller than it is a record's picture was read."""
    return int((record.get("results") or [record])[0].get("reduced", 1))


def tell_reduced(record: Record, times: int, more: int) -> None:
    """Say once that very large pictures were read reduced, and what that means."""
    name = (record.get("results") or [record])[0]["picture"]
    others = f", and {more} more likewise" if more else ""
    warn(
        f"{name}: so large that it was read at 1/{times} of its width and height{others}; places are told in pixels of the "
        "original, pictures are written reduced (--max-megapixels N reads more)"
    )


def limited_by(progress: Progress) -> str:
    """The stage that limited a run, in words; "" for a run too short to tell."""
    stage = _STAGES.get(progress.limit)
    return f", limited by {stage}" if stage and progress.done > 1 else ""


def say_page(screen: Screen, out: str) -> None:
    """Tell where the page of all results is."""
    from whylight.pages.page import NAME

    screen.say(f"all results on one page → {Path(out) / NAME}")


def leave(outcome: Outcome) -> None:
    """End with the exit code of a job."""
    if outcome.failed:
        raise typer.Exit(1)


def in_order(keys: Sequence[str], tell: Callable[[Record], None]) -> Callable[[str, Record], None]:
    """Tell records in the order of their keys, each as soon as all before it are told or known to be missing at the end."""
    waiting: dict[str, Record] = {}
    left = iter(keys)
    state = {"next": next(left, None)}

    def put(key: str, record: Record) -> None:
        waiting[key] = record
        while state["next"] is not None and state["next"] in waiting:
            tell(waiting.pop(state["next"]))
            state["next"] = next(left, None)

    return put


@contextmanager
def calm_warnings() -> Iterator[None]:
    """Show our own warnings as one plain line on stderr; other libraries' (odd EXIF data, …) only if -W asks.

    Their log lines (each retry of a download, with its address) are silenced too: our error says what was tried.
    """
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", WhylightWarning)

            def show(message: Warning | str, *rest: Any, **more: Any) -> None:
                warn(str(message))

            warnings.showwarning = show
            logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
