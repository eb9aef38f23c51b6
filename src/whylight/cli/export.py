"""`whylight export`: a model as one graph for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whylight.cli import options as opt
from whylight.jsontext import dumps
from whylight.shown import shown

if TYPE_CHECKING:
    from whylight.graphs.export import Written


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
    web: Annotated[
        Path | None,
        opt.option(
            "In place of --out: a folder for a page that runs the model in any browser, with all that it needs.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, opt.option("For --web: write into a folder that is not empty.", "--overwrite")] = False,
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

    `explain --model FILE` takes the graph in place of the model. With --web it comes with a page that runs it in a browser.
    """
    from whylight.cli.screen import calm_warnings, warn
    from whylight.errors import WhylightError
    from whylight.graphs.export import SUFFIX
    from whylight.graphs.export import export as write
    from whylight.models.zoo.choice import ModelChoice

    choice = ModelChoice(model, pretrained=pretrained, weights=weights, classes=classes, device="cpu")
    if web is not None:
        given = {"--out": to, "--format": form, "--no-resize": not resize, "--logits-only": logits_only}
        if wrong := [name for name, value in given.items() if value]:
            raise WhylightError(f"{wrong[0]}: a page has its own file, form and preparation; leave it out with --web")
        from whylight.browser import page

        with calm_warnings():
            made = page.write(
                choice.load(),
                web,
                title=Path(model).stem,
                overwrite=overwrite,
                int8=int8,
                pictures=pictures or (),
                tick=lambda doing: warn(f"{doing} …"),
            )
        if as_json:
            agreed = _agreement(made.graph)
            facts = {"folder": str(made.folder), "bytes": made.bytes, "error": made.graph.error, "agreement": agreed}
            typer.echo(dumps({**facts, "weights": made.graph.facts.weights}))
            return
        typer.echo(f"{shown(str(made.folder))}: a page, {made.bytes / 1e6:.0f} MB, {_what(made.graph.facts.grid)}")
        _tell_error(made.graph)
        typer.echo(f"to see it: python -m http.server --bind 127.0.0.1 --directory {shown(str(made.folder))}")
        return
    if overwrite:
        raise WhylightError("--overwrite: is for --web; a file of --out is always written anew")
    place = to if to is not None else Path(model).stem + SUFFIX[form or "onnx"]
    with calm_warnings():
        written = write(
            choice.load(),
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
        typer.echo(dumps({**facts, "agreement": _agreement(written), "weights": written.facts.weights}))
        return
    typer.echo(
        f"{shown(str(written.path))}: {written.format}, {written.bytes / 1e6:.1f} MB, {_what(written.facts.grid)}"
    )
    _tell_error(written)


def _agreement(written: Written) -> dict[str, Any] | None:
    found = written.agreement
    if found is None:
        return None
    return {key: getattr(found, key) for key in ("pictures", "top", "maps", "right")}


def _tell_error(written: Written) -> None:
    if written.agreement is None:
        typer.echo(f"differs from PyTorch by {written.error:.1e} of the largest value")
    else:
        typer.echo(f"beside PyTorch: {written.agreement}")


def _what(grid: tuple[int, int] | None) -> str:
    return "logits alone" if grid is None else f"logits and maps of {grid[1]} × {grid[0]} cells"
