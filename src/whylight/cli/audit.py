"""`whylight audit`: is a classifier as good for everyone, and does it look at the same things? Figures by subgroup."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whylight.cli.given.wording import as_options
from whylight.cli.options import option
from whylight.cli.screen import Screen, tell, warn
from whylight.errors import DataError, WhylightError

if TYPE_CHECKING:
    from whylight.subgroups.gate import Limit
    from whylight.subgroups.result import Audit

FAILED = 1
_quiet: dict[str, Any] = {"show_default": False}


@dataclass(frozen=True, kw_only=True)
class LookingOptions:
    """A model that is asked, in place of predictions that are there, and how it is looked at."""

    model: Annotated[
        str | None,
        option(
            "Ask this model about the pictures, in place of --prediction.", "--model", "-m", metavar="NAME", **_quiet
        ),
    ] = None
    data: Annotated[
        Path | None, option("The folder that the pictures' names begin at.", metavar="FOLDER", **_quiet)
    ] = None
    method: Annotated[str | None, option("How to explain. Default: the model's own.", metavar="NAME", **_quiet)] = None
    align: Annotated[
        str, option("Maps lie on the largest face of each picture, or on pictures as they are.", of=("face", "none"))
    ] = "none"
    cover: Annotated[
        str | None,
        option("Parts of the face to cover in everybody's picture: does the gap close?", metavar="PART,PART", **_quiet),
    ] = None
    judged: Annotated[
        int, option("Of how many pictures it is measured how faithful their maps are.", metavar="N", min=0)
    ] = 0
    overwrite: Annotated[bool, option("Ask the model anew.", "--overwrite")] = False

    def settings(self) -> dict[str, Any]:
        """What `subgroups.run.look` is told."""
        given: dict[str, Any] = {"align": self.align, "judged": self.judged, "overwrite": self.overwrite}
        if self.method is not None:
            given["method"] = self.method
        if self.cover is not None:
            given["cover"] = [one.strip() for one in self.cover.split(",") if one.strip()]
        return given


def audit(
    label: Annotated[str, option("The column with what is there.", metavar="COLUMN", **_quiet)],
    groups: Annotated[str, option("The columns that rows are grouped by.", metavar="COLUMN[,COLUMN]", **_quiet)],
    out: Annotated[
        Path,
        option(
            "Folder for report.html, audit.json, groups.csv, summary.txt and figures/.",
            "--out",
            "-o",
            metavar="FOLDER",
            **_quiet,
        ),
    ],
    looking: LookingOptions,
    tables: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TABLE...", help="CSV files of the same rows; several are joined by --key.", show_default=False
        ),
    ] = None,
    table: Annotated[
        list[Path] | None, option("The same as TABLE. Repeatable.", "--table", metavar="CSV", **_quiet)
    ] = None,
    prediction: Annotated[
        str | None,
        option(
            "The column with what the classifier said: classes, or probabilities. Several, by commas, are seeds of one kind.",
            metavar="COLUMN[,COLUMN]",
            **_quiet,
        ),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        option(
            "A further table with predictions, joined by --key. Repeatable.", "--predictions", metavar="CSV", **_quiet
        ),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "Predictions to compare with, on the same rows; several are seeds. With --model: another model.",
            metavar="COLUMN[,COLUMN]",
            **_quiet,
        ),
    ] = None,
    depth: Annotated[int, option("How many columns are combined.", metavar="N", min=1)] = 2,
    declared: Annotated[
        list[str] | None,
        option(
            "Columns whose combination was in question before anybody looked. Repeatable.",
            "--declare",
            metavar="COLUMN,COLUMN",
            **_quiet,
        ),
    ] = None,
    identity: Annotated[
        str | None, option("The column that says which rows are of one person.", metavar="COLUMN", **_quiet)
    ] = None,
    key: Annotated[str, option("The column that tables are joined by.", metavar="COLUMN")] = "file",
    positive: Annotated[
        str | None,
        option(
            "The class that rates of positives are about. Default: the one that says 1, true or yes.",
            metavar="CLASS",
            **_quiet,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        option("From which score on a row counts as positive. Default for probabilities: 0.5.", metavar="N", **_quiet),
    ] = None,
    correction: Annotated[
        str,
        option("For many comparisons: the chance of any false finding, or the share of false ones.", of=("holm", "bh")),
    ] = "holm",
    enough: Annotated[int, option("Rows under which a group has insufficient evidence.", metavar="N", min=2)] = 30,
    margin: Annotated[
        float, option("Half the width of a gap's interval from which on it says too little.", metavar="0...1")
    ] = 0.05,
    level: Annotated[float, option("How often intervals are to hold the truth.", metavar="0...1")] = 0.95,
    alpha: Annotated[float, option("The error that all tests of one question share.", metavar="0...1")] = 0.05,
    seed: Annotated[int, option("What the draws of the bootstrap depend on.", metavar="N", min=0)] = 0,
    hide_under: Annotated[int, option("Do not show groups of fewer rows than this.", metavar="N", min=0)] = 0,
    fail_on: Annotated[
        list[str] | None,
        option(
            "A limit: 'gap(Male) > 0.02', 'accuracy(Male=1) < 0.95'. Exit code 1 beyond it. Repeatable.",
            "--fail-on",
            metavar="LIMIT",
            **_quiet,
        ),
    ] = None,
    quiet: Annotated[bool, option("Say nothing but what went wrong.", "--quiet", "-q")] = False,
) -> None:
    """Hold predictions against labels, group by group: accuracy, rates and gaps, with intervals and tests."""
    from whylight.subgroups.audit import audit as measure
    from whylight.subgroups.gate import limit

    sources = [*(tables or ()), *(table or ())]
    if not sources:
        raise WhylightError("TABLE: none given; name the CSV file with the labels and groups")
    limits = [limit(one) for one in fail_on or ()]
    if (prediction is None) == (looking.model is None):
        raise WhylightError(
            "--prediction, --model: give one of them: a column with what was said, or who is to be asked"
        )
    if looking.model is not None and looking.data is None:
        raise WhylightError("--data: a model is asked about pictures; name the folder that their names begin at")
    asked = looking.model is not None
    with Screen(None, looking.model or "") if asked else nullcontext() as screen:
        if screen is not None:
            screen.quiet = quiet
        found = measure(
            [*sources, *(predictions or ())],
            label=label,
            prediction=prediction,
            groups=groups,
            model=looking.model,
            data=looking.data,
            out=out if asked else None,
            looking={**looking.settings(), "on_event": screen} if asked else None,
            against=against,
            depth=depth,
            declared=[one.split(",") for one in declared or ()],
            identity=identity,
            key=key,
            positive=positive,
            threshold=threshold,
            correction="bh" if correction == "bh" else "holm",
            enough=enough,
            margin=margin,
            level=level,
            alpha=alpha,
            seed=seed,
            hide_under=hide_under,
        )
    written = found.write(out)
    if not quiet:
        tell(*found.summary, *(as_options(note.text) for note in found.notes if not note.warn))
        tell(f"→ {', '.join(map(str, written))}")
    _hold_against(found, limits, quiet)


def _hold_against(found: Audit, limits: Sequence[Limit], quiet: bool) -> None:
    """Say of each limit whether it is passed; one that cannot be told does not hide that another is."""
    from whylight.subgroups.gate import judge

    failed, unclear = False, None
    for one in limits:
        try:
            verdict = judge(found, one)
        except DataError as error:
            unclear = unclear or error
            continue
        failed = failed or verdict.failed
        if verdict.failed:
            warn(verdict.text)
        elif not quiet:
            tell(verdict.text)
    if failed:
        if unclear is not None:
            warn(str(unclear))
        raise typer.Exit(FAILED)
    if unclear is not None:
        raise unclear
