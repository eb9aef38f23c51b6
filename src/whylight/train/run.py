"""A run from its settings to its folder: check the data, train, store the model and what is to be read about it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import TypedDict

from whylight.errors import TrainError
from whylight.jobs.folder import alone_in
from whylight.jsontext import loads
from whylight.models.device import resolve_device
from whylight.models.surgery import centre_head, scale_head
from whylight.models.zoo.architectures import REMOTE
from whylight.models.zoo.files import FILE, save_weights
from whylight.schema import Schema
from whylight.shown import shown
from whylight.train import checkpoint, report
from whylight.train.boxes import data as box_data
from whylight.train.boxes.loop import BoxLoop
from whylight.train.config import TrainConfig
from whylight.train.data.check import check, imbalance, lacking
from whylight.train.data.folders import Data, find, split
from whylight.train.data.sampling import flipped, flips_csv
from whylight.train.loop.distributed import Team
from whylight.train.loop.loop import Loop
from whylight.train.progress import Progress
from whylight.train.report import Row
from whylight.train.scores import Scores, best_scale
from whylight.train.start import start

CONFIG = "config.json"
FLIPS = "flips.csv"


@dataclass(frozen=True)
class Result:
    """Where a run lies, the stored epoch's figures, the stored model's scores by split, and the share of time spent on reading."""

    run: Path
    best: Row
    scores: dict[str, Scores]
    loading: float = 0.0


class _Written(TypedDict):
    """What a run goes on from, as far as it is read again."""

    settings: dict[str, Any]
    classes: list[str]
    data: str


_WRITTEN = Schema(_Written)


def train(config: TrainConfig, *, progress: bool = False) -> Result:
    """Train a classifier and fill its run folder.

    Args:
        config: the settings.
        progress: show a progress bar (nothing is shown where the output is no terminal) and remarks about the data.

    Returns:
        The run's folder and figures. `whylight.load(result.run)` loads the model.

    Raises:
        DataError: the data cannot be trained on; every problem is named.
        TrainError: the run folder is taken or cannot be written, or the settings do not go together.
        WriteError: the disk is full, say; `resume` goes on from the last checkpoint.
        Interrupted: Ctrl-C; the state was saved, and `resume` goes on from it.
    """
    config = config.absolute()
    out = Path(config.out)
    team = Team(resolve_device(config.device))
    if team.first:
        _check_out(out)
    with _alone(out, team), Progress(progress and team.first) as show:
        data, marks = _data(config, show)
        resolved = {
            "settings": config.to_dict(),
            "classes": list(data.classes),
            "pictures": {part: data.counts(part) for part in data.splits},
            "data": data.fingerprint(marks),
            "device": str(team.device),
            "threads": torch.get_num_threads(),
            "processes": team.size,
            "torch": torch.__version__,
        }
        loop = _loop(config, data, team, show)  # wrong settings show here, before the folder is marked as a run
        resolved["an epoch"] = loop.counts  # of each class, after repeats and balance
        if team.first:
            with checkpoint.named_errors(out):
                out.mkdir(parents=True, exist_ok=True)
            if data.flips:
                checkpoint.write(out / FLIPS, flips_csv(data.flips, data.classes))
            else:  # of a run that was stopped before it was one
                (out / FLIPS).unlink(missing_ok=True)
            checkpoint.write(out / CONFIG, (json.dumps(resolved, indent=2) + "\n").encode())
        return _trained(loop, show)


def resume(run: str | Path, *, progress: bool = False, arch: str | None = None) -> Result:
    """Go on with a run that was stopped: the weights become bit for bit those of a run that never was.

    That holds on the same processor with the same number of threads and the same versions, in one process or two. Elsewhere sums
    may be taken in another order: on another machine, on a GPU, and where more than two processes add up their gradients.

    Args:
        run: its folder.
        progress: show bars.
        arch: the name of its network, said once more; needed where that lies on a hub. A folder may come from anywhere, and what
            it says does not make whylight ask the network.

    Raises:
        TrainError: if the folder holds no run, or its data changed since.
    """
    run = Path(run)
    resolved = begun(run)
    config = TrainConfig.from_dict({**resolved["settings"], "out": str(run.resolve())})
    if arch is not None and arch != config.arch:
        raise TrainError(f"{shown(run)}: was begun with {shown(config.arch)}, not with {shown(arch)}: begin a new run")
    if config.arch.startswith(REMOTE) and arch is None:
        raise TrainError(
            f"{shown(run)}: its network {shown(config.arch)} lies on a hub, and a folder does not make whylight ask the network: "
            f"say so yourself, whylight train --resume {shown(run)} --arch {shown(config.arch)}"
        )
    team = Team(resolve_device(config.device))
    if team.size != (before := resolved.get("processes", 1)):
        raise TrainError(
            f"{run}: began with {before} processes, and can only go on with as many; these are {team.size}"
        )
    with _alone(run, team), Progress(progress and team.first) as show:
        data, marks = _data(config, show)
        if list(data.classes) != resolved["classes"]:
            raise TrainError(
                f"{config.data}: the classes were {', '.join(resolved['classes'])} when {run} began, and are "
                f"{', '.join(data.classes)} now: name them as they were"
            )
        if data.fingerprint(marks) != resolved["data"]:
            what = "pictures (or their boxes)" if config.boxes else "pictures"
            raise TrainError(
                f"{config.data}: the {what} changed since {run} began: it can only go on with the same ones"
            )
        loop = _loop(config, data, team, show)
        loop.restore()
        return _trained(loop, show)


def begun(run: Path) -> dict[str, Any]:
    """What a run was begun with, as it wrote it down.

    Raises:
        TrainError: if the folder holds no run, or what lies there was changed.
    """
    try:
        resolved: dict[str, Any] = loads((run / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainError(f"{shown(run)}: no run to resume ({error})") from error
    if not _WRITTEN.fits(resolved):
        raise TrainError(f"{shown(run / CONFIG)}: was not written by whylight train, or was changed; begin a new run")
    return resolved


def _trained(loop: Loop, show: Progress) -> Result:
    """Train, and let the first process finish; all of them return what it found."""
    loop.run()
    result = loop.team.told(_finish(loop, show) if loop.team.first else None)
    assert result is not None
    return result


def _alone(out: Path, team: Team) -> AbstractContextManager[None]:
    """Keep other runs out of the folder."""
    return alone_in(out) if team.first else nullcontext()


def _check_out(out: Path) -> None:
    """Find out before hours of work whether the run folder can be made and written; leaves nothing behind."""
    if (out / CONFIG).exists():
        raise TrainError(f"{out}: holds a run already. Go on with it (--resume {out}), or choose another folder")
    there = next(place for place in (out, *out.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise TrainError(f"--out {out}: {there} is a file, not a folder. Choose another folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise TrainError(f"--out {out}: {there} cannot be written ({error.strerror}). Choose another folder") from error


def _data(config: TrainConfig, show: Progress) -> tuple[Data, dict[Path, str]]:
    """The pictures by split, and a mark of each one's content."""
    if config.boxes is not None:
        return _data_with_boxes(config, config.boxes, show)
    data = find(config.data)
    if config.background is not None and config.background not in data.classes:
        raise TrainError(f"background: {config.background!r} is none of the classes {', '.join(data.classes)}")
    total = sum(map(len, data.splits.values()))
    with show.task("checking the pictures", total) as step:
        marks = check(data, step=step)
    if not data.given:
        data = split(data, marks, config.val_share, config.test_share, config.seed)
    items, flips = flipped(data.splits["train"], data.classes, config.label_noise, config.seed)
    data = replace(data, splits={**data.splits, "train": items}, flips=flips)
    if remark := lacking(data):
        show.say(remark)
    if remark := imbalance(data):
        show.say(remark)
    return data, marks


def _data_with_boxes(config: TrainConfig, boxes: str, show: Progress) -> tuple[Data, dict[Path, str]]:
    """The same for a folder of pictures and a file of boxes."""
    data = box_data.find(config.data, boxes, config.background)
    with show.task("checking the pictures", sum(map(len, data.splits.values()))) as step:
        marks = check(data, boxes=True, step=step)
    if not data.given:
        data = box_data.cut(data, marks, config.val_share, config.test_share, config.seed)
    if len(data.classes) == 1:
        if config.centre_head:
            raise TrainError(
                "centre_head: with one class nothing would be left: leave it out, or give pictures without it"
            )
        show.say(
            f"one class only ({data.classes[0]}): the classifier has nothing to tell apart, and its maps will mean nothing; "
            "the boxes will. Pictures without it, and --background NAME, change that"
        )
    return data, marks


def _loop(config: TrainConfig, data: Data, team: Team, show: Progress) -> Loop:
    module, spec = start(config, data.classes, show.say)
    return (Loop if config.boxes is None else BoxLoop)(config, spec, module, data, team, show)


def _finish(loop: Loop, show: Progress) -> Result:
    """Store the best epoch's model, its scores, and the report."""
    config, data, out = loop.config, loop.data, loop.out
    state = checkpoint.load(out / checkpoint.BEST)
    best: Row = state["row"]
    loop.take(state["module"])
    if config.centre_head:
        centre_head(loop.network)
    if config.calibrate:
        scale_head(loop.network, best_scale(*loop.predict("val")))
    if config.half:
        _round(loop.module)  # what is measured is what is stored
    loop.settle()
    scores: dict[str, Scores] = {}
    for part in [part for part in ("val", "test") if part in data.splits]:
        with show.task(f"measuring on {part}", 1) as step:
            scores[part] = loop.measure(part)
            step()
    facts = {"epoch": best["epoch"], "scores": {part: s.to_dict() for part, s in scores.items()}}
    spec = replace(loop.spec, training=facts)
    with checkpoint.named_errors(out / FILE):
        dtype = torch.float16 if config.half else None
        save_weights(out / FILE, loop.network, spec, dtype=dtype, box_head=loop.box_head)
    report.write_card(out / "card.md", config, spec, data, best, scores)
    seconds = sum(row["seconds"] for row in loop.rows)
    waited = sum(row["seconds"] * row["loading_share"] for row in loop.rows)
    return Result(out, best, scores, waited / max(seconds, 1e-9))


@torch.no_grad()
def _round(module: nn.Module) -> None:
    """Round every weight to the nearest fp16 number, in place."""
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half())
