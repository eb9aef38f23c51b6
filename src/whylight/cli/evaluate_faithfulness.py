"""`whylight evaluate faithfulness` and `whylight evaluate sanity`: does the map show what the network uses, and what it learned?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import evaluate_options as opt
from whylight.errors import WhylightError

Target = Annotated[
    str,
    typer.Option(
        metavar="auto|true|predicted",
        help="Whose map and score: of the picture's class, or of the most probable one. auto: true where folders name classes.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Take only N pictures, evenly spread over the list.", show_default=False),
]
Multilabel = Annotated[
    bool, typer.Option("--multilabel", help="Classes do not exclude each other: probabilities are sigmoids.")
]


def faithfulness(
    data: opt.Data,
    model: opt.ModelName = "face",
    methods: opt.Methods = None,
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Among insertion, deletion, road, drop, increase, infidelity, sensitivity; or all. Default: all but sensitivity, "
            "which makes every map ten times more.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", min=1, help="Steps of deletion and insertion.")] = 28,
    blur: Annotated[
        int, typer.Option(metavar="PIXELS", min=1, help="Side of the blur that insertion starts from, odd.")
    ] = 11,
    sigma: Annotated[float, typer.Option(metavar="PIXELS", help="Its standard deviation.")] = 5.0,
    option: opt.MethodOption = None,
    layer: opt.Layer = None,
    fusion: opt.Fusion = "max",
    flip: opt.Flip = False,
    scales: opt.Scales = "1",
    smooth: opt.Smooth = False,
    label: opt.Label = None,
    target: Target = "auto",
    limit: Limit = None,
    out: opt.Out = Path("evaluation"),
    json_to: opt.JsonTo = None,
    weights: opt.Weights = None,
    classes: opt.Classes = None,
    pretrained: opt.Pretrained = True,
    multilabel: Multilabel = False,
    precision: opt.Precision = "auto",
    device: opt.Device = "auto",
    batch_size: opt.BatchSize = None,
    seed: opt.Seed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Do the maps show what the network uses? Insertion, deletion, ROAD, ...; beside a centred blob and random maps.

    Pictures that cannot be read are named at the end and in errors.jsonl, the rest is done.
    """
    from whylight.cli.around import make_around
    from whylight.cli.judging import Judged, judge_faithfulness
    from whylight.cli.source import Source

    _one_of(target, "--target", ("auto", "true", "predicted"))
    _one_of(precision, "--precision", ("auto", "fp32", "bf16"))
    one_layer, around = make_around(layer, fusion, flip, scales, smooth)
    source = Source(
        model,
        pretrained=pretrained,
        weights=weights,
        classes=classes,
        layer=one_layer,
        device=device,
        multilabel=multilabel,
        precision=precision,
    )
    judged = Judged(source, data, label, tuple(methods or ()), tuple(option or ()), around, target, limit, seed)
    fine = judge_faithfulness(
        judged,
        measures=measures,
        steps=steps,
        blur=(blur, sigma),
        out=out,
        json_to=json_to,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    if not fine:
        raise typer.Exit(1)


def sanity(
    data: opt.Data,
    model: opt.ModelName = "face",
    methods: opt.Methods = None,
    stages: Annotated[int, typer.Option(metavar="N", min=1, help="Steps from the last layer to all layers.")] = 6,
    random_labels: Annotated[
        str | None,
        typer.Option(
            "--random-labels",
            metavar="RUN",
            help="A model of the same classes that was trained on labels dealt out at random: its maps should differ.",
            show_default=False,
        ),
    ] = None,
    option: opt.MethodOption = None,
    layer: opt.Layer = None,
    fusion: opt.Fusion = "max",
    flip: opt.Flip = False,
    scales: opt.Scales = "1",
    smooth: opt.Smooth = False,
    label: opt.Label = None,
    target: Target = "auto",
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, help="Take only N pictures, evenly spread over the list.")
    ] = 50,
    out: opt.Out = Path("evaluation"),
    json_to: opt.JsonTo = None,
    weights: opt.Weights = None,
    classes: opt.Classes = None,
    pretrained: opt.Pretrained = True,
    multilabel: Multilabel = False,
    precision: opt.Precision = "auto",
    device: opt.Device = "auto",
    batch_size: opt.BatchSize = None,
    seed: opt.Seed = 0,
    overwrite: opt.Overwrite = False,
) -> None:
    """Do the maps depend on what the network learned? They should change with random weights, and stay under a little noise.

    The network is copied, its weights are randomised from the last layer down; a method whose maps stay draws edges, not reasons.
    """
    from whylight.cli.around import make_around
    from whylight.cli.judging import Judged, judge_sanity
    from whylight.cli.source import Source

    _one_of(target, "--target", ("auto", "true", "predicted"))
    _one_of(precision, "--precision", ("auto", "fp32", "bf16"))
    one_layer, around = make_around(layer, fusion, flip, scales, smooth)
    source = Source(
        model,
        pretrained=pretrained,
        weights=weights,
        classes=classes,
        layer=one_layer,
        device=device,
        multilabel=multilabel,
        precision=precision,
    )
    judged = Judged(source, data, label, tuple(methods or ()), tuple(option or ()), around, target, limit, seed)
    fine = judge_sanity(
        judged,
        stages=stages,
        random_labels=random_labels,
        out=out,
        json_to=json_to,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    if not fine:
        raise typer.Exit(1)


def _one_of(value: str, name: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise WhylightError(f"{name} {value!r}: choose one of {', '.join(choices)}")
