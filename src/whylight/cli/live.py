"""`whylight live`: the map on a moving picture."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from whylight.atomic import replacing
from whylight.cli import options as opt
from whylight.cli.screen import tell, warn
from whylight.errors import WhylightError
from whylight.jsontext import dumps
from whylight.shown import shown


def live(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="A camera's number, a video, a picture, a folder, a glob, a text file of streams, an RTSP or HTTP address. "
            "Several are looked at together.",
            show_default=False,
        ),
    ],
    which: opt.ModelOptions,
    method: Annotated[
        str | None,
        opt.option("How: gradcam, cam, layercam, … Default: gradcam.", metavar="NAME", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        opt.option(
            "Class name or index that is explained. Default: the most probable of each frame.",
            metavar="CLASS",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        opt.option(
            "Write a video: .mp4, with the sound of the source.", "--out", "-o", metavar="FILE", show_default=False
        ),
    ] = None,
    json: opt.JsonTo = None,
    stats: Annotated[
        Path | None,
        opt.option(
            "Write how fast it was: frames, drops, ages, times of each stage.", metavar="FILE", show_default=False
        ),
    ] = None,
    window: Annotated[
        bool | None,
        opt.option("Show a window, or none. Default: where there is a screen and no --out.", show_default=False),
    ] = None,
    boxes: Annotated[bool, opt.option("Find boxes of the evidence, and follow them.")] = True,
    smooth: Annotated[
        float, opt.option("Seconds over which the map is smoothed.", metavar="SECONDS", min=0.0, max=60.0)
    ] = 0.0,
    seconds: Annotated[
        float | None, opt.option("Stop after so long.", metavar="SECONDS", min=0.0, show_default=False)
    ] = None,
    alpha: Annotated[
        float, opt.option("How much the strongest evidence covers, 0 to 1.", metavar="0...1", min=0.0, max=1.0)
    ] = 0.5,
    colormap: opt.Colormap = "plasma",
    fast: Annotated[
        bool, opt.option("Let OpenVINO run the model where that gives the same maps.", "--fast/--no-fast")
    ] = True,
    overwrite: opt.Overwrite = False,
) -> None:
    """Show what a model looks at, while it looks: camera, video, stream."""
    import torch

    from whylight.live.drawing import Look
    from whylight.live.fast import faster
    from whylight.live.looking import Looker
    from whylight.live.run import Sinks, run
    from whylight.live.sinks.window import KEYS, has_screen
    from whylight.live.sources.names import sources
    from whylight.pipeline.explain import default_method
    from whylight.render.colormap import table

    if out is not None and out.exists() and not overwrite:
        raise WhylightError(f"--out {shown(str(out))}: is there already; name another file, or say --overwrite")
    if window is None:
        window = out is None and json is None and has_screen()
    if not window and out is None and json is None:
        raise WhylightError(
            "live: there is no screen here: write a video with --out FILE.mp4, or lines with --json FILE"
        )
    table(colormap)  # says what is wrong with the name before a camera is opened
    found = [one for name in source for one in sources(name)]
    model = which.choice().load()
    wanted = None if target is None else _target(target)
    Looker(model, method, wanted)  # says what is wrong before anything is prepared
    if fast:
        asked, model = model, faster(model, method or default_method(model), lambda text: tell(text, err=True))
        if model is not asked:  # what is left to PyTorch is so little that its threads would only wait for each other
            torch.set_num_threads(1)
    looker = Looker(model, method, wanted)
    if window:
        tell("keys: " + ", ".join(f"{key} {what}" for key, what in KEYS.items()), err=True)
    sinks = Sinks(out, json, window, Look(alpha, colormap, boxes), tell=lambda text: tell(text, err=True))
    began = time.monotonic()
    with _until_told_to_stop(seconds) as stop:
        told = run(found, looker, sinks, smooth=smooth, boxes=boxes, stop=stop)
    for sentence in told.failed[:10]:
        warn(sentence)
    figures = told.told()
    if stats is not None:
        with replacing(stats) as stream:
            stream.write(
                dumps({**figures, "wall_seconds": round(time.monotonic() - began, 3)}, indent=1).encode() + b"\n"
            )
    tell(
        f"{told.frames:,} frames explained, {told.rate:.1f} a second"
        + (f", {figures['dropped']:,} dropped" if figures["dropped"] else "")
        + (f" → {out}" if out is not None else ""),
        err=json == "-",
    )
    if told.failed:
        raise typer.Exit(1)


def _target(text: str) -> Any:
    from whylight.targets import parse

    found = parse(text)
    if len(found) != 1:
        raise WhylightError(f"--target {shown(text)}: a moving picture is explained for one class at a time")
    return found[0]


@contextmanager
def _until_told_to_stop(seconds: float | None) -> Iterator[threading.Event]:
    """What Ctrl-C, `kill` and so many seconds set, to end in good order; a second Ctrl-C ends it at once. Then all is as before."""
    stop = threading.Event()

    def ended(number: int, _: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    before = {number: signal.signal(number, ended) for number in (signal.SIGINT, signal.SIGTERM)}
    timer = threading.Timer(seconds or 0, stop.set)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
