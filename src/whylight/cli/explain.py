"""`whylight explain`: from pictures on disk to pictures of the evidence on disk."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from whylight.cli import one_file
from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.cli.maps import MapOptions, to_store
from whylight.errors import WhylightError
from whylight.jobs.job import Job
from whylight.jobs.session import Outcome
from whylight.shown import plural, shown
from whylight.work.words import certainty, evidence

Target = Annotated[
    list[str] | None,
    opt.option(
        "Class name or index; topK; rankK; 'A >> B' for A rather than B. Repeat it, or separate by commas without a "
        "space. Default: the most probable.",
        "--target",
        "-t",
        metavar="NAME|INDEX|...",
        show_default=False,
    ),
]
Style = Annotated[
    str,
    opt.option(
        "overlay: map over picture. panel: picture, map and overlay with a colour bar. map: the map alone. grid: all maps "
        "of a picture side by side.",
        of=("overlay", "panel", "map", "grid"),
    ),
]
Scale = Annotated[
    str | None,
    opt.option(
        "What colours mean. max: positive evidence, of each map's maximum. robust: but for single pixels that stand out. "
        "minmax: from least to most. signed: red for, blue against. A number: of that raw value, to compare pictures.",
        metavar="max|robust|minmax|signed|NUMBER",
        show_default=False,
    ),
]
Alpha = Annotated[float, opt.option("How much the strongest evidence covers.", metavar="0...1", min=0.0, max=1.0)]
Format = Annotated[
    str,
    opt.option(
        "Of the pictures written; pdf and svg for papers: words stay text.", "--format", of=("png", "jpg", "pdf", "svg")
    ),
]
Name = Annotated[
    str | None,
    opt.option(
        "Name of each file: words and {stem}, {method}, {label}, {target}, {style}, {model}, {probability}, {score}; / makes "
        "folders, as in '{label}/{stem}'. Default: '{stem}.{method}.{label}' in the sub-folders of the inputs.",
        "--name",
        metavar="TEMPLATE",
        show_default=False,
    ),
]
SaveMap = Annotated[bool, opt.option("Also write each raw map, in its own units, as .map.npz.", "--save-map")]
Verify = Annotated[
    bool,
    opt.option(
        "Check each map: does the score fall without its hottest part, and is the map the model's own?", "--verify"
    ),
]


def explain(
    context: typer.Context,
    inputs: opt.Inputs,
    which: opt.ModelOptions,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    store: MapOptions,
    method: opt.Methods = None,
    option: opt.MethodOption = None,
    target: Target = None,
    out: opt.Out = "explanations",
    json_to: opt.JsonTo = None,
    style: Style = "overlay",
    colormap: opt.Colormap = "plasma",
    alpha: Alpha = 0.5,
    scale: Scale = None,
    format_: Format = "png",
    name: Name = None,
    save_map: SaveMap = False,
    verify: Verify = False,
    html: opt.Html = False,
    multilabel: opt.Multilabel = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show where a classifier looks: writes <stem>.<method>.<label>.png and explanations.jsonl.

    Broken pictures are named at the end and in errors.jsonl, the rest is done. A second run does only what is missing.
    """
    chosen, targets, kind = opt.named(method), opt.named(target), one_file.format_of(out)
    if store.maps is not None:
        _check_maps_alone(context)
        choice = which.choice(layer=wrap.one_layer, multilabel=multilabel)
        questions = {"methods": chosen, "options": opt.options_of(option), "targets": targets}
        to_store(inputs, choice, questions, wrap.settings(), store, run)
        return
    store.check_alone()
    if kind is not None:
        one_file.check(out, inputs, targets, len(chosen), in_one=style == "grid", html=html)
    look = {
        "style": style,
        "colormap": colormap,
        "alpha": alpha,
        "scale": _scale(scale),
        "format": kind or format_,
        "save_map": save_map,
        "name": name,
    }
    folder = Path(out) if kind is None else Path(out).parent
    told = _Told(folder, verbose or verify)
    with on.Screen(json_to, which.model) as screen, one_file.folder_for(out) as made_in:
        job = Job(
            "explain",
            inputs,
            made_in,
            which.choice(layer=wrap.one_layer, multilabel=multilabel),
            {"methods": chosen, "options": opt.options_of(option), "targets": targets},
            {**wrap.settings(), **look, "verify": verify, "html": html},
        )

        def tell(record: on.Record, again: bool) -> None:
            if kind is not None:
                record = one_file.moved(made_in, record, out)
            screen.put({**public(record, folder), "skipped": again})
            screen.say(*told.lines(record, again, screen.pictures))

        screen.by_default = on.is_default(context, "model")
        screen.on_record = tell
        outcome = screen.run(job, run)
        if screen.pictures > 1:
            screen.say(*told.table(screen.pictures), summary(screen, outcome, folder), *told.verdict())
        if html:
            on.say_page(screen, out)
    on.leave(outcome)


def _check_maps_alone(context: typer.Context) -> None:
    """Complain about options of the pictures that are not drawn."""
    drawn = (
        "out",
        "json_to",
        "style",
        "colormap",
        "alpha",
        "scale",
        "format_",
        "name",
        "save_map",
        "verify",
        "html",
        "verbose",
    )
    for name in drawn:
        if not on.is_default(context, name):
            option = {"format_": "format", "json_to": "json"}.get(name, name).replace("_", "-")
            raise WhylightError(f"--{option}: nothing is drawn with --maps; leave it out, or explain without --maps")


class _Told:
    """What is said of results as they come, and of all of them."""

    def __init__(self, out: Path, every: bool) -> None:
        self._out, self._every = out, every
        self._verified: list[bool | None] = []
        self._tops: dict[str, on.Record] = {}

    def lines(self, record: on.Record, again: bool, pictures: int) -> list[str]:
        """A result in words, where there are few, or each is wanted."""
        self._tops.setdefault(record["stamp"]["path"], record)
        receipt = record.get("verified")
        if receipt is not None:
            self._verified.append(receipt["holds"])
        if pictures > on.LINES and not self._every:
            return []
        if pictures == 1:
            done = " (done before; --overwrite to do it again)" if again else ""
            line = sentence(record, self._out) + done
        else:
            line = f"{record['picture']}: {record['label']} ({certainty(record)}) → {self._out / record['file']}"
        return [line] if receipt is None else [line, f"  {receipt['sentence']}"]

    def table(self, pictures: int) -> list[str]:
        """How many pictures each class has, and how sure of it the model is, where there are too many for lines."""
        if pictures <= on.LINES or not self._tops:
            return []
        found: dict[str, list[float | None]] = {}
        for record in self._tops.values():
            found.setdefault(record["label"], []).append(record["probability"])
        ranked = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
        shown, rest = ranked[: on.LINES], ranked[on.LINES :]
        wide = max(len("class"), *(len(label) for label, _ in shown))
        rows = [f"{'class':{wide}}  pictures  median probability"]
        for label, of in shown:
            sure = [one for one in of if one is not None]
            rows.append(f"{label:{wide}}  {len(of):8}  {on.percent(median(sure)) if sure else 'none':>18}")
        if rest:
            rows.append(f"… and {len(rest)} more, of fewer pictures")
        return rows

    def verdict(self) -> list[str]:
        """How many maps pass, where they were checked."""
        if not self._verified:
            return []
        judged = [holds for holds in self._verified if holds is not None]
        absent = len(self._verified) - len(judged)
        aside = f"; {plural(absent, 'map')} of what is not there, which has no place, left out" if absent else ""
        where = self._out / "explanations.jsonl"
        return [
            f"verified: {sum(judged)} of {plural(len(judged), 'map')} pass both checks{aside}; what was found is in {where}"
        ]


def _scale(text: str | None) -> str | float | None:
    if text is None or text in ("max", "robust", "minmax", "signed"):
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise WhylightError(f"--scale {shown(text)!r}: choose one of max, robust, minmax, signed, or give a number")
    return number


def public(record: on.Record, out: Path) -> dict[str, object]:
    """A record without what only re-runs need, its files as they can be opened from here."""
    told = {key: value for key, value in record.items() if key not in ("settings", "stamp")}
    told["file"] = str(out / record["file"])
    told["map"] = str(out / record["map"]) if record["map"] else None
    return told


def sentence(record: on.Record, folder: Path) -> str:
    """One result in words: what, how sure, where the evidence is, and where the picture of it went."""
    masks = (record.get("details") or {}).get("masks")
    taken = f", from {masks:,} masks" if masks else ""
    return f"{record['picture']}: {record['label']} ({certainty(record)}), {evidence(record)}{taken} → {folder / record['file']}"


def summary(screen: on.Screen, outcome: Outcome, out: Path) -> str:
    """A run in words: how much, how fast, what held it up, what was there before and what failed."""
    parts, progress = [], outcome.progress
    if screen.new:
        made = progress.done - progress.failed
        rate = f"{made / progress.seconds:.3g} pictures/s after {screen.loading:.1f} s of loading"
        limit = on.limited_by(progress)
        parts.append(f"{plural(screen.new, 'explanation')} in {progress.seconds:.1f} s ({rate}{limit}) → {out}/")
    if screen.known:
        parts.append(f"{screen.known} done before" + ("" if screen.new else f", nothing left to do in {out}/"))
    if outcome.failed:
        parts.append(f"{plural(len(outcome.failed), 'picture')} failed, see {outcome.errors_file}")
    return "; ".join(parts)
