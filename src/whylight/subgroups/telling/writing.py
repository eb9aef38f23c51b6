"""An audit on the disk: audit.json for programs, groups.csv for spreadsheets, summary.txt for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whylight.atomic import named_errors, replacing
from whylight.subgroups.telling.told import Told

VERSION = 1
METHODS = {
    "rates": "Wilson's interval, an end from Poisson's law where next to all or to none are right (Brown, Cai, DasGupta 2001)",
    "rates of persons": "the same for as many independent rows as have the same variance (Korn, Graubard 1998), Student's quantile",
    "gaps": "Newcombe 1998 (square-and-add); of persons the same, with what people in both groups have in common",
    "gap to the best": "the same, Bonferroni's for the choice of the best",
    "largest gap": "the same, Bonferroni's for the choice of best and worst; less_chance by the parametric bootstrap",
    "tests": "Fisher's exact test of accuracy against all other groups",
    "tests of persons": "the larger p of the exact test of as many independent rows, and of Student's",
    "changes": "Newcombe 1998 (paired), the paired bootstrap, McNemar's exact test; of persons Student's",
    "changes of gaps": "square-and-add; a normal test with half a row more in each case (Agresti, Min 2005); of persons Student's",
    "shares of the error": "declared tests 80 %, exploratory ones 20 %, where there are both; p_corrected is divided by it",
    "shrunk": "beta-binomial empirical Bayes on a logistic model of the parts (Kleinman 1973, Efron, Morris 1975); credible",
    "calibration": "Student's interval of probability less truth; expected calibration error in 10 bins, basic bootstrap",
}


def to_dict(audit: Told, summary: list[str]) -> dict[str, Any]:
    """All of an audit, as JSON holds it."""
    shown_ = sum(int((~part.hidden).sum()) for part in audit.parts.values())
    every = sum(len(part.n) for part in audit.parts.values())
    return {
        "kind": "audit",
        "version": VERSION,
        "rows": audit.rows,
        "label": {"name": audit.label, "classes": list(audit.classes), "positive": audit.positive},
        "prediction": list(audit.prediction),
        "against": list(audit.against),
        "threshold": audit.threshold,
        "identity": audit.identity,
        "people": audit.people,
        "columns": {name: list(values) for name, values in audit.columns},
        "declared": [list(audit.name(which)) for which in sorted(audit.declared, key=lambda one: (len(one), one))],
        "correction": audit.correction,
        "families": {name: dict(one) for name, one in audit.families.items()},
        "settings": asdict(audit.settings),
        "hidden": {"under": audit.hide_under, "groups": every - shown_},
        "notes": [asdict(note) for note in audit.notes],
        "summary": summary,
        "gaps": audit.gaps,
        "groups": audit.groups,
        "attention": None if audit.attention is None else audit.attention.to_json(),
        "methods": METHODS,
        "words": "Labels and groups are what annotators wrote down, not what people are.",
    }


def write(folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write texts and pictures into a folder, each whole or not at all.

    Raises:
        WriteError: if that cannot be.
    """
    with named_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        with named_errors(path), replacing(path) as file:
            if isinstance(content, str):
                content = (content.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")
            file.write(content)
    return [folder / name for name in files]


def table(audit: Told) -> str:
    """The groups as CSV: a column for each column of groups, empty where the group is not by it; a column for each figure."""
    names = [name for name, _ in audit.columns]
    flat = [
        ({name: row["group"].get(name, "") for name in names}, _flat({k: v for k, v in row.items() if k != "group"}))
        for row in audit.groups
    ]
    heads = list(dict.fromkeys(key for _, row in flat for key in row))
    taken = {name: f"group {name}" if name in heads else name for name in names}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(_cell(taken[name]) for name in names), *heads])
    for group, row in flat:
        writer.writerow(
            [*(_cell(group[name]) for name in names), *("" if row.get(key) is None else row[key] for key in heads)]
        )
    return text.getvalue()


def _cell(text: str) -> str:
    """A text from outside that no spreadsheet takes for a formula."""
    risky = text[:1] in "=+-@\t\r" and text[:1] and not text.lstrip("+-").replace(".", "", 1).isdigit()
    return f"'{text}" if risky else text


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if key == "best" and isinstance(value, Mapping):
            found[name] = _cell("; ".join(f"{k}={v}" for k, v in value.items()))
        elif isinstance(value, Mapping):
            found |= _flat(value, f"{name}.")
        elif key.endswith(("interval", "bootstrap")):
            found[f"{name}.low"], found[f"{name}.high"] = value or (None, None)
        elif isinstance(value, list):
            found |= {f"{name}.{i + 1}": one for i, one in enumerate(value)}
        else:
            found[name] = value
    return found
