"""Maps of any number of pictures into a map store: planned, done part by part, gone on with after a kill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import DataError, WhylightError
from whylight.jobs.job import Job
from whylight.jobs.session import Session
from whylight.mapstore import inputs, parts
from whylight.mapstore.arrow import arrow
from whylight.mapstore.inputs import PICTURE, PROBLEM
from whylight.mapstore.plan import Plan
from whylight.mapstore.schema import FAILED, Row, failed_row, row_of
from whylight.shown import plural
from whylight.work.asked import check_targets, methods_of, read_part, target_of
from whylight.work.explain_job import Questions
from whylight.work.maps_job import Estimate, Settings, Told

if TYPE_CHECKING:
    from whylight.methods import Method
    from whylight.models.base import Classifier
    from whylight.pipeline.workers import Workers

PART, SLOW_PART = 512, 16  # pictures in a part: some seconds of work, which a kill costs
_SAMPLE, _WARM = (
    64,
    8,
)  # pictures by which a run is judged beforehand, and those that are asked about before the clock runs


class Maps:
    """The kind `maps`."""

    def __init__(self, job: Job) -> None:
        if job.out is None:
            raise WhylightError("job maps: where does the store go? Give out=…")
        arrow()
        self.job, self.choice, self.folder = job, job.choice, Path(job.out)
        self.look = read_part(job, "settings", Settings)
        if self.look.part_size is not None and self.look.part_size < 1:
            raise WhylightError(f"part_size: expected at least 1 picture, got {self.look.part_size}")
        asked = read_part(job, "questions", Questions)
        from whylight.targets import parse

        self.chosen = methods_of(asked.methods or (job.choice.default_method,), asked.options)
        texts = list(dict.fromkeys(str(one) for text in asked.targets for one in parse(text)))
        self.targets: list[str | None] = [*texts] or [None]
        self.methods = self._methods()
        self.settings = {
            **job.choice.identity(),
            "methods": {name: dict(given) for name, given in self.chosen.items()},
            "targets": self.targets,
            "boxes": self.look.boxes,
            **self.look.wrapped(),
        }

    def _methods(self) -> list[Method]:
        from whylight import methods

        return [self.look.wrap(methods.get(name, **given)) for name, given in self.chosen.items()]

    def run(self, session: Session) -> Told | Estimate:
        """Plan, or read the plan, and do the parts that are missing."""
        self.watch, self.session = session.watch, session
        if self.look.dry_run:
            return self._estimated()
        plan, notes = self._planned()
        session.begin()
        marks = parts.done(self.folder, plan.run)
        before = sum(one.pictures for one in marks.values())
        open_ones = [part for part in range(plan.parts) if part not in marks]
        again = [part for part, one in marks.items() if one.failed] if self.look.retry_failed else []
        self.watch.plan((), plan.rows)
        if open_ones or again:
            parts.take_back(self.folder)
            left = sum(plan.place(part)[2] for part in open_ones) + sum(marks[part].failed for part in again)
            marks |= self._do(plan, open_ones, {part: marks[part] for part in again}, left)
        parts.sweep(self.folder, marks)
        if complete := len(marks) == plan.parts:
            parts.succeed(self.folder, marks, plan.run)
        pictures, maps, failed, size = (
            sum(getattr(one, name) for one in marks.values()) for name in ("pictures", "maps", "failed", "size")
        )
        return Told(pictures, maps, failed, size, before, notes, complete)

    def _estimated(self) -> Estimate:
        """Ask about some pictures, evenly from all over, and time it once everything is warm."""
        from whylight.mapstore.schema import table_of
        from whylight.pipeline.workers import Workers, cores

        plan = Plan.read(self.folder)
        found = self._listed()
        usable = found.table.filter(arrow("compute").is_null(found.table[PROBLEM]))[PICTURE]
        done = 0
        if plan is not None:
            plan.check(self.settings, self.look.part_size)
            done = sum(one.pictures for one in parts.done(self.folder, plan.run).values())
        if not len(usable):
            raise DataError(f"{self.job.inputs[0]}: no name in it can be used: {found.table[PROBLEM][0]}")
        step = max(1, len(usable) // _SAMPLE)
        chosen = [Path(one) for one in usable.take(arrow().array(range(0, len(usable), step))).to_pylist()[:_SAMPLE]]
        model = self.choice.load()
        check_targets(self.targets, model)
        rows: dict[int, list[Row]] = {}
        failed: dict[int, list[Row]] = {}
        places = {one: place for place, one in enumerate(chosen)}
        with Workers(self.session.workers) as threads:
            for _ in self._explained(model, dict(list(places.items())[:_WARM]), {}, threads):
                pass
            began = time.monotonic()
            rows.update(self._explained(model, places, failed, threads))
            seconds = time.monotonic() - began
        if not rows:
            raise DataError(
                f"none of {plural(len(chosen), 'picture')} could be explained, such as {failed[0][0]['error']}"
            )
        size = len(parts.packed(table_of([row for each in rows.values() for row in each], "")))
        total = max(found.table.num_rows, 0 if plan is None else plan.rows)
        return Estimate(total, total - done, len(rows), len(rows) / seconds, cores(), size / len(rows), found.notes)

    def _listed(self) -> inputs.Listing:
        return inputs.listed(self.job.inputs, column=self.look.column, root=self.look.root, on_error=self.watch.failed)

    def _planned(self) -> tuple[Plan, list[str]]:
        """The plan, made or added to."""
        plan = Plan.read(self.folder)
        if plan is not None and self.session.overwrite:
            plan = None
        if plan is None:
            parts.clear(self.folder)  # what lies there is of another plan, whose parts had other pictures
            slow = any(one.is_slow for one in self.methods)
            plan = Plan(self.folder, self.settings, self.look.part_size or (SLOW_PART if slow else PART))
        else:
            plan.check(self.settings, self.look.part_size)
        stamps = [inputs.stamp(one) for one in self.job.inputs if inputs.is_manifest(one)]
        if plan.inputs and len(stamps) == len(self.job.inputs):
            known = [one for each in plan.inputs for one in each.stamps]
            if all(stamp in known for stamp in stamps):
                return plan, []  # nothing of it is read again
        found = inputs.listed(self.job.inputs, column=self.look.column, root=self.look.root, on_error=self.watch.failed)
        table, notes = found.table, found.notes
        if plan.inputs:
            pc = arrow("compute")
            new = pc.invert(pc.is_in(table[PICTURE], value_set=plan.all(PICTURE)[PICTURE]))
            table = table.filter(new)
            if not table.num_rows:
                return (plan.seen(stamps) if stamps else plan), notes
            notes = [*notes, f"{plural(table.num_rows, 'picture')} more than when the run began"]
        return plan.grown(table, stamps), notes

    def _do(self, plan: Plan, open_ones: list[int], again: dict[int, parts.Mark], left: int) -> dict[int, parts.Mark]:
        from whylight.pipeline.workers import Workers

        model = self.choice.load()
        self.watch.loaded(self.choice.name, self.choice.preparation(model))
        check_targets(self.targets, model)
        made: dict[int, parts.Mark] = {}
        with Workers(self.session.workers) as threads:
            self.watch.costs = lambda: (threads.costs, threads.limit)
            self.watch.begin(left)
            writing: Future[parts.Mark] | None = None
            try:
                for part in [*open_ones, *again]:
                    began = time.monotonic()
                    rows = self._rows(plan, part, model, threads, again.get(part))
                    seconds = time.monotonic() - began
                    if writing is not None:
                        mark = writing.result()
                        made[mark.part] = mark
                    writing = threads.submit(self._write, threads, part, rows, plan.run, seconds)
            finally:
                if writing is not None:
                    mark = writing.result()
                    made[mark.part] = mark
        return made

    def _write(self, threads: Workers, part: int, rows: list[Row], run: str, seconds: float) -> parts.Mark:
        with threads.at("write"):
            return parts.write(self.folder, part, rows, run, seconds=seconds, at=time.time())

    def _rows(self, plan: Plan, part: int, model: Classifier, threads: Workers, mark: parts.Mark | None) -> list[Row]:
        """The rows of a part: of one that was done, those that failed are made anew."""
        first, table = plan.rows_of(part)
        given = table.select([PICTURE, PROBLEM]).to_pylist()
        kept: list[Row] = []
        wanted = set(range(first, first + len(given)))
        if mark is not None:
            kept = [row for row in _read(self.folder / mark.file) if row["status"] != FAILED]
            wanted -= {row["row"] for row in kept}
        rows: dict[int, list[Row]] = {}
        sources: dict[Path, int] = {}
        for place in sorted(wanted):
            picture, problem = given[place - first][PICTURE], given[place - first][PROBLEM]
            if problem is not None:
                self._failed(rows, place, picture, DataError(f"{picture}: {problem}"))
            else:
                sources[Path(picture)] = place
        for place, found in self._explained(model, sources, rows, threads):
            rows[place] = found
            self.watch.picture()
        return sorted(kept + [row for each in rows.values() for row in each], key=lambda row: int(row["row"]))

    def _explained(
        self, model: Classifier, sources: dict[Path, int], rows: dict[int, list[Row]], threads: Workers
    ) -> Iterator[tuple[int, list[Row]]]:
        from whylight.pipeline.explain import explain_placed

        paths = list(sources)
        for at, explanations in explain_placed(
            model,
            paths,
            methods=self.methods,
            targets=[target_of(target, model) for target in self.targets],
            batch_size=self.session.batch_size,
            precision=self.choice.precision,
            on_error=lambda source, error: self._failed(rows, sources[Path(source)], str(source), error),
            on_step=self.watch.step,
            workers=threads,
        ):
            place = sources[paths[at]]
            asked = [target for _ in self.methods for target in self.targets]
            pairs = zip(explanations, asked, strict=True)
            yield place, [row_of(place, str(paths[at]), one, target, self.look.boxes) for one, target in pairs]
            del explanations, pairs  # nothing of one picture is held while the next is made

    def _failed(self, rows: dict[int, list[Row]], place: int, picture: str, error: WhylightError) -> None:
        rows[place] = [failed_row(place, picture, str(error))]
        if not self.look.dry_run:
            self.watch.failed(picture, error)


def _read(path: Path) -> list[Row]:
    with arrow("parquet").ParquetFile(path) as file:
        found: list[Row] = file.read().to_pylist()
    return found
