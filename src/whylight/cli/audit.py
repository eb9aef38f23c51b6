"""`whylight audit`: is a classifier as good for everyone? Figures by subgroup, from predictions that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli.options import option
from whylight.cli.screen import tell, warn
from whylight.cli.wording import as_options

FAILED = 1
_quiet = {"show_default": False}


def audit(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE...", help="CSV files of the same rows; several are joined by --key.", show_default=False
        ),
    ],
    label: Annotated[str, option("The column with what is there.", metavar="COLUMN", **_quiet)],
    prediction: Annotated[
        str,
        option(
            "The column with what the classifier said: classes, or probabilities. Several, by commas, are seeds of one kind.",
            metavar="COLUMN[,COLUMN]",
            **_quiet,
        ),
    ],
    groups: Annotated[str, option("The columns that rows are grouped by.", metavar="COLUMN[,COLUMN]", **_quiet)],
    out: Annotated[
        Path, option("Folder for audit.json, groups.csv and summary.txt.", "--out", "-o", metavar="FOLDER", **_quiet)
    ],
    predictions: Annotated[
        list[Path] | None,
        option(
            "A further table with predictions, joined by --key. Repeatable.", "--predictions", metavar="CSV", **_quiet
        ),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "Predictions to compare with, on the same rows; several are seeds.", metavar="COLUMN[,COLUMN]", **_quiet
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
    from whylight.subgroups.gate import judge, limit

    limits = [limit(one) for one in fail_on or ()]
    found = measure(
        [*tables, *(predictions or ())],
        label=label,
        prediction=prediction,
        groups=groups,
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
        hide_under=hide_under,
    )
    written = found.write(out)
    if not quiet:
        tell(*found.summary, *(as_options(note.text) for note in found.notes if not note.warn))
        tell(f"→ {', '.join(map(str, written))}")
    verdicts = [judge(found, one) for one in limits]
    for verdict in verdicts:
        if verdict.failed:
            warn(verdict.text)
        elif not quiet:
            tell(verdict.text)
    if any(verdict.failed for verdict in verdicts):
        raise typer.Exit(FAILED)
