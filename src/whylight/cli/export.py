"""`whylight export`: a model as one graph for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import options as opt
from whylight.jsontext import dumps
from whylight.shown import shown


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Which model, named as for `explain --model`.", show_default=False)
    ],
    to: Annotated[
        str | None,
        opt.option(
            "The file: ….onnx, or ….xml for OpenVINO. Default: called as the model, in this folder.",
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        opt.option("Default: as the file is called; onnx.", "--format", of=("onnx", "openvino"), show_default=False),
    ] = None,
    int8: Annotated[bool, opt.option("Compute with whole numbers of 8 bits; needs --pictures.", "--int8")] = False,
    pictures: Annotated[
        list[str] | None,
        opt.option(
            "For --int8: pictures as the model will see, files, folders or globs. Repeat it. Half of them are kept for "
            "the comparison; folders named as classes give accuracies.",
            metavar="INPUT",
            show_default=False,
        ),
    ] = None,
    resize: Annotated[
        bool, opt.option("Take pictures of any size, or of the input's alone.", "--resize/--no-resize")
    ] = True,
    logits_only: Annotated[
        bool, opt.option("Leave the maps out: for networks whose maps cannot be in a graph.", "--logits-only")
    ] = False,
    weights: Annotated[
        str | None,
        opt.option("File with weights for a timm or torchvision architecture.", metavar="FILE", show_default=False),
    ] = None,
    classes: Annotated[
        str | None,
        opt.option(
            "File with class names, one a line, or .json, for a model that has none.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    pretrained: Annotated[
        bool, opt.option("Take a zoo model's published weights, or random ones.", "--pretrained/--no-pretrained")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model as one graph: pictures in, logits and the map of every class out, for ONNX Runtime or OpenVINO.

    `explain --model FILE` takes the graph in place of the model.
    """
    from whylight.cli.screen import calm_warnings, warn
    from whylight.graphs.export import SUFFIX
    from whylight.graphs.export import export as write
    from whylight.models.zoo.choice import ModelChoice

    place = to if to is not None else Path(model).stem + SUFFIX[form or "onnx"]
    with calm_warnings():
        loaded = ModelChoice(model, pretrained=pretrained, weights=weights, classes=classes, device="cpu").load()
        written = write(
            loaded,
            place,
            form,  # type: ignore[arg-type]
            int8=int8,
            pictures=pictures or (),
            resize=resize,
            logits_only=logits_only,
            tick=lambda doing: warn(f"{doing} …"),
        )
    if as_json:
        facts = {"file": str(written.path), "format": written.format, "bytes": written.bytes, "error": written.error}
        agreement = written.agreement and {
            key: getattr(written.agreement, key) for key in ("pictures", "top", "maps", "right")
        }
        typer.echo(dumps({**facts, "agreement": agreement, "weights": written.facts.weights}))
        return
    typer.echo(
        f"{shown(str(written.path))}: {written.format}, {written.bytes / 1e6:.1f} MB, {_what(written.facts.grid)}"
    )
    if written.agreement is None:
        typer.echo(f"differs from PyTorch by {written.error:.1e} of the largest value")
    else:
        typer.echo(f"beside PyTorch: {written.agreement}")


def _what(grid: tuple[int, int] | None) -> str:
    return "logits alone" if grid is None else f"logits and maps of {grid[1]} × {grid[0]} cells"
