"""`whylight calibrate`: one threshold for all pictures, chosen on annotated ones and stored with the model."""

from __future__ import annotations

import os
from typing import Annotated

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.jobs.job import Job

Method = Annotated[
    list[str] | None,
    opt.option(
        "Whose maps the boxes are cut out of: as for explain, or locate-fast. Default: locate, the map that locate takes.",
        metavar="NAME",
        show_default=False,
    ),
]
Iou = Annotated[float, opt.option("From which overlap with an annotated box on a box is right.", metavar="0...1")]
SaveAs = Annotated[
    str | None,
    opt.option(
        "Write a copy of the model with the threshold, rather than into the model's own file.",
        "--save-as",
        metavar="FILE",
        show_default=False,
    ),
]
Out = Annotated[
    str | None,
    opt.option(
        "Keep what is measured there, so that a stopped run goes on.",
        "--out",
        "-o",
        metavar="FOLDER",
        show_default=False,
    ),
]


def calibrate(
    data: opt.Data,
    boxes: opt.NeededBoxes,
    which: opt.NeededModel,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    method: Method = None,
    option: opt.MethodOption = None,
    iou: Iou = 0.5,
    label: opt.Label = None,
    save_as: SaveAs = None,
    out: Out = None,
    json_to: opt.JsonTo = None,
) -> None:
    """Choose the share of a map's maximum at which most boxes are right, one for all pictures, and store it with the model."""
    questions = {"methods": opt.named(method), "options": opt.options_of(option)}
    settings = {**wrap.settings(), "boxes": boxes, "label": label, "iou": iou, "save_as": save_as}
    job = Job("calibrate", [data], out, which.choice(layer=wrap.one_layer), questions, settings)
    with on.Screen(json_to, which.model) as screen:
        outcome = screen.run(job, run)
        stored, figures, file, words = outcome.result
        screen.put({**stored, **figures, "file": os.fspath(file)})
        screen.say(*words)
    on.leave(outcome)
