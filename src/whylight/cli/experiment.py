"""`whylight experiment`: runs that differ in named factors, and one report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from whylight.cli.given.wording import as_options
from whylight.cli.screen import tell, warn

FAILED, INTERRUPTED = 1, 130


def experiment(
    recipe: Annotated[str, typer.Argument(help="A recipe: NAME.toml, or one that ships (--list).")] = "",
    data: Annotated[
        Path | None, typer.Option("--data", help="Labelled pictures, as `whylight train` takes them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The experiment's folder; one that was begun goes on.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE: a setting of `whylight train` for every run.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="A file of weights, wherever the recipe says pretrained.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option("--boxes", help="CSV: file,label,x0,y0,x1,y1. Measures where the maps lie, too.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="How many seeds, instead of the recipe's.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Runs at a time, sharing the processor.")] = 1,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Write the report of what is done, and stop.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the recipes that ship.")] = False,
) -> None:
    """Train a grid of runs that differ in named factors, and write one report: curves, figures with intervals, maps, mistakes."""
    from whylight.allocator import tune_allocator
    from whylight.experiment import carry_out, plan, read, shipped, write
    from whylight.experiment.reading import setting
    from whylight.experiment.run import check_same
    from whylight.train import Interrupted

    if listed:
        for name in shipped():
            one = read(name)
            tell(f"{name:14} {one.title}: {one.question}")
        return
    if not recipe or (data is None and not (recipe and read(recipe).data)) or out is None:
        raise typer.BadParameter("give a RECIPE, --data and --out (--list shows the recipes that ship)")
    chosen = read(recipe)
    if weights is not None:
        chosen = chosen.with_weights(str(weights))
    chosen = chosen.with_settings(dict(map(setting, settings or ())))
    if boxes is not None:
        chosen = replace(chosen, measure=replace(chosen.measure, boxes=str(boxes.resolve())))
    if seeds is not None:
        chosen = chosen.with_seeds(seeds)
    pictures = data if data is not None else Path(str(chosen.data))
    tune_allocator()
    if report_only:
        check_same(chosen, pictures, out)
    try:
        failed = [] if report_only else carry_out(
            chosen, pictures, out, device=device, jobs=jobs, say=lambda line: tell(line, err=True), words=as_options, progress=True
        )  # fmt: skip
    except (Interrupted, KeyboardInterrupt):
        warn("stopped; what is done is kept, the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    tell(str(write(chosen, plan(chosen, pictures, out, device), out, failed)))
    if failed:
        raise typer.Exit(FAILED)
