"""`whylight explain … --maps RUN`, `whylight status RUN`: maps of any number of pictures in a store, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.errors import WhylightError
from whylight.jobs.job import Job
from whylight.jobs.session import Outcome
from whylight.jsontext import dumps
from whylight.models.zoo.choice import ModelChoice
from whylight.shown import plural

_quiet: dict[str, Any] = {"show_default": False}


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """A map store in place of pictures."""

    maps: Annotated[
        str | None,
        opt.option(
            "Write no pictures, but the raw maps into a store in this folder; INPUT may be a table too, .csv or .parquet.",
            metavar="FOLDER",
            **_quiet,
        ),
    ] = None
    column: Annotated[
        str | None,
        opt.option("Of a table: the column with the pictures' names.", metavar="NAME", **_quiet),
    ] = None
    root: Annotated[
        str | None,
        opt.option(
            "Of a table: the folder that the names begin at. Default: the table's own.", metavar="FOLDER", **_quiet
        ),
    ] = None
    part_size: Annotated[
        int | None,
        opt.option("Pictures in a part: what a kill may cost. Default: 512.", metavar="N", min=1, **_quiet),
    ] = None
    retry_failed: Annotated[bool, opt.option("Ask again about the pictures that failed.", "--retry-failed")] = False
    dry_run: Annotated[
        bool, opt.option("Ask about a few pictures, say what all of them would take, and write nothing.", "--dry-run")
    ] = False

    def check_alone(self) -> None:
        """Complain about what is given without --maps."""
        given = {
            "--column": self.column,
            "--root": self.root,
            "--part-size": self.part_size,
            "--retry-failed": self.retry_failed,
            "--dry-run": self.dry_run,
        }
        if wrong := [name for name, value in given.items() if value]:
            raise WhylightError(f"{wrong[0]}: goes with --maps FOLDER, which is not given")

    def settings(self) -> dict[str, Any]:
        """What a job has of it."""
        names = ("column", "root", "part_size", "retry_failed", "dry_run")
        return {name: getattr(self, name) for name in names}


def to_store(
    inputs: list[str],
    choice: ModelChoice,
    questions: dict[str, Any],
    wrap: dict[str, Any],
    given: MapOptions,
    run: opt.RunOptions,
) -> None:
    """Explain into a map store, and say what became of it."""
    with on.Screen(None, choice.name) as screen:
        job = Job("maps", inputs, given.maps, choice, questions, {**wrap, **given.settings()})
        outcome = screen.run(job, run)
        said = _estimate(outcome.result) if given.dry_run else _summary(outcome, screen.loading)
        screen.say(*outcome.result.notes, said)
    on.leave(outcome)


def _estimate(told: Any) -> str:
    """What a run would take, in words."""
    seconds, size = told.left / told.rate, told.left * told.bytes
    done = "" if told.left == told.pictures else f", {told.pictures - told.left:,} of which are done"
    return (
        f"{plural(told.pictures, 'picture')}{done}: {_hours(seconds)} on the {plural(told.cores, 'core')} of this machine "
        f"({seconds * told.cores / 3600:,.1f} core-hours), {size / 1e9:,.2f} GB; by {told.sample} of them, "
        f"{told.rate:.3g} a second"
    )


def _hours(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:,.1f} h"
    )


def _summary(outcome: Outcome, loading: float) -> str:
    told, progress = outcome.result, outcome.progress
    parts = []
    if progress.done:
        rate = f"{progress.rate:.3g} pictures/s after {loading:.1f} s of loading{on.limited_by(progress)}"
        parts.append(f"{plural(progress.done, 'picture')} in {progress.seconds:.1f} s ({rate})")
    if told.before:
        parts.append(f"{told.before:,} done before" + ("" if progress.done else ", nothing left to do"))
    if told.failed:
        parts.append(f"{plural(told.failed, 'picture')} of the store failed (--retry-failed asks again)")
    parts.append(f"{plural(told.maps, 'map')}, {told.bytes / 1e6:,.1f} MB → {outcome.job.out}")
    return "; ".join(parts)


def status(
    run: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A map store, as explain --maps writes it.", show_default=False)
    ],
    json: Annotated[bool, opt.option("Say it as one line of JSON.", "--json")] = False,
) -> None:
    """Say how far a run is: pictures, failures, rate, time left. Reads its plan and marks alone, while others work at it."""
    from whylight.mapstore.progress import status as found

    told = found(run)
    on.tell(dumps(told.to_dict()) if json else told.sentence)


def summarise(
    run: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A map store, as explain --maps writes it.", show_default=False)
    ],
    by: Annotated[
        str,
        opt.option("What maps are grouped by: label, target, or a column of the table of pictures.", metavar="COLUMN"),
    ] = "label",
    strange: Annotated[int, opt.option("How many of the strangest maps are named.", metavar="N", min=0)] = 20,
) -> None:
    """Say what a map store holds as a whole: a mean map and figures for each group, the strangest maps; into FOLDER/summary."""
    from whylight.mapstore.store import open_maps
    from whylight.mapstore.summary import FOLDER
    from whylight.mapstore.summary import summarise as told

    store = open_maps(run)
    found = told(store, by=by, strange=strange)
    found.write(store)
    wide = max(len(by), *(len(one.group) for one in found.groups[: on.LINES]))
    lines = [f"{by:{wide}}  method      maps  without  probability  spread"]
    for one in found.groups[: on.LINES]:
        sure = "none" if one.probability is None else on.percent(one.probability)
        spread = "none" if one.spread is None else f"{one.spread:.3f}"
        lines.append(f"{one.group:{wide}}  {one.method:10} {one.maps:5,}  {one.without:7,}  {sure:>11}  {spread:>6}")
    if len(found.groups) > on.LINES:
        lines.append(f"… and {len(found.groups) - on.LINES} more")
    lines += [
        f"strange: {one.picture} ({one.group}, {one.distance:.2f} from its mean map)" for one in found.strange[:3]
    ]
    if not store.is_complete:
        lines.append(f"{len(store):,} maps so far: the run is not complete")
    on.tell(*lines, f"→ {run / FOLDER}")
