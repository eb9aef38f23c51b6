"""`whylight locate`: from pictures on disk to boxes around the objects in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whylight.errors import WhylightError

FORMATS = ("coco", "yolo", "csv")


def locate(
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
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="NAME|INDEX",
            help="Class to find. Default: the most probable.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the results; sub-folders are mirrored in it."),
    ] = Path("locations"),
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Find one, erase it, look again, until the class is gone.")
    ] = False,
    max_objects: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many boxes a picture.")] = 10,
    fast: Annotated[bool, typer.Option("--fast", help="One pass through the network instead of several.")] = False,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Cut boxes out of this method's maps; box: ask a box head. Default: what finds objects best.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="0...1",
            help="Share of each map's maximum that belongs to an object; of a box head, the least score. "
            "Default: the calibrated one, else the method's.",
            show_default=False,
        ),
    ] = None,
    largest: Annotated[bool, typer.Option("--largest", help="Only the box of the largest connected part.")] = False,
    iou: Annotated[
        float | None,
        typer.Option(
            metavar="0...1",
            min=0.0,
            max=1.0,
            help="Drop boxes that overlap a better one by more, or lie within it; 1 keeps all. Default: 0.5.",
            show_default=False,
        ),
    ] = None,
    eraser: Annotated[
        str | None,
        typer.Option(
            "--erase",
            metavar="blur|mean|inpaint",
            help="How --sequential takes an object away. Default: what `whylight.locate` takes.",
            show_default=False,
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(
            "--also",
            metavar="coco,yolo,csv",
            help="Write the boxes in these forms, too: coco.json, labels/*.txt with classes.txt, boxes.csv.",
            show_default=False,
        ),
    ] = None,
    strips: Annotated[
        bool,
        typer.Option("--strip", help="Also each picture's looks side by side (.png) and one after another (.webp)."),
    ] = False,
    json_to: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE|-",
            help="Also write one JSON line a picture to a file, or to stdout (-).",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with weights for a timm or torchvision architecture.", show_default=False
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
    precision: Annotated[str, typer.Option(metavar="auto|fp32|bf16", help="As for `explain`.")] = "auto",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pictures in one forward.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is done already.")] = False,
) -> None:
    """Find objects with a classifier that knows labels only: writes <stem>.boxes.png and boxes.jsonl.

    Without --target, a picture whose top class says that nothing is there (background; "no face" beside "face") has no boxes.
    Broken pictures are named at the end and in errors.jsonl, the rest is done. A second run does only what is missing.
    """
    from whylight.cli.finding import Settings, run
    from whylight.cli.source import Source
    from whylight.localize.erase import DEFAULT

    if threshold is not None and not 0 < threshold <= 1:
        raise WhylightError(f"--threshold {threshold}: expected a share of the maximum in (0, 1]")
    if precision not in ("auto", "fp32", "bf16"):
        raise WhylightError(f"--precision {precision!r}: choose one of auto, fp32, bf16")
    if eraser not in (None, "blur", "mean", "inpaint"):
        raise WhylightError(f"--erase {eraser!r}: choose one of blur, mean, inpaint")
    if method == "box" and sequential:
        raise WhylightError("--sequential: a box head tells neighbours apart in one look; leave it or --method box out")
    for option, given in (("--fast", fast), ("--largest", largest), ("--iou", iou is not None)):
        if sequential and given:
            raise WhylightError(f"{option}: is for one look at the whole picture; leave {option} or --sequential out")
    if eraser is not None and not sequential:
        raise WhylightError("--erase: only --sequential takes objects away; add it, or leave --erase out")
    if method is not None and fast:
        raise WhylightError("--fast chooses a method by itself: leave out --method or --fast")
    source = Source(model, pretrained=pretrained, weights=weights, classes=classes, device=device, precision=precision)
    settings = Settings(
        target=target,
        sequential=sequential,
        max_objects=max_objects,
        fast=fast,
        method=method,
        threshold=threshold,
        largest=largest,
        iou=0.5 if iou is None else iou,
        eraser=eraser or DEFAULT,
    )
    done = run(
        inputs,
        out,
        source,
        settings,
        forms=_forms(also),
        strips=strips,
        json_to=json_to,
        batch_size=batch_size,
        overwrite=overwrite,
    )
    if not done:
        raise typer.Exit(1)


def _forms(also: str | None) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in (also or "").split(",") if part.strip())
    if unknown := [one for one in chosen if one not in FORMATS]:
        raise WhylightError(f"--also {unknown[0]!r}: choose among {', '.join(FORMATS)}")
    return chosen
