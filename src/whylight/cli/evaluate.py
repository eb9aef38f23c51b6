"""`whylight evaluate`: can the maps be trusted? Figures over annotated pictures, with intervals, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import evaluate_options as opt
from whylight.cli.evaluate_faithfulness import faithfulness, sanity
from whylight.cli.group import Group
from whylight.errors import WhylightError

app = typer.Typer(
    cls=Group,
    help="Measure whether maps can be trusted: do they find the object, does the model need what they show, would they change "
    "with the model? Writes results.json and report.html; a run that was stopped goes on from there.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def localization(
    data: opt.Data,
    model: opt.ModelName = "face",
    boxes: opt.Boxes = None,
    masks: opt.Masks = None,
    mask_ignore: opt.MaskIgnore = None,
    label: opt.Label = None,
    methods: opt.Methods = None,
    option: opt.MethodOption = None,
    layer: opt.Layer = None,
    fusion: opt.Fusion = "max",
    flip: opt.Flip = False,
    scales: opt.Scales = "1",
    smooth: opt.Smooth = False,
    target: Annotated[
        str,
        typer.Option(
            metavar="true|predicted|both",
            help="Whose map: of the picture's class (GT-known), or of the most probable one (top-1; a miss where it is another).",
        ),
    ] = "true",
    threshold: opt.Threshold = None,
    tolerance: Annotated[
        float, typer.Option(metavar="PIXELS", min=0.0, help="How near the object the pointing game allows.")
    ] = 15.0,
    inclusive: Annotated[
        bool, typer.Option("--inclusive", help="Count overlaps as wsolevaluation does: x1 and y1 belong to the box.")
    ] = False,
    out: opt.Out = Path("evaluation"),
    json_to: opt.JsonTo = None,
    weights: opt.Weights = None,
    classes: opt.Classes = None,
    pretrained: opt.Pretrained = True,
    precision: opt.Precision = "auto",
    device: opt.Device = "auto",
    batch_size: opt.BatchSize = None,
    seed: opt.Seed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Do the maps find the object? MaxBoxAcc, PxAP, pointing games; beside a centred blob and random maps.

    Pictures that cannot be read are named at the end and in errors.jsonl, the rest is done.
    """
    from whylight.cli.around import make_around
    from whylight.cli.evaluating import Question, localize
    from whylight.cli.source import Source
    from whylight.evaluate.maps import Rules

    if target not in ("true", "predicted", "both"):
        raise WhylightError(f"--target {target!r}: choose one of true, predicted, both")
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
    question = Question(
        source,
        data,
        boxes,
        masks,
        label,
        methods=tuple(methods or [source.default_method]),
        options=tuple(option or ()),
        around=around,
        rules=Rules(tolerance, inclusive, mask_ignore, seed),
    )
    if not localize(question, target, threshold, out, json_to=json_to, batch_size=batch_size, overwrite=overwrite):
        raise typer.Exit(1)


app.command("localization", no_args_is_help=True)(localization)
app.command("faithfulness", no_args_is_help=True)(faithfulness)
app.command("sanity", no_args_is_help=True)(sanity)
