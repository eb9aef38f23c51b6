"""Explain pictures: a map for each picture, method and target, drawn, written and noted in `explanations.jsonl`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import ImageError, WhylightError
from whylight.jobs.folder import place_in, put
from whylight.jobs.job import Job
from whylight.jobs.pictures import Picture
from whylight.models.zoo.keeping import made
from whylight.schema import Schema
from whylight.shown import shown
from whylight.work.asked import check_targets, methods_of, read_part, target_of
from whylight.work.explain_job import ExplanationRecord, Questions, Settings
from whylight.work.naming import DRAWN, Files, Names, template_of
from whylight.work.results import WritesResults

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
        template_of(self.look)
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
            # These only where asked for, so that earlier results stay good.
            **({"verify": True} if self.look.verify else {}),
            **({"boxes": True} if self.look.boxes else {}),
            **({} if self.look.scale is None else {"scale": self.look.scale}),
        }
        self._in_one = self.look.style == "grid"
        if self._in_one:
            self.settings["grid"] = {"methods": list(self.chosen), "targets": self.targets}  # it shows all of these
            if (count := len(self.questions)) > MOST:
                raise WhylightError(f"style: a grid has room for {MOST} maps, and each picture would have {count:,}")
        self._whole: dict[Path, bool] = {}
        self._grids: dict[Path, str] = {}  # names of those that are called otherwise than before

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

    def recalled(self, item: Picture, question: Question) -> Record | None:
        """The record that answers, with its raw map where that is wanted."""
        record = super().recalled(item, question)
        return None if record is not None and self.look.save_map and record["map"] is None else record

    def as_named(self, item: Picture, record: Record) -> Record:
        """A result of an earlier run, its files called as they are to be called now."""
        if record.get("name") == self.look.name:
            self._names.keep(record)
            return record
        if self._in_one and item.path not in self._grids:
            records = [one for question in self.questions if (one := self.recalled(item, question)) is not None]
            self._grids[item.path] = self._names.of_grid(item, records)
        bare = {key: value for key, value in record.items() if key != "name"}
        now = bare | self._named(item, record, record["map"] is not None)
        self._files.move(record, now)
        return now

    @cached_property
    def _names(self) -> Names:
        return Names(self.out, self.pictures.all, self.results, self.look)

    @cached_property
    def _files(self) -> Files:
        return Files(self.out, self.results)

    def _named(self, item: Picture, record: Record, with_raw: bool) -> Record:
        if self._in_one:
            return self._names.on_grid(item, record, self._grids[item.path], with_raw)
        return self._names.of_map(item, record, with_raw)

    def prepare(self) -> None:
        """Load the model, and complain about what it cannot be asked."""
        from whylight import methods

        self._methods: dict[str, Method] = {
            name: self.look.wrap(methods.get(name, **given)) for name, given in self.chosen.items()
        }
        self.model = self.choice.load()
        self.watch.loaded(self.choice.name, self.choice.preparation(self.model))
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

        return made(("networks", self.model), lambda: Networks(self.model))

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
            [item.source for item in items],
            methods=[self._methods[name] for name in names],
            targets=[target_of(target, self.model) for target in targets],
            batch_size=self._session.batch_size,
            precision=self.choice.precision,
            on_error=self.failed,
            on_step=self.watch.step,
            verifier=verify,
            workers=workers,
        ):
            item, size = items[place], explanations[0].picture.size
            pairs: list[tuple[Explanation, Record]] = []
            parts: list[list[tuple[Explanation, Record]]] = []
            with self.watch.guarding(item.path):
                self._check_size(item, size)
                # The engine answers every method for every target; some may be done already.
                open_ones = (pair for pair in zip(asked, explanations, strict=True) if pair[0] in questions)
                pairs = [(self._scaled(ex), self._record(item, ex, *question)) for question, ex in open_ones]
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
            if self.look.boxes:
                for explanation, record in part:
                    record["boxes"] = [box._asdict() for box in explanation.boxes()]
            made = self._drawn([ex for ex, _ in part])
        with self._workers.at("write"):
            for explanation, record in part:
                if record["map"]:
                    path = place_in(self.out, record["map"])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    explanation.to_npz(path)
        part.clear()  # a large picture is not held beside its bytes
        del explanation
        with self._workers.at("encode"):
            data = (
                made if isinstance(made, bytes) else encode(made, self.look.format, spoil=True)
            )  # nobody else holds them
        with self._workers.at("write"):
            put(self.out, records[0]["file"], data)
        return records

    def _scaled(self, explanation: Explanation) -> Explanation:
        return explanation if self.look.scale is None else replace(explanation, scale=self.look.scale)

    def _drawn(self, explanations: list[Explanation]) -> NDArray[np.uint8] | bytes:
        import numpy as np

        from whylight.explanation import document, drawn, grid

        look = self.look
        if look.format in ("pdf", "svg"):
            return document(explanations, look.style, look.format, alpha=look.alpha, colormap=look.colormap)
        if self._in_one:
            return np.array(grid(explanations, alpha=look.alpha, colormap=look.colormap))
        return drawn(explanations[0], look.style, alpha=look.alpha, colormap=look.colormap)

    def note(self, part: list[Record]) -> None:
        """A line for each map; what it stands for from now on is gone, files included, where those are called otherwise."""
        for record in part:
            before = list(self.results.answers(record))
            super().note(record)
            for one in before:
                if (one.get("name"), one["map"]) != (record.get("name"), record["map"]):
                    self._files.drop(one, record)

    def _on_grid(self, item: Picture, pairs: list[tuple[Explanation, Record]]) -> list[tuple[Explanation, Record]]:
        """The same, all in one file."""
        self._grids[item.path] = self._names.of_grid(item, [record for _, record in pairs])
        for _, record in pairs:
            record |= self._named(item, record, self.look.save_map)
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
            "diffuse": explanation.is_diffuse,
            "peak_x": round(peak[0], 2) if peak else None,
            "peak_y": round(peak[1], 2) if peak else None,
            "width": explanation.size[0],
            "height": explanation.size[1],
            **({"reduced": explanation.times} if explanation.times > 1 else {}),
            "units": explanation.units,
            "details": explanation.details,
            "model": self.choice.name,
            "asked": asked,
            "file": "",
            "map": None,
            "settings": self.settings,
            "stamp": item.stamp,
        }
        if not self._in_one:  # a grid is named when all of it is there
            record |= self._named(item, record, self.look.save_map)
        if self._networks is not None:
            record["verified"] = explanation.verify(networks=self._networks).to_dict()
        return record
