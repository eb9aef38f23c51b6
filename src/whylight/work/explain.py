"""Explain pictures: a map for each picture, method and target, drawn, written and noted in `explanations.jsonl`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from whylight.errors import ImageError, TargetError, WhylightError
from whylight.jobs.folder import place_in, put
from whylight.jobs.job import Job
from whylight.jobs.names import file_name
from whylight.jobs.pictures import Picture
from whylight.jobs.results import Written
from whylight.schema import Schema, Text
from whylight.shown import shown
from whylight.work.asked import methods_of, read_part
from whylight.work.results import WritesResults
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.explanation import Explanation
    from whylight.front.verify import Networks
    from whylight.jobs.lines import Record
    from whylight.jobs.runner import Answer, Question
    from whylight.methods import Method
    from whylight.models.base import Classifier
    from whylight.pipeline.workers import Workers
    from whylight.work.gallery.explained import Explained

NAME = "explanations.jsonl"
_LONGEST_JPEG = 65_500  # pixels a side that libjpeg writes
_DRAWN = {"style", "colormap", "alpha", "format", "verify"}  # settings that change how a map is shown, not which


@dataclass(frozen=True)
class Questions:
    """What is asked about each picture: every method for every target.

    Attributes:
        methods: names; default: the model's own.
        options: of each method, by its name.
        targets: class names or indices, ranks, `A >> B`; default: each picture's top class.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    methods: tuple[Text, ...] = ()
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    targets: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Settings(Wrapping):
    """How maps are made and drawn: what is put around each method, and the look of the files.

    Attributes:
        style: `overlay`, `panel` or `map`.
        colormap: any matplotlib name.
        alpha: how much the strongest evidence covers, 0 … 1.
        format: `png` or `jpg`.
        save_map: also write the raw map as `.npz`.
        verify: write a receipt for each explanation.
        html: also write `index.html`, a page with all results of the folder.
    """

    style: Literal["overlay", "panel", "map"] = "overlay"
    colormap: Text = "plasma"
    alpha: float = 0.5
    format: Literal["png", "jpg"] = "png"
    save_map: bool = False
    verify: bool = False
    html: bool = False


class ExplanationRecord(Written):
    """A line of `explanations.jsonl`, as far as anything is read from it again."""

    picture: Text
    label: Text
    score: float | None
    probability: float | None
    blank: bool
    peak_x: float | None
    peak_y: float | None
    width: int
    height: int


class Explain(WritesResults):
    """The kind `explain`."""

    name, schema = NAME, Schema(ExplanationRecord)
    page: Explained | None

    def __init__(self, job: Job) -> None:
        from whylight.render import colormap
        from whylight.targets import parse

        asked = read_part(job, "questions", Questions)
        self.look = read_part(job, "settings", Settings)
        colormap.table(self.look.colormap)  # complain now, not after the first batch
        if not 0 <= self.look.alpha <= 1:
            raise WhylightError(f"alpha: expected a share from 0 to 1, got {self.look.alpha}")
        self.chosen = methods_of(asked.methods or (job.choice.default_method,), asked.options)
        texts = list(dict.fromkeys(str(one) for text in asked.targets for one in parse(text)))
        self.targets: list[str | None] = [*texts] or [None]
        super().__init__(job)
        self.settings = {
            **job.choice.identity(),
            "style": self.look.style,
            "colormap": self.look.colormap,
            "alpha": self.look.alpha,
            "format": self.look.format,
            "options": {name: given for name, given in self.chosen.items() if given},
            **self.look.wrapped(),
            **({"verify": True} if self.look.verify else {}),  # only where asked for, so that earlier results stay good
        }
        self._given: set[str] = set()
        self._stems = {os.path.abspath(self.out / one.stem) for one in self.pictures.all}

    @property
    def questions(self) -> list[Question]:
        """Method by method, target by target."""
        return [(method, target) for method in self.chosen for target in self.targets]

    def prepare(self) -> None:
        """Load the model, and complain about what it cannot be asked."""
        from whylight import methods

        self._methods: dict[str, Method] = {
            name: self.look.wrap(methods.get(name, **given)) for name, given in self.chosen.items()
        }
        self.model = self.choice.load()
        check_targets(self.targets, self.model)
        self.patient = any(method.is_slow for method in self._methods.values())
        self._networks = self._random_networks()
        if self.page is not None:
            self.page.remember(self.settings, self.model.classes)

    def shelf(self) -> Explained | None:
        """The page, where one is wanted."""
        if not self.look.html:
            return None
        from whylight.work.gallery.explained import Explained

        return Explained(self.out, self.pictures.root, self._session, self.settings, _DRAWN)

    def finish(self) -> Path | None:
        """Write the page of all results."""
        if self.page is None:
            return None
        return self.page.write_all(self.results, lambda: self.choice.load().classes)

    def _random_networks(self) -> Networks | None:
        """Where explanations are verified, the networks with random weights that all of them share."""
        if not self.look.verify:
            return None
        from whylight.front.verify import Networks

        return Networks(self.model)

    def ask(
        self, items: Sequence[Picture], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Picture]]:
        """Explain; names of files are dealt out here, one after another."""
        from whylight.front.verify import verify
        from whylight.jobs.runner import Answer
        from whylight.pipeline.explain import explain_placed

        self._workers = workers
        names = list(dict.fromkeys(str(method) for method, _ in questions))
        targets = list(dict.fromkeys(target for _, target in questions))
        asked = [(name, target) for name in names for target in targets]
        for place, explanations in explain_placed(
            self.model,
            [item.path for item in items],
            methods=[self._methods[name] for name in names],
            targets=[target_of(target, self.model) for target in targets],
            batch_size=self._session.batch_size,
            precision=self.choice.precision,
            on_error=self.watch.failed,
            on_step=self.watch.step,
            verifier=verify,
            workers=workers,
        ):
            item, parts, size = items[place], [], explanations[0].picture.size
            with self.watch.guarding(item.path):
                self._check_size(item, size)
                # The engine answers every method for every target; some may be done already.
                open_ones = (pair for pair in zip(asked, explanations, strict=True) if pair[0] in questions)
                parts = [(ex, self._record(item, ex, *question)) for question, ex in open_ones]
            if parts:
                yield Answer(item, parts, size[0] * size[1])
            del explanations, parts  # nothing of them is held while the next is made

    def write(self, part: tuple[Explanation, Record]) -> Record:
        """Draw, encode and write one explanation."""
        from whylight.explanation import drawn
        from whylight.render import encode

        explanation, record = part
        with self._workers.at("draw"):
            if self.page is not None:
                self.page.keep(explanation, record)
            pixels = drawn(explanation, self.look.style, alpha=self.look.alpha, colormap=self.look.colormap)
        if record["map"]:
            with self._workers.at("write"):
                path = place_in(self.out, record["map"])
                path.parent.mkdir(parents=True, exist_ok=True)
                explanation.to_npz(path)
        del part, explanation  # a large picture is not held beside its bytes
        with self._workers.at("encode"):
            data = encode(pixels, self.look.format, spoil=True)  # nobody else holds them
        with self._workers.at("write"):
            put(self.out, record["file"], data)
        return record

    def _check_size(self, item: Picture, size: tuple[int, int]) -> None:
        """Complain about what a JPEG file cannot hold; panels are never large."""
        if self.look.format == "jpg" and self.look.style != "panel" and max(size) > _LONGEST_JPEG:
            wide = f"{size[0]}×{size[1]} pixels are too many for a JPEG file; use --format png"
            raise ImageError(f"{shown(item.path)}: {wide}")

    def _record(self, item: Picture, explanation: Explanation, method: str, asked: str | None) -> Record:
        """The line for one explanation, with a file name that no other result has nor was given in this run."""
        peak = explanation.peak
        record: Record = {
            "picture": explanation.source,
            "method": method,
            "target": explanation.target,
            "label": explanation.label,
            "score": explanation.score,
            "probability": explanation.probability,
            "blank": explanation.is_blank,
            "flat": explanation.flat,
            "peak_x": round(peak[0], 2) if peak else None,
            "peak_y": round(peak[1], 2) if peak else None,
            "width": explanation.picture.width,
            "height": explanation.picture.height,
            "units": explanation.units,
            "details": explanation.details,
            "model": self.choice.name,
            "asked": asked,
            "file": "",
            "map": None,
            "settings": self.settings,
            "stamp": item.stamp,
        }
        name = self._free_name(item, method, record)
        record["file"] = Path(name).as_posix()
        record["map"] = Path(name).with_suffix(".npz").as_posix() if self.look.save_map else None
        if self._networks is not None:
            record["verified"] = explanation.verify(networks=self._networks).to_dict()
        return record

    def _free_name(self, item: Picture, method: str, record: Record) -> str:
        for taken in itertools.count():
            name = file_name(item.stem, method, record["label"], self.look.style, self.look.format, taken)
            owner = self.results.owner(name)
            free = owner is None or _same_thing(owner, record)
            if free and name.casefold() not in self._given and os.path.abspath(self.out / name) not in self._stems:
                break
        self._given.add(name.casefold())
        return name


def check_targets(targets: Sequence[str | None], model: Classifier) -> None:
    """Complain about a class asked for twice under two names: both would be one file."""
    from whylight.targets import resolve

    seen: dict[int, str] = {}
    for target in targets:
        index = resolve(target_of(target, model), model.classes).index
        if target is None or index is None:
            continue
        if index in seen:
            raise TargetError(
                f"targets {seen[index]!r} and {target!r} are the same class, {model.classes[index]}; give it once"
            )
        seen[index] = target


def target_of(text: str | None, model: Classifier) -> Any:
    """What a target's text means to a model."""
    from whylight.targets import parse

    return None if text is None else parse(text, model.classes)[0]


def _same_thing(owner: Record, record: Record) -> bool:
    """Whether two records answer the same question about the same picture, perhaps drawn in other colours, or verified."""
    what = [{k: v for k, v in one["settings"].items() if k not in _DRAWN} for one in (owner, record)]
    same = all(owner.get(key) == record[key] for key in ("method", "target", "label"))
    return same and owner["stamp"]["path"] == record["stamp"]["path"] and what[0] == what[1]
