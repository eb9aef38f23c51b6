"""A report to read: one HTML page with everything in it, for a desk and for a phone, by day and by night."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from whylight.evaluate.figures import Cell, Examples, Figures, says_nothing, shown
from whylight.evaluate.reports.plots import colours, plot
from whylight.shown import html as escape
from whylight.shown import plural

STYLE = """
:root { color-scheme: light dark;
  --back: #fff; --card: #f6f6f8; --ink: #1b1b1f; --faint: #62626b; --line: #d9d9e0; --accent: #6a3fb5; }
@media (prefers-color-scheme: dark) {
  :root { --back: #17171b; --card: #212127; --ink: #ececf1; --faint: #a3a3ad; --line: #3a3a44; --accent: #b79aef; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap; gap: 0 .8rem; justify-content: space-between;
  align-items: baseline; }
p { margin: .3rem 0; max-width: 62rem; overflow-wrap: anywhere; } .faint { color: var(--faint); }
.remark { border-left: 4px solid var(--accent); background: var(--card); padding: .5rem .8rem; margin: .8rem 0; }
.measures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 1rem; }
.measure { background: var(--card); border-radius: .6rem; padding: .9rem 1rem; min-width: 0; margin-bottom: 1rem;
  display: grid; grid-row: span 3; grid-template-rows: subgrid; } /* so that bars side by side begin at one height */
.measure > p { font-size: .87rem; color: var(--faint); margin: .1rem 0 .6rem; }
.row { display: grid; grid-template-columns: minmax(6rem, 9rem) 1fr minmax(4.2rem, auto); gap: .6rem; align-items: center;
  font-size: .87rem; padding: .14rem 0; }
.row .name { overflow-wrap: anywhere; line-height: 1.2; } .row .value { text-align: right; font-variant-numeric: tabular-nums; }
.track { position: relative; height: 1.05rem; border-radius: .2rem; background: color-mix(in srgb, var(--line) 45%, transparent); }
.bar { position: absolute; top: .15rem; bottom: .15rem; border-radius: .15rem; }
.whisker { position: absolute; top: 50%; height: 2px; margin-top: -1px; background: var(--ink); }
.whisker::before, .whisker::after { content: ""; position: absolute; top: -4px; height: 10px; width: 2px; background: var(--ink); }
.whisker::before { left: 0; } .whisker::after { right: 0; }
.best { font-weight: 650; }
.note { grid-column: 1 / -1; color: var(--faint); font-size: .78rem; line-height: 1.3; margin-top: -.15rem;
  font-weight: 400; }
.better { font-size: .78rem; font-weight: 400; color: var(--faint); }
.scroll { overflow-x: auto; max-width: 100%; border: 1px solid var(--line); border-radius: .6rem; }
table { border-collapse: collapse; font-size: .87rem; width: 100%; }
th, td { padding: .45rem .7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: baseline; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; } tbody tr:last-child > * { border-bottom: 0; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--back); }
thead th { font-weight: 600; min-width: 5.2rem; }
tbody th { font-weight: 500; } td small { display: block; color: var(--faint); white-space: normal; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
.plots > figure { margin: 0; }
figure { margin: 0; background: var(--card); border-radius: .6rem; padding: .9rem; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; } figcaption { font-weight: 600; margin-bottom: .3rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; font-size: .82rem; margin-top: .4rem; }
.legend i { display: inline-block; width: 1.3rem; border-top: 3px solid; vertical-align: .25em; margin-right: .35rem; }
.legend i.dashed { border-top-style: dashed; }
.gallery { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.gallery figure { margin: 0; } .gallery img { width: 100%; height: auto; display: block; border-radius: .3rem; }
.gallery figcaption { font-weight: 400; font-size: .82rem; line-height: 1.35; margin: .4rem 0 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: minmax(7rem, 13rem) 1fr; gap: .3rem 1rem; font-size: .87rem; margin: 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  .row { grid-template-columns: 1fr auto; gap: 0 .6rem; padding: .25rem 0; } .row .track { grid-row: 2; grid-column: 1 / -1; }
  .note { grid-row: 3; margin-top: 0; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
}
"""

# Wide tables scroll in themselves, by the keyboard too.
SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="A table that scrolls sideways where it is wide">'
ARROWS = {"higher": "↑", "lower": "↓", "nearer 0": "→"}


def page(result: Figures, examples: Examples | None = None) -> str:
    """Draw the report, with pictures where there are any: one page that loads nothing from anywhere."""
    colour = colours(result.methods, result.baselines)
    body = [*_head(result), *_measures(result, colour), *_table(result), *_plots(result, colour)]
    body += [*(_examples(examples) if examples is not None else []), *_protocol(result)]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(result.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *body,
            "</body>\n</html>\n",
        ]
    )


def _head(result: Figures) -> Iterator[str]:
    yield f"<h1>{escape(result.title)}</h1>"
    about = (result.model, result.data, plural(result.pictures, "picture"))
    yield f'<p class="faint">{escape(" · ".join(about))}</p>'
    for remark in (*result.remarks, *_beaten(result)):
        yield f'<p class="remark">{escape(remark)}</p>'


def _beaten(result: Figures) -> Iterator[str]:
    """A warning where a map that knows nothing of the picture does best."""
    lost = [measure for measure in result.measures if result.beaten(measure)]
    if lost:
        yield f"A baseline does better than every method by: {', '.join(lost)}. Here that figure does not speak for a method."


def _measures(result: Figures, colour: dict[str, str]) -> Iterator[str]:
    yield "<h2>Figure by figure</h2>"
    yield '<p class="faint">A line through a bar is the 95 % interval: where those of two methods overlap widely, it takes more '
    yield "pictures to tell them apart. Grey bars know nothing of the picture; what they score is what chance and habit score.</p>"
    yield '<div class="measures">'
    for measure in result.measures:
        cells = [cell for name in result.methods if (cell := result.cell(name, measure)) is not None]
        better = f"{ARROWS[cells[0].better]} {cells[0].better} is better"
        yield f'<section class="measure"><h3>{escape(measure)} <span class="better">{better}</span></h3>'
        notes = {cell.note for cell in cells}
        told = " ".join(filter(None, [result.answers.get(measure, ""), _sentence(notes) if len(notes) == 1 else ""]))
        yield f"<p>{escape(told)}</p>"
        yield "<div>"
        low, high = _limits(cells)
        best = result.best(measure)
        for cell in cells:
            yield _row(cell, low, high, colour[cell.method], cell.method in best, cell.note if len(notes) > 1 else "")
        yield "</div></section>"
    yield "</div>"


def _row(cell: Cell, low: float, high: float, colour: str, best: bool, note: str) -> str:
    def at(value: float) -> float:
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    mean, lower, upper, _ = cell.value
    start, stop = sorted((at(0.0), at(mean)))
    whisker = ""
    if lower is not None and upper is not None and not says_nothing(cell.value, cell.unit):
        whisker = (
            f'<span class="whisker" style="left:{at(lower)}%;width:{max(at(upper) - at(lower), 0.5):.2f}%"></span>'
        )
    mark = ' <span title="best">★</span>' if best else ""
    figure = shown(cell).partition(" (")
    title = escape(shown(cell))
    told = f'<span class="note">{escape(note)}</span>' if note else ""
    return (
        f'<div class="row{" best" if best else ""}" title="{title}"><span class="name">{escape(cell.method)}{mark}</span>'
        f'<span class="track"><span class="bar" style="left:{start}%;width:{max(stop - start, 0.4):.2f}%;background:{colour}">'
        f'</span>{whisker}</span><span class="value">{escape(figure[0])}</span>{told}</div>'
    )


def _sentence(notes: set[str]) -> str:
    (note,) = notes
    return f"{note[:1].upper()}{note[1:]}." if note else ""


def _limits(cells: list[Cell]) -> tuple[float, float]:
    """From zero, or below, to a hundred percent, or the largest figure."""
    drawn = [cell.value[:1] if says_nothing(cell.value, cell.unit) else cell.value[:3] for cell in cells]
    ends = [end for three in drawn for end in three if end is not None]
    top = 100.0 if cells[0].unit == "%" else max(0.0, *ends)
    bottom = min(0.0, *ends)
    return bottom, top if top > bottom else bottom + 1.0


def _table(result: Figures) -> Iterator[str]:
    yield f"<h2>All figures</h2>\n{SCROLL}<table><thead><tr><th>method</th>"
    for measure in result.measures:
        yield f"<th>{escape(measure)}</th>"
    yield "</tr></thead><tbody>"
    best = {measure: result.best(measure) for measure in result.measures}
    for name in result.methods:
        yield f"<tr><th>{escape(name)}</th>"
        for measure in result.measures:
            cell = result.cell(name, measure)
            if cell is None:
                yield "<td>–</td>"
                continue
            figure, _, ends = shown(cell).partition(" (")
            interval = f"<small>{escape(ends.rstrip(')'))}</small>" if ends else ""
            kind = ' class="best"' if name in best[measure] else ""
            yield f"<td{kind}>{escape(figure)}{interval}</td>"
        yield "</tr>"
    yield "</tbody></table></div>"


def _plots(result: Figures, colour: dict[str, str]) -> Iterator[str]:
    if not result.figures:
        return
    yield '<h2>Curves</h2>\n<div class="plots">'
    for name, (title, x, y) in result.figures.items():
        lines = [curve for curve in result.curves if curve.figure == name]
        if not lines:
            continue
        yield f"<figure><figcaption>{escape(title)}</figcaption>{plot(name, lines, x, y, colour, result.baselines)}"
        yield '<div class="legend">'
        for line in lines:
            dashed = ' class="dashed"' if line.name in result.baselines else ""
            yield f'<span><i{dashed} style="border-color:{colour.get(line.name, "gray")}"></i>{escape(line.name)}</span>'
        yield "</div></figure>"
    yield "</div>"


SORTS = {
    "hit": ("Hits", "an overlap of 0.5 or more; the middle ones of three equal parts, from the best to the worst"),
    "near miss": ("Near misses", "an overlap from 0.3 to just under 0.5; those that missed by least"),
    "miss": ("Misses", "an overlap under 0.3, or no box at all; the middle ones of three equal parts"),
}


def _examples(found: Examples) -> Iterator[str]:
    where = f"the box of {found.method} at {found.threshold:.2f} of the maximum, its best threshold at IoU 0.5"
    yield "<h2>Hits, near misses, misses</h2>"
    yield f'<p class="faint">Yellow: {escape(where)}. Blue: the boxes that were annotated. '
    yield "The pictures are chosen by the rules below, not by eye.</p>"
    for kind, (title, rule) in SORTS.items():
        count = found.counts.get(kind, 0)
        yield f'<h3 style="margin:1.2rem 0 .2rem">{title}: {count:,}</h3>'
        if not count:
            continue
        yield f'<p class="faint">{escape(rule[:1].upper() + rule[1:])}.</p>\n<div class="gallery">'
        for one in found.shown:
            if one.kind == kind:
                told = (
                    f"overlap (IoU) {math.floor(100 * one.overlap) / 100:.2f}"
                    if one.found
                    else "the map shows nothing, so there is no box"
                )
                words = f"{one.name}, {one.label}: {told}"
                source = f"data:image/webp;base64,{one.picture}"
                yield f'<figure><img src="{source}" alt="{escape(words)}"><figcaption>{escape(words)}</figcaption></figure>'
        yield "</div>"


def _protocol(result: Figures) -> Iterator[str]:
    yield '<h2>How it was measured</h2>\n<p class="faint">Figures compare with others only where this is the same.</p>\n<dl>'
    for name, value in result.protocol.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd>"
    yield "</dl>"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
