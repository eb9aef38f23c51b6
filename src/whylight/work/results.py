"""What the kinds of job have in common that write files for each picture, and a line for each in the folder's record of results."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from whylight.errors import WhylightError
from whylight.images import name_of
from whylight.jobs.job import Job
from whylight.jobs.pictures import Picture, find
from whylight.jobs.results import Results
from whylight.jobs.session import Session
from whylight.schema import Schema

if TYPE_CHECKING:
    from whylight.jobs.lines import Record
    from whylight.jobs.runner import Answer, Question
    from whylight.pipeline.workers import Workers
    from whylight.work.gallery.shelf import Shelf


class WritesResults:
    """A kind of job with a record of results in its folder: plans, recalls and notes down; its heirs ask and write.

    Attributes:
        name: the file of records in the results folder.
        schema: what a record must hold.
        needs_folder: whether there must be a results folder.
        folder: that folder; None: nothing is kept, and there is no `out` and there are no `results`.
        pictures: those of the job.
        settings: all that results depend on besides picture and question; another value means doing them again.
        page: of all results, while the job runs, where one is wanted.
        patient: whether one picture takes so long that it should be on disk before the next is begun.
    """

    name: ClassVar[str]
    schema: ClassVar[Schema]
    needs_folder: ClassVar[bool] = True

    def __init__(self, job: Job) -> None:
        if job.out is None and self.needs_folder:
            raise WhylightError(f"job {job.kind}: where do the results go? Give out=…")
        self.job, self.choice = job, job.choice
        self.folder = None if job.out is None else Path(job.out)
        self.pictures = find(job.inputs, self.folder, self.open_results)
        self.settings: dict[str, Any] = {}
        self.patient = False
        self.page: Shelf | None = None
        self._results: Results | None = None

    @property
    def out(self) -> Path:
        """The results folder, where there is one."""
        assert self.folder is not None
        return self.folder

    @property
    def results(self) -> Results:
        """What it holds, where there is one."""
        assert self._results is not None
        return self._results

    @classmethod
    def open_results(cls, out: Path) -> Results:
        """What a folder holds of this kind's results."""
        return Results(out, cls.name, cls.schema, cls.files, cls.part)

    @staticmethod
    def files(record: Record) -> list[str]:
        """Files of a record besides its `file` and `map`, relative to the folder; without them it is made again."""
        return []

    @staticmethod
    def part(record: Record) -> tuple[str, ...]:
        """What tells a record from others that share its file; () where none does."""
        return ()

    def run(self, session: Session) -> Any:
        """Do what is missing."""
        from whylight.jobs.runner import carry_out

        self._session, self.watch = session, session.watch
        self.page = self.shelf()
        self.pictures.tell(self.watch)
        with ExitStack() as stack:
            if self.folder is not None:
                self._results = stack.enter_context(self.open_results(self.folder))
                self._results.before_first = session.begin
            carry_out(self, self.pictures.all, self.watch, session.workers)
            return self.finish()

    def shelf(self) -> Shelf | None:
        """What collects a page of all results, where one is wanted.

        Raises:
            WhylightError: if somebody else's page is in the way.
        """
        return None

    def finish(self) -> Any:
        """What is left to do when every picture is dealt with, and what the kind tells."""

    @property
    def questions(self) -> Sequence[Question]:
        """What is asked about each picture: a method, and a target as it was typed."""
        raise NotImplementedError

    def knows(self, item: Picture, question: Question) -> bool:
        """Whether the folder holds the answer, made with the same settings of the same file."""
        record = self.recalled(item, question)
        if record is not None:
            self.watch.known(self.as_named(item, record))
        return record is not None

    def as_named(self, item: Picture, record: Record) -> Record:
        """A result that is known already, its files called as this job calls them."""
        return record

    def recalled(self, item: Picture, question: Question) -> Record | None:
        """The record that answers, where there is one that still holds."""
        method, target = question
        if item.stamp is None or self._session.overwrite or self.folder is None:
            return None
        return self.results.done(item.stamp, str(method), target, self.settings)

    def free_stem(self, item: Picture, ending: str) -> str:
        """A picture's place under the output folder; with `-2`, `-3`, … where another picture, of an earlier run, has it.

        Args:
            item: the picture.
            ending: of the file that its record names.
        """
        if self.folder is None:
            return item.stem
        free, taken = item.stem, 1
        while (owner := self.results.owner(f"{Path(free).as_posix()}{ending}")) and owner["stamp"]["path"] != item.key:
            if not os.path.exists(owner["stamp"]["path"]):
                break
            taken += 1
            free = f"{item.stem}-{taken}"
        return free

    def prepare(self) -> None:
        """Load the model."""
        raise NotImplementedError

    def failed(self, source: Any, error: WhylightError) -> None:
        """A picture cannot be opened or asked about; one that was piped in is told by its name."""
        self.watch.failed(name_of(source), error)

    def source(self, item: Picture) -> Path:
        """The picture as it was named."""
        return item.path

    def ask(
        self, items: Sequence[Picture], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Picture]]:
        """Ask about pictures."""
        raise NotImplementedError

    def write(self, part: Any) -> Any:
        """Write the files of one answer; returns its record."""
        raise NotImplementedError

    def note(self, part: Any) -> None:
        """One line more."""
        if self.folder is not None:
            self.results.add(part)
        self.watch.noted(part)
