"""`whylight explain`: from pictures on disk to pictures of the evidence on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.errors import WhylightError


def explain(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Pictures, folders (searched recursively), globs.", show_default=False),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A bundled, timm or torchvision/ name, hf-hub:..., a run folder, a .safetensors or .onnx file; see `models`.",
        ),
    ] = "face",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="How: gradcam, cam, layercam, ... Repeat it or separate by commas. Default: gradcam.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="NAME|INDEX|...",
            help="Class name or index; topK; rankK; 'A >> B' for A rather than B. Repeat it, or separate by commas without a "
            "space. Default: the most probable.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Folder for the results; sub-folders of the inputs are mirrored in it.",
        ),
    ] = Path("explanations"),
    json_to: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE|-",
            help="Also write one JSON line for each result to a file, or to stdout (-) and nothing else there.",
            show_default=False,
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            help="overlay: map over picture. panel: picture, map and overlay with a colour bar. map: the map alone.",
            metavar="overlay|panel|map",
        ),
    ] = "overlay",
    colormap: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Any matplotlib name; plasma, inferno, viridis, ...; jet for the classic look."
        ),
    ] = "plasma",
    alpha: Annotated[
        float, typer.Option(metavar="0...1", min=0.0, max=1.0, help="How much the strongest evidence covers.")
    ] = 0.5,
    format_: Annotated[str, typer.Option("--format", help="Of the pictures written.", metavar="png|jpg")] = "png",
    save_map: Annotated[
        bool, typer.Option("--save-map", help="Also write each raw map, in its own units, as .npz.")
    ] = False,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Layer to look at; several are fused. Default: the last spatial one.",
            show_default=False,
        ),
    ] = None,
    fusion: Annotated[
        str, typer.Option(metavar="max|mean|sum", help="How the maps of several layers become one.")
    ] = "max",
    flip: Annotated[bool, typer.Option("--flip", help="Average with the map of the mirrored picture.")] = False,
    scales: Annotated[
        str, typer.Option(metavar="1,1.5", help="Average over inputs of these sizes, relative to the usual one.")
    ] = "1",
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Project the map onto the main patterns of the activations.")
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="METHOD.KEY=VALUE",
            help="An option of a method, e.g. rise.masks=4000. Repeatable.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with weights for a timm or torchvision architecture: .pth, .pt or .safetensors.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Text file with one class name a line, for a model that has none.", show_default=False
        ),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--no-pretrained", help="Take a zoo model's published weights, or random ones.")
    ] = True,
    multilabel: Annotated[
        bool, typer.Option("--multilabel", help="Classes do not exclude each other: probabilities are sigmoids.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="N|H,W", help="Input of an ONNX file that leaves it open. Default: 224.", show_default=False
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="What an ONNX file's input has subtracted, of colours from 0 to 1. Default: ImageNet's.",
            show_default=False,
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="What it is divided by. Default: ImageNet's.", show_default=False),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|bf16",
            help="Of methods that run the network many times. auto: bf16 where the processor has it and the network agrees.",
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Pictures in one forward. Default: 16 on the processor, 32 elsewhere, 1 for methods of many forwards.",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Check each map: does the score fall without its hottest part, and is the map the model's own?",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is done already.")] = False,
) -> None:
    """Show where a classifier looks: writes <stem>.<method>.<label>.png and explanations.jsonl.

    Broken pictures are named at the end and in errors.jsonl, the rest is done. A second run does only what is missing.
    """
    from whylight.cli.around import make_around
    from whylight.cli.plan import make_plan
    from whylight.cli.run import run
    from whylight.cli.source import Source
    from whylight.cli.write import Look

    one_layer, around = make_around(layer, fusion, flip, scales, smooth)
    source = Source(
        model,
        pretrained=pretrained,
        weights=weights,
        classes=classes,
        layer=one_layer,
        device=device,
        multilabel=multilabel,
        size=size,
        mean=mean,
        std=std,
        precision=_one_of(precision, "--precision", ("auto", "fp32", "bf16")),
    )
    look = Look(
        _one_of(style, "--style", ("overlay", "panel", "map")),
        colormap,
        alpha,
        _one_of(format_, "--format", ("png", "jpg")),
        save_map,
    )
    plan = make_plan(
        inputs,
        out,
        source,
        look,
        methods=method or [source.default_method],
        targets=target or [],
        options=option or [],
        around=around,
        verify=verify,
    )
    if not run(plan, json_to=json_to, batch_size=batch_size, overwrite=overwrite):
        raise typer.Exit(1)


def _one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise WhylightError(f"{name} {value!r}: choose one of {', '.join(choices)}")
    return value
