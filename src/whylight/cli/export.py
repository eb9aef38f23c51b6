"""`whylight export`: a model as one file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import options as opt
from whylight.cli.screen import calm_warnings, tell
from whylight.errors import ModelError
from whylight.models.zoo.choice import ModelChoice
from whylight.shown import shown


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As for `explain --model`.", show_default=False)],
    form: Annotated[
        str,
        opt.option(
            "onnx runs everywhere; openvino is the fastest on a processor.", "--format", of=("onnx", "openvino")
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        opt.option("Where to. Default: MODEL.onnx, or MODEL.xml.", "--out", "-o", metavar="FILE", show_default=False),
    ] = None,
    int8: Annotated[
        list[str] | None,
        opt.option(
            "Pictures of the kind it will see, 32 or more: convolutions then use eight bits. Repeatable.",
            metavar="INPUT",
            show_default=False,
        ),
    ] = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Write a model as one graph: pictures in, logits and class activation maps out. `explain --model FILE` reads it back."""
    from whylight.export import FORMATS
    from whylight.export import export as write
    from whylight.models.model import Model

    path = out if out is not None else Path(f"{Path(model).stem or 'model'}{FORMATS[form]}")
    if path.exists() and not overwrite:
        raise ModelError(f"--out {shown(str(path))}: is there already; name another file, or say --overwrite")
    loaded = ModelChoice(model).load()
    if not isinstance(loaded, Model):
        raise ModelError(f"{shown(model)}: is a black box; export the network that it was made of")
    with calm_warnings():
        agreement = write(loaded, path, form=form, int8=int8)
    height, width = loaded.preprocessing.size
    count = len(loaded.classes)
    tell(
        f"{shown(str(path))}: pictures (N, H, W, 3) uint8 of any size, seen at {width} × {height} → logits (N, {count}), "
        f"maps (N, {count}, {loaded.grid[0]}, {loaded.grid[1]}); {_size(path):.1f} MB"
    )
    if agreement is not None:
        tell(str(agreement))


def _size(path: Path) -> float:
    """Megabytes, of OpenVINO's weights beside it as well."""
    return sum(one.stat().st_size for one in {path, path.with_suffix(".bin")} if one.is_file()) / 1e6
