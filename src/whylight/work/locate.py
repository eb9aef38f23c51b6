"""Find objects: boxes for each picture, drawn, written and noted in `boxes.jsonl`; and in the forms that other tools read."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired

from typing_extensions import TypedDict

from whylight.errors import WhylightError
from whylight.jobs.folder import place_in
from whylight.jobs.job import Job
from whylight.jobs.pictures import Picture
from whylight.jobs.results import Written
from whylight.schema import Schema, Text
from whylight.work.asked import method_name, read_part
from whylight.work.exports import FORMS, NUMBERED, export
from whylight.work.results import WritesResults

if TYPE_CHECKING:
    from whylight.jobs.lines import Record
    from whylight.jobs.runner import Answer, Question
    from whylight.localize.location import Location
    from whylight.pipeline.workers import Workers
    from whylight.work.gallery.located import Located

BOXES = ".boxes.png"  # of a picture with its boxes, behind its own name
_WRITTEN = ("forms", "strips", "html")  # settings of what is written beside the boxes


@dataclass(frozen=True)
class Questions:
    """What is looked for: `target`, a class by name or index; default: each picture's most probable one."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    target: Text | None = None


@dataclass(frozen=True)
class Settings:
    """How it is looked for: the arguments of `whylight.locate`; and what is written.

    Attributes:
        strips: also each picture's looks side by side, and one after another.
        html: also `index.html`, a page with all results of the folder.
        forms: also `coco`, `yolo` or `csv`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    sequential: bool = False
    max_objects: int = 10
    fast: bool = False
    method: Text | None = None
    threshold: float | None = None
    largest: bool = False
    iou: float = 0.5
    eraser: Literal["blur", "mean", "inpaint"] = "blur"
    min_probability: float | None = None
    strips: bool = False
    html: bool = False
    forms: tuple[Text, ...] = ()

    def check(self) -> None:
        """Complain about what does not go together, in the command line's words.

        Raises:
            WhylightError: naming the option.
        """
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise WhylightError(f"--threshold {self.threshold}: expected a share of the maximum in (0, 1]")
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise WhylightError(f"--min-probability {self.min_probability}: expected a probability from 0 to 1")
        if self.method == "box" and self.sequential:
            raise WhylightError(
                "--sequential: a box head tells neighbours apart in one look; leave it or --method box out"
            )
        for option, given in (("--fast", self.fast), ("--largest", self.largest), ("--iou", self.iou != 0.5)):
            if self.sequential and given:
                raise WhylightError(
                    f"{option}: is for one look at the whole picture; leave {option} or --sequential out"
                )
        if self.method is not None and self.fast:
            raise WhylightError("--fast chooses a method by itself: leave out --method or --fast")
        if unknown := [one for one in self.forms if one not in FORMS]:
            raise WhylightError(f"--also {unknown[0]!r}: choose among {', '.join(FORMS)}")


class _Box(TypedDict):
    x0: int
    y0: int
    x1: int
    y1: int
    score: float
    probability: NotRequired[float | None]  # not in folders of before


class _Look(TypedDict):
    probability_before: float | None
    probability_after: float | None


class LocationRecord(Written):
    """A line of `boxes.jsonl`, as far as anything is read from it again."""

    picture: Text
    picture_size: list[int]
    label: Text
    boxes: list[_Box]
    stopped: Text
    steps: list[_Look]


class Locate(WritesResults):
    """The kind `locate`."""

    name, schema = "boxes.jsonl", Schema(LocationRecord)
    page: Located | None

    def __init__(self, job: Job) -> None:
        self.target = read_part(job, "questions", Questions).target
        self.how = read_part(job, "settings", Settings)
        self.how.check()
        if self.how.method is not None:
            self.how = replace(self.how, method=method_name(self.how.method))
        super().__init__(job)
        how = {name: value for name, value in asdict(self.how).items() if name not in _WRITTEN}
        self.settings = {**self.choice.identity(), "target": self.target, **how, "strips": self.how.strips}
        self.classes: tuple[str, ...] | None = None

    @property
    def questions(self) -> list[Question]:
        """One: where is it?"""
        return [("locate", self.target)]

    def prepare(self) -> None:
        """Load the model."""
        from whylight.targets import parse

        self.model = self.choice.load()
        self.watch.loaded(self.choice.name, self.choice.preparation(self.model))
        self.classes = self.model.classes
        if self.page is not None:
            self.page.remember(self.settings, self.classes)
        self._asked = None if self.target is None else parse(self.target, self.classes)[0]

    def ask(
        self, items: Sequence[Picture], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Picture]]:
        """Look at one picture after another."""
        from whylight.front.locate import locate_each
        from whylight.jobs.runner import Answer

        self._workers = workers
        items_of = {os.fspath(item.path): item for item in items}
        how = self.how
        for location in locate_each(
            self.model,
            [item.source for item in items],
            self._asked,
            sequential=how.sequential,
            max_objects=how.max_objects,
            method=how.method,
            fast=how.fast,
            threshold=how.threshold,
            largest=how.largest,
            iou=how.iou,
            eraser=how.eraser,
            min_probability=how.min_probability,
            precision=self.choice.precision,
            # One by one on a processor, where more at once is no faster: each picture's boxes are there, and a stop heeded, sooner.
            batch_size=self._session.batch_size or (1 if self.model.device.type == "cpu" else None),
            on_error=self.failed,
            on_step=self.watch.step,
            workers=workers,
        ):
            item = items_of[location.source]
            part = location, self._record(location, item)
            yield Answer(item, [part], location.picture.width * location.picture.height)
            del location, part  # nothing of them is held while the next is made

    def write(self, part: tuple[Location, Record]) -> Record:
        """Draw and write the picture with its boxes, and the strips."""
        from whylight.explanation.writing import write

        location, record = part
        with self._workers.at("draw"):
            if self.page is not None:
                self.page.keep_picture(record, location.picture)
            file = place_in(self.out, record["file"])
            file.parent.mkdir(parents=True, exist_ok=True)
            if self.how.strips:
                location.save(file.with_suffix("").with_suffix(".looks.png"), view="strip")
                location.save(file.with_suffix("").with_suffix(".looks.webp"), view="strip")
            write(location.overlay(spoil=True), file, "PNG")  # nobody else holds the picture
        return record

    def shelf(self) -> Located | None:
        """The page, where one is wanted."""
        if not self.how.html:
            return None
        from whylight.work.gallery.located import Located

        return Located(self.out, self.pictures.root, self._session)

    def finish(self) -> list[str]:
        """Write the other forms and the page; returns the pictures' absolute paths in order."""
        if self.classes is None and any(form in NUMBERED for form in self.how.forms):
            self.prepare()
        if self.how.forms:
            export(self.results, self.how.forms, self.pictures.root, self.classes or ())
        if self.page is not None:
            self.page.write_all(self.results, self.settings, lambda: self.choice.load().classes)
        return [picture.key for picture in self.pictures.all]

    def _record(self, location: Location, item: Picture) -> Record:
        facts = location.to_dict()
        return {
            **facts,
            "method": "locate",
            "map_method": facts["method"],
            "model": self.choice.name,
            "asked": self.target,
            "file": f"{Path(self.free_stem(item, BOXES)).as_posix()}{BOXES}",
            "map": None,
            "settings": self.settings,
            "stamp": item.stamp,
        }
