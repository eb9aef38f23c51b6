"""Explain pictures: a map for each picture, method and target, drawn, written and noted in `explanations.jsonl`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from whylight.errors import ImageError, WhylightError
from whylight.jobs.folder import place_in, put
from whylight.jobs.job import Job
from whylight.jobs.pictures import Picture
from whylight.jobs.results import Written
from whylight.schema import Schema, Text
from whylight.shown import shown
from whylight.work.asked import check_targets, methods_of, read_part, target_of
from whylight.work.naming import DRAWN, Names
from whylight.work.results import WritesResults
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whylight.explanation import Explanation
    from whylight.front.verify import Networks
    from whylight.jobs.lines import Record
    from whylight.jobs.runner import Answer, Question
    from whylight.methods import Method
    from whylight.pipeline.workers import Workers
    from whylight.work.gallery.explained import Explained

NAME = "explanations.jsonl"
_LONGEST_JPEG = 65_500  # pixels a side that libjpeg writes


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
        style: `overlay`, `panel` or `map`, a file for each map; or `grid`, all maps of a picture in one.
        colormap: any matplotlib name.
        alpha: how much the strongest evidence covers, 0 … 1.
        format: `png` or `jpg`.
        save_map: also write the raw map as `.npz`.
        verify: write a receipt for each explanation.
        html: also write `index.html`, a page with all results of the folder.
    """

    style: Literal["overlay", "panel", "map", "grid"] = "overlay"
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
        from whylight.explanation.beside import MOST
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
        self._in_one = self.look.style == "grid"
        if self._in_one:
            self.settings["grid"] = {"methods": list(self.chosen), "targets": self.targets}  # it shows all of these
            if (count := len(self.questions)) > MOST:
                raise WhylightError(f"style: a grid has room for {MOST} maps, and each picture would have {count:,}")
        self._whole: dict[Path, bool] = {}

    @property
    def questions(self) -> list[Question]:
        """Method by method, target by target."""
        return [(method, target) for method in self.chosen for target in self.targets]

    @staticmethod
    def part(record: Record) -> tuple[str, ...]:
        """The maps of a grid share its file."""
        in_one = record["settings"].get("style") == "grid"
        return (record["method"], str(record["asked"])) if in_one else ()

    def knows(self, item: Picture, question: Question) -> bool:
        """A grid shows all that is asked: where one answer is missing, all are wanted again."""
        if self._in_one and item.path not in self._whole:
            self._whole[item.path] = all(self.recalled(item, one) is not None for one in self.questions)
        return self._whole.get(item.path, True) and super().knows(item, question)

    def prepare(self) -> None:
        """Load the model, and complain about what it cannot be asked."""
        from whylight import methods

        self._names = Names(self.out, self.pictures.all, self.results.owner)
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

        return Explained(self.out, self.pictures.root, self._session, self.settings, DRAWN)

    def finish(self) -> Path | None:
        """Write the page of all results."""
        return None if self.page is None else self.page.write_all(self.results, lambda: self.choice.load().classes)

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
                pairs = [(ex, self._record(item, ex, *question)) for question, ex in open_ones]
                parts = [self._on_grid(item, pairs)] if self._in_one else [[pair] for pair in pairs]
            if parts:
                yield Answer(item, parts, size[0] * size[1])
            del explanations, parts, pairs  # nothing of them is held while the next is made

    def write(self, part: list[tuple[Explanation, Record]]) -> list[Record]:
        """Draw, encode and write what goes into one file: one explanation, or a grid of them."""
        from whylight.render import encode

        records = [record for _, record in part]
        with self._workers.at("draw"):
            if self.page is not None:
                for explanation, record in part:
                    self.page.keep(explanation, record)
            pixels = self._drawn([ex for ex, _ in part])
        with self._workers.at("write"):
            for explanation, record in part:
                if record["map"]:
                    path = place_in(self.out, record["map"])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    explanation.to_npz(path)
        part.clear()  # a large picture is not held beside its bytes
        del explanation
        with self._workers.at("encode"):
            data = encode(pixels, self.look.format, spoil=True)  # nobody else holds them
        with self._workers.at("write"):
            put(self.out, records[0]["file"], data)
        return records

    def _drawn(self, explanations: list[Explanation]) -> NDArray[np.uint8]:
        import numpy as np

        from whylight.explanation import drawn, grid

        colours: dict[str, Any] = {"alpha": self.look.alpha, "colormap": self.look.colormap}
        if self._in_one:
            return np.array(grid(explanations, **colours))
        return drawn(explanations[0], self.look.style, **colours)

    def note(self, part: list[Record]) -> None:
        """A line for each map."""
        for record in part:
            super().note(record)

    def _on_grid(self, item: Picture, pairs: list[tuple[Explanation, Record]]) -> list[tuple[Explanation, Record]]:
        """The same, all in one file."""
        name = self._names.of_grid(item, pairs[0][1])
        for _, record in pairs:
            record["file"] = name
        return pairs

    def _check_size(self, item: Picture, size: tuple[int, int]) -> None:
        """Complain about what a JPEG file cannot hold; panels and grids are never that large."""
        if self.look.format == "jpg" and self.look.style in ("overlay", "map") and max(size) > _LONGEST_JPEG:
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
        if self._in_one:
            record["map"] = self._names.of_map(item, record, "grid", "npz") if self.look.save_map else None
        else:
            record["file"] = name = self._names.of_map(item, record, self.look.style, self.look.format)
            record["map"] = Path(name).with_suffix(".npz").as_posix() if self.look.save_map else None
        if self._networks is not None:
            record["verified"] = explanation.verify(networks=self._networks).to_dict()
        return record
