"""Tables with a drawing: each group's accuracy and its interval on one scale; and two columns against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from whylight.shown import html as escape
from whylight.subgroups.telling.rows import BETTER, INSUFFICIENT, WORSE
from whylight.subgroups.telling.words import percent

SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="A table that scrolls sideways where it is wide">'
MOST = 60  # rows of one drawing: of more, those farthest from everybody


def forest(rows: Sequence[dict[str, Any]], everyone: dict[str, Any]) -> Iterator[str]:
    """The groups by one column, or by several, with everybody's accuracy as a line through all of them.

    Args:
        rows: the groups, each as `Audit.groups` has it.
        everyone: everybody's row.
    """
    known = [row for row in rows if row["accuracy"] is not None and row["interval"] is not None]
    whole = float(everyone["accuracy"])
    if len(known) > MOST:
        yield f'<p class="faint">The {MOST} groups farthest from everybody, of {len(known):,}; all are in groups.csv.</p>'
        known = sorted(known, key=lambda row: -abs(row["accuracy"] - whole))[:MOST]
    if not known:
        yield '<p class="faint">No group of these can be shown.</p>'
        return
    low, high = _scale([whole, *(end for row in known for end in row["interval"])])
    yield f'{SCROLL}<table class="forest"><thead><tr><th>group</th><th>rows</th><th>accuracy</th><th>interval</th>'
    yield "<th></th><th>against all others</th><th>corrected p</th><th>what can be said</th></tr></thead><tbody>"
    for row in known:
        yield _row(row, whole, low, high)
    yield (
        f'<tr class="axis"><td></td><td></td><td></td><td></td><td>{percent(low, 1)}<span style="float:right">{percent(high, 1)}'
        "</span></td><td></td><td></td><td></td></tr></tbody></table></div>"
    )


def _row(row: dict[str, Any], whole: float, low: float, high: float) -> str:
    def at(value: float) -> float:
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    start, stop = (at(end) for end in row["interval"])
    middle = at(row["accuracy"])
    verdict = str(row.get("verdict", ""))
    drawn = (
        f'<svg viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="{percent(row["accuracy"])}, '
        f'{percent(row["interval"][0])} to {percent(row["interval"][1])}">'
        f'<line class="all" x1="{at(whole)}" y1="0" x2="{at(whole)}" y2="20"/>'
        f'<line class="own" x1="{start}" y1="10" x2="{stop}" y2="10"/>'
        + "".join(f'<line class="own end" x1="{end}" y1="6" x2="{end}" y2="14"/>' for end in (start, stop))
        + f'<rect x="{middle - 0.8:.2f}" y="5" width="1.6" height="10"/></svg>'
    )
    gap = row.get("gap_to_rest") or {}
    p = row.get("p_corrected")
    kind = verdict if verdict in ("worse", "better") else ""
    return (
        f'<tr class="{kind}"><th scope="row">{escape(name(row["group"]))}</th><td>{row["n"]:,}</td>'
        f"<td>{percent(row['accuracy'])}</td>"
        f'<td>{_between(row["interval"])}</td><td class="plot">{drawn}</td><td>{_points(gap)}</td>'
        f'<td>{"" if p is None else small(p)}</td><td class="verdict">{escape(verdict)}</td></tr>'
    )


def name(group: dict[str, str]) -> str:
    """A group by its values.

    >>> name({"Male": "1", "Young": "0"})
    'Male = 1, Young = 0'
    """
    return ", ".join(f"{column} = {value}" for column, value in group.items()) or "everybody"


def crossed(rows: Sequence[dict[str, Any]], columns: tuple[str, str], everyone: dict[str, Any]) -> Iterator[str]:
    """A table of two columns' values against each other; coloured where a corrected test shows a difference."""
    by = {tuple(row["group"][column] for column in columns): row for row in rows}
    down, across = (list(dict.fromkeys(key[i] for key in by)) for i in (0, 1))
    if not by or len(across) > 12:
        return
    whole = float(everyone["accuracy"])
    far = max((abs(row["accuracy"] - whole) for row in by.values() if row["accuracy"] is not None), default=0.0) or 1.0
    yield f'{SCROLL}<table class="heat"><thead><tr><th>{escape(columns[0])} ↓ {escape(columns[1])} →</th>'
    yield "".join(f'<th scope="col">{escape(value)}</th>' for value in across) + "</tr></thead><tbody>"
    for first in down:
        yield f'<tr><th scope="row">{escape(first)}</th>'
        yield "".join(_cell(by.get((first, second)), whole, far) for second in across) + "</tr>"
    yield "</tbody></table></div>"


def _cell(row: dict[str, Any] | None, whole: float, far: float) -> str:
    if row is None or row["accuracy"] is None:
        return '<td class="few">not shown</td>'
    off = row["accuracy"] - whole
    colour = "var(--bad)" if off < 0 else "var(--good)"
    few = row.get("verdict") == INSUFFICIENT
    share = round(32 * abs(off) / far) if row.get("verdict") in (WORSE, BETTER) else 0
    note = "; insufficient evidence" if few else ""
    return (
        f'<td{" class=few" if few else ""} style="background:color-mix(in srgb, {colour} {share}%, transparent)">'
        f"{percent(row['accuracy'])}<small>{_between(row['interval'])}</small><small>n = {row['n']:,}{note}</small></td>"
    )


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a scale that all values lie on, in whole fives of a hundredth where there is room."""
    low, high = min(values), max(values)
    step = 0.05 if high - low > 0.1 else 0.01
    low, high = max(0.0, math.floor(low / step) * step), min(1.0, math.ceil(high / step) * step)
    return (low, high) if high > low else (max(0.0, low - step), min(1.0, high + step))


def _between(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"{percent(ends[0])} to {percent(ends[1])}"


def _points(gap: dict[str, Any]) -> str:
    """A gap in hundredths, with its sign."""
    if gap.get("value") is None:
        return ""
    ends = gap.get("interval")
    between = "" if ends is None else f"<small>{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}</small>"
    return f"{100 * gap['value']:+.1f} points{between}"


def small(p: float) -> str:
    """A p-value for HTML."""
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"
