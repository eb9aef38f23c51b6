"""`whylight locate`: from pictures on disk to boxes around the objects in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.errors import WhylightError
from whylight.jobs.job import Job
from whylight.shown import plural
from whylight.work.words import found

Target = Annotated[
    str | None,
    opt.option(
        "Class to find. Default: the most probable.", "--target", "-t", metavar="NAME|INDEX", show_default=False
    ),
]
Sequential = Annotated[bool, opt.option("Find one, erase it, look again, until the class is gone.", "--sequential")]
MaxObjects = Annotated[int, opt.option("At most so many boxes a picture.", metavar="N", min=1)]
Fast = Annotated[bool, opt.option("One pass through the network instead of several.", "--fast")]
Method = Annotated[
    str | None,
    opt.option(
        "Cut boxes out of this method's maps; box: ask a box head. Default: what finds objects best.",
        metavar="NAME",
        show_default=False,
    ),
]
Threshold = Annotated[
    float | None,
    opt.option(
        "Share of each map's maximum that belongs to an object; of a box head, the least score. "
        "Default: the calibrated one, else the method's.",
        metavar="0...1",
        show_default=False,
    ),
]
Largest = Annotated[bool, opt.option("Only the box of the largest connected part.", "--largest")]
Iou = Annotated[
    float | None,
    opt.option(
        "Drop boxes that overlap a better one by more, or lie within it; 1 keeps all. Default: 0.5.",
        metavar="0...1",
        min=0.0,
        max=1.0,
        show_default=False,
    ),
]
MinProbability = Annotated[
    float | None,
    opt.option(
        "A class less probable in a picture has no boxes there; 0 insists. Default: 0.5 for a named --target.",
        metavar="0...1",
        min=0.0,
        max=1.0,
        show_default=False,
    ),
]
Erase = Annotated[
    str | None,
    opt.option(
        "How --sequential takes an object away. Default: what `whylight.locate` takes.",
        "--erase",
        of=("blur", "mean", "inpaint"),
        show_default=False,
    ),
]
Also = Annotated[
    str | None,
    opt.option(
        "Write the boxes in these forms, too: coco.json, labels/*.txt with classes.txt, boxes.csv.",
        metavar="coco,yolo,csv",
        show_default=False,
    ),
]
Strip = Annotated[
    bool, opt.option("Also each picture's looks side by side (.png) and one after another (.webp).", "--strip")
]


def locate(
    context: typer.Context,
    inputs: opt.Inputs,
    which: opt.ModelOptions,
    run: opt.RunOptions,
    target: Target = None,
    out: opt.Out = "locations",
    sequential: Sequential = False,
    max_objects: MaxObjects = 10,
    fast: Fast = False,
    method: Method = None,
    threshold: Threshold = None,
    largest: Largest = False,
    iou: Iou = None,
    eraser: Erase = None,
    min_probability: MinProbability = None,
    also: Also = None,
    strips: Strip = False,
    html: opt.Html = False,
    json_to: opt.JsonTo = None,
) -> None:
    """Find objects with a classifier that knows labels only: writes <stem>.boxes.png and boxes.jsonl.

    Without --target, a picture whose top class says that nothing is there (background; "no face" beside "face") has no boxes.
    Broken pictures are named at the end and in errors.jsonl, the rest is done. A second run does only what is missing.
    """
    if eraser is not None and not sequential:
        raise WhylightError("--erase: only --sequential takes objects away; add it, or leave --erase out")
    if iou is not None and sequential:
        raise WhylightError("--iou: is for one look at the whole picture; leave --iou or --sequential out")
    settings = {
        "sequential": sequential,
        "max_objects": max_objects,
        "fast": fast,
        "method": method,
        "threshold": threshold,
        "largest": largest,
        **({} if iou is None else {"iou": iou}),
        **({} if eraser is None else {"eraser": eraser}),
        "min_probability": min_probability,
        "strips": strips,
        "html": html,
        "forms": [part.strip() for part in (also or "").split(",") if part.strip()],
    }
    job = Job("locate", inputs, out, which.choice(), {"target": target}, settings)
    with on.Screen(json_to, which.model) as screen:
        latest: dict[str, on.Record] = {}
        screen.by_default = on.is_default(context, "model")
        screen.on_record = lambda record, again: latest.update({record["stamp"]["path"]: record})
        outcome = screen.run(job, run)
        done = [latest[path] for path in outcome.result if path in latest]
        for record in done:
            screen.put({key: value for key, value in record.items() if key not in ("settings", "stamp", "map")})
        if screen.pictures == 1:
            for record in done:
                screen.say(sentence(record, Path(out)))
        else:
            boxes = sum(len(record["boxes"]) for record in done)
            rate = f", {outcome.progress.rate:.3g} pictures/s{on.limited_by(outcome.progress)}" if screen.new else ""
            failed = f"; {len(outcome.failed)} failed, see {outcome.errors_file}" if outcome.failed else ""
            what = f"{boxes} {'box' if boxes == 1 else 'boxes'} in {plural(len(done), 'picture')}"
            screen.say(f"{what} ({screen.known} done before{rate}) → {Path(out)}/{background(done)}{failed}")
        if any(record["label"] == "face" and record["boxes"] for record in done):
            on.tell("to tell faces apart, close ones too: whylight face … --faces all", err=True)
        if html:
            on.say_page(screen, out)
    on.leave(outcome)


def sentence(record: on.Record, out: Path) -> str:
    """What was found in one picture, in words."""
    first, last = record["steps"][0]["probability_before"], record["steps"][-1]["probability_after"]
    erased = f", {on.percent(last)} once erased" if last is not None else ""
    sure = f" ({on.percent(first)}{erased})" if first is not None else ""
    return f"{record['picture']}: {found(record)}{sure} → {out / record['file']}"


def background(records: list[on.Record]) -> str:
    """How many pictures show a background class, in words."""
    from whylight.localize.location import NOTHING

    labels = [record["label"] for record in records if record["stopped"].startswith(NOTHING)]
    if not labels:
        return ""
    return f"; {NOTHING} in {len(labels)} ({', '.join(sorted(set(labels)))}; --target asks all the same)"
