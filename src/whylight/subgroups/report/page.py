"""An audit as one HTML page that loads nothing from anywhere: plain words first, then drawings, pictures, methods, limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from whylight.shown import html as escape
from whylight.shown import markdown, plural
from whylight.subgroups.chances.chance import FEWEST
from whylight.subgroups.found import Attention
from whylight.subgroups.report.forest import SCROLL, crossed, forest, small
from whylight.subgroups.report.forest import name as group_name
from whylight.subgroups.report.panels import attention
from whylight.subgroups.telling.told import Told
from whylight.subgroups.telling.words import percent
from whylight.subgroups.telling.writing import METHODS

SMALLEST = 12  # intersections whose shrunk figures stand on the page
LIMITS = (
    "Labels and groups are what annotators wrote down: perceptions, not identities.",
    "The figures are of these rows. They hold for others only as far as those are drawn from the same people, cameras and places.",
    "“Within noise” says that no difference was shown and that it is small if there is one.",
    "“Insufficient evidence” says that there are too few rows to tell: the difference may be large.",
    "Accuracy is tested. The other rates have intervals, which are not corrected for how many there are.",
    "Where a model looks says nothing by itself about whether it is right to look there.",
)


def page(audit: Told, summary: list[str]) -> str:
    """The report.

    Args:
        audit: what was found.
        summary: the same in sentences.
    """
    title = f"Audit of {audit.prediction[0] or 'predictions'}: {audit.label}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body><main>",
            f"<h1>{escape(title)}</h1>",
            *_head(audit, summary),
            *_groups(audit),
            *(
                attention(audit.attention, max(FEWEST, audit.hide_under))
                if isinstance(audit.attention, Attention)
                else ()
            ),
            *_methods(audit),
            *_card(audit, summary),
            "</main></body>\n</html>\n",
        ]
    )


@cache
def _style() -> str:
    base = files("whylight.pages").joinpath("look", "base.css").read_text(encoding="utf-8")
    return base + files("whylight.subgroups.report").joinpath("report.css").read_text(encoding="utf-8")


def _head(audit: Told, summary: list[str]) -> Iterator[str]:
    people = "" if audit.people is None else f" of {audit.people:,} people"
    columns = ", ".join(name for name, _ in audit.columns)
    yield f'<p class="faint">{plural(audit.rows, "row")}{people} · groups by {escape(columns)}</p>'
    yield '<ol class="summary">' + "".join(f"<li>{escape(line)}</li>" for line in summary) + "</ol>"


def _groups(audit: Told) -> Iterator[str]:
    if not audit.groups or audit.groups[0]["group"]:
        return
    everyone = audit.groups[0]
    yield "<h2>Accuracy by group</h2>"
    yield (
        f'<p class="faint">The dashed line is everybody: {percent(everyone["accuracy"])}. A whisker is the '
        f"{percent(audit.settings.level, 0)} interval; red and green only where a corrected test shows a difference.</p>"
    )
    for which in audit.parts:
        columns = audit.name(which)
        rows = [row for row in audit.groups if set(row["group"]) == set(columns)]
        if not columns or not rows:
            continue
        kind = "" if which in audit.declared else ' <span class="faint">(exploratory)</span>'
        yield f"<h3>{escape(' × '.join(columns))}{kind}</h3>"
        if len(columns) == 2:
            yield from crossed(rows, (columns[0], columns[1]), everyone)
        yield from forest(rows, everyone)
        yield from _shrunk(rows)
    yield from _rates(audit)
    yield from _calibration(audit)
    if audit.against:
        yield from _against(audit)


def _rates(audit: Told) -> Iterator[str]:
    """The other rates, for everybody and for each column by itself."""
    rows = [row for row in audit.groups if len(row["group"]) < 2]
    names = [key for key, value in rows[0].items() if isinstance(value, dict) and "n" in value and "value" in value]
    if not names:
        return
    said = "" if audit.positive is None else f" (positive: {escape(audit.positive)})"
    yield f"<h3>Rates{said}</h3>{SCROLL}<table><thead><tr><th>group</th>"
    yield "".join(f"<th>{escape(one.replace('_', ' '))}</th>" for one in names) + "</tr></thead><tbody>"
    for row in rows:
        yield f'<tr><th scope="row">{escape(group_name(row["group"]))}</th>'
        yield "".join(_rate(row.get(one)) for one in names) + "</tr>"
    yield "</tbody></table></div>"


def _rate(one: dict[str, Any] | None) -> str:
    if one is None or one["value"] is None:
        return '<td class="faint">none</td>'
    between = (
        ""
        if one["interval"] is None
        else f"<small>{percent(one['interval'][0])} to {percent(one['interval'][1])}</small>"
    )
    return f"<td>{percent(one['value'])}{between}</td>"


def _shrunk(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Small groups as counted, and moved towards what their parts predict."""
    small_ = sorted((row for row in rows if row.get("shrunk") and row["n"]), key=lambda row: int(row["n"]))[:SMALLEST]
    if not small_:
        return
    yield f"<h4>The smallest, shrunk towards what their parts predict</h4>{SCROLL}<table><thead><tr><th>group</th><th>rows</th>"
    yield "<th>counted</th><th>predicted</th><th>shrunk, with its credible interval</th></tr></thead><tbody>"
    for row in small_:
        one = row["shrunk"]
        between = (
            ""
            if one["interval"] is None
            else f"<small>{percent(one['interval'][0])} to {percent(one['interval'][1])}</small>"
        )
        yield f'<tr><th scope="row">{escape(group_name(row["group"]))}</th><td>{row["n"]:,}</td><td>{percent(row["accuracy"])}</td>'
        yield f"<td>{percent(one['predicted'])}</td><td>{percent(one['accuracy'])}{between}</td></tr>"
    yield "</tbody></table></div>"


def _calibration(audit: Told) -> Iterator[str]:
    """Of predictions that are probabilities, whether they are what they say."""
    rows = [row for row in audit.groups if len(row["group"]) < 2 and row.get("calibration")]
    if not rows:
        return
    yield f"<h3>Calibration</h3>{SCROLL}<table><thead><tr><th>group</th><th>rows</th><th>mean probability less prevalence</th>"
    yield "<th>expected calibration error</th></tr></thead><tbody>"
    for row in rows:
        one = row["calibration"]
        yield f'<tr><th scope="row">{escape(group_name(row["group"]))}</th><td>{row["n"]:,}</td>'
        yield _rate(one) + _rate({"value": one["error"], "interval": one["error_interval"]}) + "</tr>"
    yield "</tbody></table></div>"


def _against(audit: Told) -> Iterator[str]:
    """The change from the predictions that are compared with, group by group."""
    yield f"<h3>{escape(audit.prediction[0])} compared with {escape(audit.against[0])}, on the same rows</h3>"
    yield f"{SCROLL}<table><thead><tr><th>group</th><th>rows</th><th>change of accuracy</th>"
    yield "<th>corrected p</th></tr></thead><tbody>"
    for row in audit.groups:
        change = row.get("change")
        if change is None or change["accuracy"] is None or len(row["group"]) > 1:
            continue
        ends = change["interval"]
        between = "" if ends is None else f"<small>{100 * ends[0]:+.2f} to {100 * ends[1]:+.2f}</small>"
        p = change.get("p_corrected")
        yield f'<tr><th scope="row">{escape(group_name(row["group"]))}</th><td>{row["n"]:,}</td>'
        yield f"<td>{100 * change['accuracy']:+.2f} points{between}</td><td>{'' if p is None else small(p)}</td></tr>"
    yield "</tbody></table></div>"


def _methods(audit: Told) -> Iterator[str]:
    yield "<h2>How it was done, and what it cannot tell</h2><ul>"
    yield "".join(f"<li>{line}</li>" for line in LIMITS) + "</ul><dl>"
    families = ", ".join(f"{int(one['tests']):,} {name}" for name, one in audit.families.items())
    told = {
        **METHODS,
        "correction": f"{audit.correction}; tests: {families}",
        "enough": f"groups of fewer than {audit.settings.enough} are not tested",
        "seed": audit.settings.seed,
        "threshold": "classes as given" if audit.threshold is None else f"positive from {audit.threshold:g} on",
    }
    yield "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in told.items()) + "</dl>"
    for note in audit.notes:
        yield f'<p class="{"remark" if note.warn else "faint"}">{escape(note.text)}</p>'


def _card(audit: Told, summary: list[str]) -> Iterator[str]:
    """A section for the model's card, to copy."""
    lines = [
        "## Performance by group",
        "",
        *(f"- {line}" for line in summary),
        "",
        "| group | n | accuracy | interval |",
        "|---|---:|---:|---|",
    ]
    for row in audit.groups:
        if len(row["group"]) < 2 and row["accuracy"] is not None:
            ends = row["interval"]
            between = "" if ends is None else f"{percent(ends[0])} to {percent(ends[1])}"
            lines.append(
                f"| {markdown(group_name(row['group']))} | {row['n']:,} | {percent(row['accuracy'])} | {between} |"
            )
    yield f"<h2>For the model’s card</h2><pre>{escape(chr(10).join(lines))}</pre>"
