"""`whylight calibrate`: one threshold for all pictures, chosen on annotated ones and stored with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import evaluate_options as opt
from whylight.errors import WhylightError


def calibrate(
    data: opt.Data,
    boxes: opt.NeededBoxes,
    model: opt.ModelName,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Whose maps the boxes are cut out of: as for explain, or locate-fast. Default: locate, the map that locate takes.",
            show_default=False,
        ),
    ] = None,
    option: opt.MethodOption = None,
    layer: opt.Layer = None,
    fusion: opt.Fusion = "max",
    flip: opt.Flip = False,
    scales: opt.Scales = "1",
    smooth: opt.Smooth = False,
    iou: Annotated[
        float, typer.Option(metavar="0...1", help="From which overlap with an annotated box on a box is right.")
    ] = 0.5,
    label: opt.Label = None,
    save_as: Annotated[
        Path | None,
        typer.Option(
            "--save-as",
            metavar="FILE",
            help="Write a copy of the model with the threshold, rather than into the model's own file.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Keep what is measured there, so that a stopped run goes on.",
            show_default=False,
        ),
    ] = None,
    json_to: opt.JsonTo = None,
    weights: opt.Weights = None,
    classes: opt.Classes = None,
    pretrained: opt.Pretrained = True,
    precision: opt.Precision = "auto",
    device: opt.Device = "auto",
    batch_size: opt.BatchSize = None,
) -> None:
    """Choose the share of a map's maximum at which most boxes are right, one for all pictures, and store it with the model."""
    from whylight.cli.around import make_around
    from whylight.cli.calibrating import calibrate as carry_out
    from whylight.cli.evaluating import Question
    from whylight.cli.source import Source
    from whylight.evaluate.maps import Rules

    if not 0 < iou <= 1:
        raise WhylightError(f"--iou {iou:g}: expected an overlap above 0, up to 1")
    if precision not in ("auto", "fp32", "bf16"):
        raise WhylightError(f"--precision {precision!r}: choose one of auto, fp32, bf16")
    one_layer, around = make_around(layer, fusion, flip, scales, smooth)
    source = Source(
        model,
        pretrained=pretrained,
        weights=weights,
        classes=classes,
        layer=one_layer,
        device=device,
        precision=precision,
    )
    methods = tuple(method or ["locate"])
    question = Question(source, data, boxes, None, label, methods, tuple(option or ()), around, Rules())
    if not carry_out(question, iou, save_as, out, json_to=json_to, batch_size=batch_size):
        raise typer.Exit(1)
