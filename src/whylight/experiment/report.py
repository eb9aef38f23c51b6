"""The report of an experiment: one HTML page with everything in it, the plots as files, and the figures as JSON and CSV."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from whylight.atomic import named_errors, replacing
from whylight.errors import TrainError
from whylight.evaluate.bootstrap import Interval
from whylight.evaluate.reports.page import SCROLL, STYLE
from whylight.experiment import plots
from whylight.experiment.findings import FIGURES, Figure, Measured, gather, open_ended, value
from whylight.experiment.measure import EACH, MISTAKES
from whylight.experiment.recipe import Recipe
from whylight.experiment.run import Failed, Planned
from whylight.shown import html as escape

TWO_SEEDS = (
    "Two seeds only: a 95 % interval of two is nine standard deviations to either side. Where that leaves everything open it is "
    "not drawn, and the tables say so. Of three seeds it is less than a third as wide."
)
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
HTML, JSON, CSV, PLOTS = "report.html", "results.json", "runs.csv", "plots"
MORE_STYLE = """
figure img { width: 100%; height: auto; display: block; border-radius: .3rem; background: #fff; }
tbody th { white-space: nowrap; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
@media (max-width: 34rem) { .wide { overflow-x: auto; } .wide img { width: 34rem; }
  .plots .wide img { min-width: 0; width: 100%; } }
.pairs { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
figcaption { font-weight: 500; font-size: .9rem; }
.answer { font-size: 1.05rem; } .small { font-size: .87rem; }
"""


def write(recipe: Recipe, planned: Sequence[Planned], out: Path, failed: Sequence[Failed] = ()) -> Path:
    """Write the report of all runs that are measured so far, and return the page's path.

    Raises:
        TrainError: if no run is measured.
        WriteError: if a file cannot be written.
    """
    arms = gather(planned)
    if not arms:
        why = f" {failed[0].run} failed: {failed[0].why}" if failed else ""
        raise TrainError(f"{out}: no run is done, so there is nothing to report.{why}")
    figures = [figure for figure in FIGURES if all(value(figure, arm) is not None for arm in arms)]
    page = _Page(recipe, arms, figures, planned, failed, out)
    _save(out / HTML, "\n".join(page.lines()).encode())
    _save(out / JSON, (json.dumps(_json(recipe, arms, figures, failed), indent=2) + "\n").encode())
    _save(out / CSV, _csv(recipe, arms, figures).encode(errors="surrogateescape"))
    return out / HTML


def shown(v: Interval, unit: str) -> str:
    """A figure and its interval as they are read.

    >>> shown(Interval(97.24, 96.1, 98.38, 3), "%")
    '97.2 % (96.1 … 98.4)'
    >>> shown(Interval(0.1234, None, None, 1), "nats")
    '0.123 nats'
    >>> shown(Interval(93.0, 29.5, 100.0, 2), "%")
    '93.0 % (two seeds say nothing)'
    """
    digits = 1 if unit in ("%", "s") else 3
    text = f"{v.mean:.{digits}f} {unit}".rstrip()
    if open_ended(v, unit):
        return (
            f"{text} ({COUNTS.get(v.n, str(v.n))} seeds say nothing)"
            if v.n > 1
            else f"{text} (so few pictures say nothing)"
        )
    return text if v.low is None or v.high is None else f"{text} ({v.low:.{digits}f} … {v.high:.{digits}f})"


class _Page:
    """The page's lines; each plot is saved on the way."""

    def __init__(
        self,
        recipe: Recipe,
        arms: list[Measured],
        figures: list[Figure],
        planned: Sequence[Planned],
        failed: Sequence[Failed],
        out: Path,
    ) -> None:
        self.recipe, self.arms, self.figures, self.planned, self.failed, self.out = (
            recipe, arms, figures, planned, failed, out,
        )  # fmt: skip
        facts = arms[0].runs[0].facts
        self.classes: list[str] = facts["classes"]
        self.split, self.pictures, self.method = facts["split"], facts["pictures"], facts["method"]

    def lines(self) -> Iterator[str]:
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield f"<title>{escape(self.recipe.title)}</title>\n<style>{STYLE}{MORE_STYLE}</style>\n</head>\n<body>"
        yield from self._head()
        yield from self._answer()
        yield from self._table()
        yield from self._learning()
        yield from self._classes()
        yield from self._looking()
        yield from self._mistakes()
        yield from self._how()
        yield "</body>\n</html>\n"

    def _head(self) -> Iterator[str]:
        yield f"<h1>{escape(self.recipe.title)}</h1>"
        if self.recipe.question:
            yield f'<p class="answer">{escape(self.recipe.question)}</p>'
        runs = sum(len(arm.runs) for arm in self.arms)
        words = f"{len(self.arms)} arms, {runs} runs · measured on {self.pictures} pictures of {self.split}/"
        yield f'<p class="faint">{escape(words)}</p>'
        if runs < len(self.planned):
            yield f'<p class="remark">{runs} of {len(self.planned)} runs are done: figures may still change.</p>'
        for one in self.failed:
            yield f'<p class="remark">{escape(one.run)} failed: {escape(one.why)}</p>'
        if len(self.recipe.seeds) == 1:
            yield (
                '<p class="remark">One seed only: the intervals are over pictures, and say nothing of how much another run '
                "would differ. Give three seeds for that.</p>"
            )
        if len(self.recipe.seeds) == 2:
            yield f'<p class="remark">{TWO_SEEDS}</p>'

    def _answer(self) -> Iterator[str]:
        """The figures that the arms are compared by, drawn."""
        known = {f.key: f for f in self.figures}
        main = [known[key] for key in ("accuracy", "boxes", "pointing", "calibration_error") if key in known]
        kind = "Student's t over seeds" if len(self.recipe.seeds) > 1 else "over pictures, for the accuracy"
        if any(open_ended(v, f.unit) for f in main for arm in self.arms if (v := value(f, arm)) is not None):
            kind += "; a hollow point where it says nothing"
        yield '<h2>What came of it</h2>\n<div class="pairs">'
        for start in range(0, len(main), 2):
            some = main[start : start + 2]
            caption = f"95 % intervals: {kind}" if start == 0 else ""
            yield self._figure(
                f"figures-{start // 2 + 1}", plots.against(some, self.recipe.factors, self.arms), caption
            )
        yield "</div>"

    def _table(self) -> Iterator[str]:
        yield f"<h2>All figures</h2>\n{SCROLL}<table><thead><tr><th>arm</th><th>runs</th>"
        for figure in self.figures:
            yield f"<th>{escape(figure.name)}</th>"
        yield "</tr></thead><tbody>"
        for arm in self.arms:
            yield f"<tr><th>{escape(arm.name)}</th><td>{len(arm.runs)}</td>"
            for figure in self.figures:
                v = value(figure, arm)
                assert v is not None
                number, _, ends = shown(v, figure.unit).partition(" (")
                between = f"<small>{escape(ends.rstrip(')'))}</small>" if ends else ""
                yield f"<td>{escape(number)}{between}</td>"
            yield "</tr>"
        yield "</tbody></table></div>"

    def _learning(self) -> Iterator[str]:
        yield "<h2>Learning</h2>"
        caption = "Training is measured on the pictures and labels that it is given, validation on plain ones"
        band = "; bands from the least to the most of the seeds" if len(self.recipe.seeds) > 1 else ""
        yield self._figure("learning", plots.learning(self.arms), caption + band)

    def _classes(self) -> Iterator[str]:
        yield "<h2>Class by class</h2>"
        yield f"{SCROLL}<table><thead><tr><th>recall</th>"
        for name in self.classes:
            yield f"<th>{escape(name)}</th>"
        yield "</tr></thead><tbody>"
        for arm in self.arms:
            yield f"<tr><th>{escape(arm.name)}</th>"
            for c in range(len(self.classes)):
                found = [run.scores.recall[c] for run in arm.runs]
                mean = sum(found) / len(found)  # NaN where no picture of the class is measured on
                yield f"<td>{100 * mean:.1f} %</td>" if mean == mean else "<td>none</td>"
            yield "</tr>"
        yield '</tbody></table></div>\n<h2>Confusion, ranking, calibration</h2>\n<div class="plots">'
        for place, (_, canvas) in enumerate(plots.confusion(self.arms, self.classes), 1):
            yield self._figure(f"confusion-{place}", canvas, "")
        yield '</div>\n<div class="plots" style="margin-top:1rem">'
        corner = "The mean over classes, each against the rest; an inset, where networks are good: the corner that they reach"
        yield self._figure("ranking", plots.ranking(self.arms), corner)
        yield self._figure("precision", plots.precision(self.arms), "Likewise")
        yield self._figure("calibration", plots.calibration(self.arms), "All classes together")
        yield "</div>"

    def _looking(self) -> Iterator[str]:
        yield "<h2>Where they look</h2>"
        caption = f"The mean {self.method} map of each class's pictures (of {EACH} at most), each stretched to a square; first seed"
        yield self._figure("mean-maps", plots.mean_maps(self.arms, self.classes), caption)

    def _mistakes(self) -> Iterator[str]:
        yield "<h2>The most confident mistakes</h2>"
        yield '<p class="faint">Each with the map of the class that was named; first seed.</p>'
        for arm in self.arms:
            run = arm.runs[0]
            yield f'<h3 style="margin:1rem 0 .4rem">{escape(arm.name)}</h3>'
            if not run.facts["mistakes"]:
                yield '<p class="small">None.</p>'
                continue
            yield '<div class="gallery">'
            for one in run.facts["mistakes"]:
                source = _embedded((run.folder / MISTAKES / one["file"]).read_bytes(), "jpeg")
                words = (
                    f"{escape(one['picture'])}: named <b>{escape(one['named'])}</b> ({100 * one['probability']:.0f} %), is "
                    f"<b>{escape(one['is'])}</b> ({100 * one['own']:.0f} %)"
                )
                yield f'<figure><img src="{source}" alt="{escape(one["picture"])}"><figcaption>{words}</figcaption></figure>'
            yield "</div>"

    def _how(self) -> Iterator[str]:
        yield "<h2>How it was done</h2>\n<dl>"
        for factor in self.recipe.factors:
            yield f"<dt>{escape(factor.name)}</dt><dd>"
            yield escape("; ".join(f"{one.name}: {_words(one.settings)}" for one in factor.levels))
            yield "</dd>"
        yield f"<dt>every run</dt><dd>{escape(_words(self.recipe.settings))}</dd>"
        yield f"<dt>seeds</dt><dd>{escape(', '.join(map(str, self.recipe.seeds)))}</dd>"
        counts = {arm.name: arm.runs[0].facts["trained_on"] for arm in self.arms}
        yield f"<dt>pictures an epoch</dt><dd>{escape('; '.join(f'{n}: {sum(c)}' for n, c in counts.items()))}</dd>"
        if any(arm.runs[0].facts["flipped"] for arm in self.arms):
            flipped = "; ".join(f"{arm.name}: {arm.runs[0].facts['flipped']}" for arm in self.arms)
            yield f"<dt>labels flipped</dt><dd>{escape(flipped)} (flips.csv in each run's folder)</dd>"
        yield "</dl>"

    def _figure(self, name: str, canvas: Canvas, caption: str) -> str:
        data = plots.png(canvas)
        _save(self.out / PLOTS / f"{name}.png", data)
        words = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        wide = round(100 * canvas.get_figwidth())
        source = f'src="{_embedded(data, "png")}" style="max-width:{wide}px"'
        return f'<figure class="wide"><img {source} alt="{escape(caption or name)}">{words}</figure>'


def _embedded(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _words(settings: Any) -> str:
    def text(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return Path(value).name if isinstance(value, str) and "/" in value and Path(value).is_absolute() else str(value)

    return ", ".join(f"{key.replace('_', ' ')} {text(value)}" for key, value in settings.items())


def _json(recipe: Recipe, arms: list[Measured], figures: list[Figure], failed: Sequence[Failed]) -> dict[str, Any]:
    return {
        "title": recipe.title,
        "recipe": recipe.to_dict(),
        "figures": {f.key: {"name": f.name, "unit": f.unit, "better": f.better} for f in figures},
        "arms": [
            {
                "levels": list(arm.arm.levels),
                "seeds": [run.seed for run in arm.runs],
                "figures": {f.key: v._asdict() for f in figures if (v := value(f, arm)) is not None},
                "runs": [{"seed": run.seed, **{f.key: f.of(run) for f in figures}} for run in arm.runs],
            }
            for arm in arms
        ],
        "failed": [{"run": one.run, "why": one.why} for one in failed],
    }


def _csv(recipe: Recipe, arms: list[Measured], figures: list[Figure]) -> str:
    """One line a run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*(factor.name for factor in recipe.factors), "seed", *(f.key for f in figures)])
    for arm in arms:
        for run in arm.runs:
            found = [f.of(run) for f in figures]
            numbers = ["" if one is None else f"{one:.6g}" for one in found]
            table.writerow([*arm.arm.levels, run.seed, *numbers])
    return text.getvalue()


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with named_errors(path), replacing(path) as file:
        file.write(data)
