"""The options that the verbs of `whylight evaluate`, and `whylight calibrate`, have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A bundled, timm or torchvision/ name, hf-hub:..., a run folder, a .safetensors or .onnx file; see `models`.",
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="The pictures, at any depth. Without --boxes, the folders at its top are their classes.",
        show_default=False,
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Annotated boxes, columns file,label,x0,y0,x1,y1: pixels of the upright picture, x1 and y1 the first outside.",
        show_default=False,
    ),
]
NeededBoxes = Annotated[
    Path,
    typer.Option(
        "--boxes",
        metavar="CSV",
        help="Annotated boxes, columns file,label,x0,y0,x1,y1: pixels of the upright picture, x1 and y1 the first outside.",
        show_default=False,
    ),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Masks called like their pictures; above zero is the object.", show_default=False
    ),
]
MaskIgnore = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Mask pixels of this value count neither way: 255 in Pascal VOC.", show_default=False
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS", help="The class that everything annotated is, whatever the labels say.", show_default=False
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--methods",
        "--method",
        metavar="NAME,NAME",
        help="Which: gradcam, layercam, ... Default: gradcam (rise for an .onnx file).",
        show_default=False,
    ),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="METHOD.KEY=VALUE",
        help="An option of a method, e.g. rise.masks=1000. Repeatable.",
        show_default=False,
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="Layer to look at; several are fused. Default: the last spatial one.",
        show_default=False,
    ),
]
Fusion = Annotated[str, typer.Option(metavar="max|mean|sum", help="How the maps of several layers become one.")]
Flip = Annotated[bool, typer.Option("--flip", help="Average with the map of the mirrored picture.")]
Scales = Annotated[
    str, typer.Option(metavar="1,1.5", help="Average over inputs of these sizes, relative to the usual one.")
]
Smooth = Annotated[bool, typer.Option("--smooth", help="Project the map onto the main patterns of the activations.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        metavar="0...1",
        help="Also count boxes at this share of the maximum, in steps of 0.01. Default: what calibrate stored, or locate has.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the results and the report.")]
JsonTo = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE|-",
        help="Also write the results as one JSON line to a file, or to stdout (-) and nothing else there.",
        show_default=False,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File with weights for a timm or torchvision architecture: .pth, .pt or .safetensors.",
        show_default=False,
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Text file with one class name a line, for a model that has none.", show_default=False
    ),
]
Pretrained = Annotated[
    bool, typer.Option("--pretrained/--no-pretrained", help="Take a zoo model's published weights, or random ones.")
]
Precision = Annotated[str, typer.Option(metavar="auto|fp32|bf16", help="Of methods that run the network many times.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")]
BatchSize = Annotated[int | None, typer.Option(metavar="N", min=1, help="Pictures in one forward.", show_default=False)]
Seed = Annotated[int, typer.Option(metavar="N", help="Decides everything random.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Measure anew what is known already.")]
