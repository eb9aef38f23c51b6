"""`whylight explain`: from pictures on disk to pictures of the evidence on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.jobs.job import Job
from whylight.jobs.session import Outcome
from whylight.shown import plural
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
    inputs: opt.Inputs,
    which: opt.ModelOptions,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    method: opt.Methods = None,
    option: opt.MethodOption = None,
    target: Target = None,
    out: opt.Out = "explanations",
    json_to: opt.JsonTo = None,
    style: Style = "overlay",
    colormap: opt.Colormap = "plasma",
    alpha: Alpha = 0.5,
    format_: Format = "png",
    name: Name = None,
    save_map: SaveMap = False,
    verify: Verify = False,
    html: opt.Html = False,
    multilabel: opt.Multilabel = False,
) -> None:
    """Show where a classifier looks: writes <stem>.<method>.<label>.png and explanations.jsonl.

    Broken pictures are named at the end and in errors.jsonl, the rest is done. A second run does only what is missing.
    """
    look = {"style": style, "colormap": colormap, "alpha": alpha, "format": format_, "save_map": save_map, "name": name}
    job = Job(
        "explain",
        inputs,
        out,
        which.choice(layer=wrap.one_layer, multilabel=multilabel),
        {"methods": opt.named(method), "options": opt.options_of(option), "targets": opt.named(target)},
        {**wrap.settings(), **look, "verify": verify, "html": html},
    )
    verified: list[bool] = []
    with on.Screen(json_to, which.model) as screen:

        def tell(record: on.Record, again: bool) -> None:
            screen.put({**public(record, Path(out)), "skipped": again})
            if "verified" in record:
                verified.append(record["verified"]["holds"])
            if screen.pictures == 1:
                done = " (done before; --overwrite to do it again)" if again else ""
                screen.say(sentence(record, Path(out)) + done)
                if "verified" in record:
                    screen.say(f"  {record['verified']['sentence']}")

        screen.on_record = tell
        outcome = screen.run(job, run)
        if screen.pictures > 1:
            screen.say(summary(screen, outcome, Path(out)))
            if verified:
                maps, where = plural(len(verified), "map"), Path(out) / "explanations.jsonl"
                screen.say(f"verified: {sum(verified)} of {maps} pass both checks; what was found is in {where}")
        if html:
            on.say_page(screen, out)
    on.leave(outcome)


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
