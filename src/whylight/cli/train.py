"""`whylight train`: labelled pictures in, a run folder out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from whylight.cli.screen import tell, warn

INTERRUPTED = 130

Start, Net, Learn, Change, Boxes, Local, Run = "Start", "Network", "Learning", "Augmentation", "Boxes", "Looking", "Run"


def _option(*names: str, panel: str, about: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=about, rich_help_panel=panel)  # type: ignore[no-any-return]


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="train/ val/ [test/] with a folder a class, or such folders alone; with --boxes a folder of pictures."
        ),
    ] = None,
    out: Annotated[Path | None, _option("--out", panel=Run, about="The run folder to make.")] = None,
    resume: Annotated[
        Path | None,
        _option("--resume", panel=Run, about="Go on with a stopped run; of a hub's network say --arch, too."),
    ] = None,
    arch: Annotated[str | None, _option("--arch", panel=Net, about="timm name, or torchvision/NAME.")] = None,
    weights: Annotated[
        Path | None, _option("--weights", panel=Start, about="Start from a file of weights, or a run.")
    ] = None,
    pretrained: Annotated[
        bool, _option("--pretrained", panel=Start, about="Start from the library's weights.")
    ] = False,
    scratch: Annotated[bool, _option("--scratch", panel=Start, about="Start from chance.")] = False,
    size: Annotated[int, _option("--size", panel=Net, about="Side of the square input, pixels.")] = 224,
    output_stride: Annotated[
        int | None,
        _option("--output-stride", panel=Net, about="Pixels a cell of the last grid: 16 halves the usual 32."),
    ] = None,
    fold_bn: Annotated[
        bool, _option("--fold-bn", panel=Net, about="Fold batch norm into the convolutions first.")
    ] = False,
    freeze_bn: Annotated[bool, _option("--freeze-bn", panel=Net, about="Keep batch norm in evaluation mode.")] = False,
    unfreeze: Annotated[
        str, _option("--unfreeze", panel=Net, about="Last blocks to train besides the classifier: a number, or all.")
    ] = "all",
    head: Annotated[
        Literal["gap", "own"],
        _option(
            "--head", panel=Net, about="gap: pooling and one linear layer, as class maps need; own: the network's."
        ),
    ] = "gap",
    dropout: Annotated[
        float | None, _option("--dropout", panel=Net, about="Dropout right before the classifier.")
    ] = None,
    centre_head: Annotated[
        bool, _option("--centre-head", panel=Net, about="Same probabilities, cleaner class maps (stored model).")
    ] = False,
    calibrate: Annotated[
        bool, _option("--calibrate", panel=Net, about="Scale the stored classifier's scores to fit the validation set.")
    ] = False,
    epochs: Annotated[int, _option("--epochs", panel=Learn, about="Rounds over the pictures.")] = 10,
    batch: Annotated[int, _option("--batch", panel=Learn, about="Pictures a step.")] = 32,
    lr: Annotated[float, _option("--lr", panel=Learn, about="Highest learning rate.")] = 3e-4,
    optimizer: Annotated[Literal["adamw", "adam"], _option("--optimizer", panel=Learn, about="Optimizer.")] = "adamw",
    weight_decay: Annotated[float, _option("--weight-decay", "--l2", panel=Learn, about="Strength of L2.")] = 0.01,
    warmup: Annotated[
        float, _option("--warmup", panel=Learn, about="Share of the run in which the rate climbs.")
    ] = 0.1,
    schedule: Annotated[
        Literal["cosine", "constant", "one-cycle"],
        _option("--schedule", panel=Learn, about="What the rate does after that."),
    ] = "cosine",
    layer_decay: Annotated[
        float | None,
        _option("--layer-decay", panel=Learn, about="Factor on the rate from each layer group to the one before."),
    ] = None,
    accumulate: Annotated[
        int, _option("--accumulate", panel=Learn, about="Batches whose gradients make one step.")
    ] = 1,
    ema: Annotated[
        float | None, _option("--ema", panel=Learn, about="Store the weights' moving average, with this decay.")
    ] = None,
    patience: Annotated[
        int | None, _option("--patience", panel=Learn, about="Stop after so many epochs without a better one.")
    ] = None,
    keep: Annotated[
        Literal["best", "last"],
        _option("--keep", panel=Learn, about="The epoch that is stored: best by validation, or last."),
    ] = "best",
    label_smoothing: Annotated[
        float, _option("--label-smoothing", panel=Learn, about="Share of the target spread over all classes.")
    ] = 0.0,
    label_noise: Annotated[
        float,
        _option(
            "--label-noise", panel=Learn, about="Wrong labels on purpose, in each class: a share below 1, or a number."
        ),
    ] = 0.0,
    balance: Annotated[
        Literal["weight", "drop", "oversample"] | None,
        _option(
            "--balance",
            panel=Learn,
            about="Classes of uneven size: weigh the loss, drop the excess, or repeat the rare.",
        ),
    ] = None,
    teacher: Annotated[
        str | None, _option("--teacher", panel=Learn, about="A model of the same classes to imitate (distillation).")
    ] = None,
    teacher_weight: Annotated[
        float, _option("--teacher-weight", panel=Learn, about="Share of the loss that imitates the teacher.")
    ] = 0.5,
    temperature: Annotated[
        float, _option("--temperature", panel=Learn, about="What scores are divided by when the teacher is imitated.")
    ] = 2.0,
    repeat: Annotated[
        list[str] | None,
        _option("--repeat", panel=Learn, about="PATTERN=N: files CLASS/… that come N times an epoch."),
    ] = None,
    augment: Annotated[bool, _option("--augment/--no-augment", panel=Change, about="Change pictures at all.")] = True,
    cache: Annotated[
        bool,
        _option(
            "--cache/--no-cache", panel=Change, about="Without changes, run frozen layers once and keep what they give."
        ),
    ] = True,
    shift: Annotated[float, _option("--shift", panel=Change, about="Most shift, share of the side.")] = 0.1,
    shear: Annotated[float, _option("--shear", panel=Change, about="Most shear, degrees.")] = 5.0,
    rotate: Annotated[float, _option("--rotate", panel=Change, about="Most turn, degrees.")] = 10.0,
    zoom: Annotated[
        float, _option("--zoom", panel=Change, about="Most zoom in and out; 0.2: 1/1.2 to 1.2 times.")
    ] = 0.2,
    flip: Annotated[float, _option("--flip", panel=Change, about="Chance of a mirror image.")] = 0.5,
    colour: Annotated[float, _option("--colour", panel=Change, about="Strength of light and colour changes.")] = 0.2,
    grey: Annotated[float, _option("--grey", panel=Change, about="Chance of a grey picture.")] = 0.0,
    blur: Annotated[float, _option("--blur", panel=Change, about="Chance of blur.")] = 0.0,
    jpeg: Annotated[float, _option("--jpeg", panel=Change, about="Chance of JPEG compression.")] = 0.0,
    erase: Annotated[float, _option("--erase", panel=Change, about="Chance that a part is covered.")] = 0.0,
    background: Annotated[
        str | None,
        _option("--background", panel=Local, about="The class whose label holds in every part of a picture."),
    ] = None,
    boxes: Annotated[
        Path | None,
        _option("--boxes", panel=Boxes, about="CSV: file,label,x0,y0,x1,y1. Trains a head that finds boxes."),
    ] = None,
    box_loss: Annotated[
        Literal["giou", "smooth-l1"], _option("--box-loss", panel=Boxes, about="How far a box is from the drawn one.")
    ] = "giou",
    paste: Annotated[float, _option("--paste", panel=Local, about="Chance of a paste on a background picture.")] = 0.0,
    paste_from: Annotated[
        list[str] | None, _option("--paste-from", panel=Local, about="Files CLASS/… that may be pasted (pattern).")
    ] = None,
    local: Annotated[
        float, _option("--local", panel=Local, about="Weight of the loss on each cell of the last grid.")
    ] = 0.0,
    val_share: Annotated[float, _option("--val-share", panel=Run, about="Share cut off for validation.")] = 0.15,
    test_share: Annotated[float, _option("--test-share", panel=Run, about="Share cut off for testing.")] = 0.0,
    seed: Annotated[int, _option("--seed", panel=Run, about="Decides everything random.")] = 0,
    workers: Annotated[int, _option("--workers", panel=Run, about="Processes that read pictures.")] = 1,
    device: Annotated[str, _option("--device", panel=Run, about="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], _option("--precision", panel=Run, about="auto: bf16 where a GPU has it.")
    ] = "auto",
    half: Annotated[bool, _option("--half", panel=Run, about="Store the model as fp16: half the size.")] = False,
    tensorboard: Annotated[
        bool, _option("--tensorboard", panel=Run, about="Write the curves for TensorBoard, too.")
    ] = False,
    checkpoint_minutes: Annotated[
        float, _option("--checkpoint-minutes", panel=Run, about="How often to save inside an epoch; 0: each step.")
    ] = 5.0,
) -> None:
    """Train a classifier on folders of pictures, or go on with a stopped run (--resume RUN)."""
    if resume is None and (data is None or out is None or arch is None):
        raise typer.BadParameter("give DATA, --arch and --out, or --resume RUN")
    given = [
        option
        for option in context.command.params
        if _given(context, option.name) and option.name not in ("resume", "arch")
    ]
    if resume is not None and given:
        names = ", ".join(option.opts[0] if option.opts[0].startswith("-") else "DATA" for option in given)
        raise typer.BadParameter(f"--resume RUN takes all its settings from the run: leave out {names}")

    from whylight.allocator import tune_allocator
    from whylight.train import Interrupted, TrainConfig
    from whylight.train import resume as go_on
    from whylight.train import train as start

    tune_allocator()
    where = resume or out
    assert where is not None
    try:
        if resume is not None:
            result = go_on(resume, progress=True, arch=arch)
        else:
            # Each option is called as the setting it gives; some need another form.
            settings = {name: value for name, value in context.params.items() if name != "resume"}
            settings |= {"data": str(data), "out": str(out), "weights": None if weights is None else str(weights)}
            settings |= {"unfreeze": _blocks(unfreeze), "repeat": [_times(text) for text in repeat or ()]}
            settings |= {"paste_from": paste_from or (), "boxes": None if boxes is None else str(boxes)}
            result = start(TrainConfig.from_dict(settings), progress=True)
    except Interrupted:
        warn(f"stopped, and saved. Go on with: whylight train --resume {where}")
        raise typer.Exit(INTERRUPTED) from None
    except KeyboardInterrupt:  # the second one, or while nothing was trained yet
        warn(f"stopped at once. {_kept(where)}")
        raise typer.Exit(INTERRUPTED) from None
    if os.environ.get("RANK", "0") != "0":  # of several processes one speaks
        return
    for part, scores in result.scores.items():
        tell(
            f"{part}: accuracy {scores.accuracy:.2%}, balanced {scores.balanced_accuracy:.2%}, "
            f"calibration error {scores.calibration_error:.4f} ({scores.pictures} pictures)"
        )
        if (judged := scores.boxes) is not None:
            right = "nothing found" if judged.nothing_found else f"right {judged.right:.2%}"
            tell(
                f"{part}: boxes: average precision {judged.average_precision:.2%}, found {judged.found:.2%} of "
                f"{judged.drawn}, {right} (scores from {judged.threshold:.2f} on)"
            )
    tell(f"waiting for pictures took {result.loading:.0%} of the time of training")
    tell(
        f"{result.run}: done, epoch {result.best['epoch']:.0f} is stored. Use it: whylight explain PICTURE --model {where}"
    )


def _given(context: typer.Context, name: str | None) -> bool:
    """Whether an option was written on the command line or in --config, with whatever value."""
    source = context.get_parameter_source(name) if name is not None else None
    return source is not None and source.name in ("COMMANDLINE", "DEFAULT_MAP")


def _kept(run: Path) -> str:
    """What a run that was stopped in the middle of something can go on from."""
    from whylight.train.checkpoint import LAST
    from whylight.train.run import CONFIG

    if (run / LAST).exists():
        return f"Go on from its last save with: whylight train --resume {run}"
    if (run / CONFIG).exists():
        return f"Nothing was trained and saved yet. Begin again with: whylight train --resume {run}"
    return "Nothing was saved yet: give the same command again"


def _blocks(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit():
        raise typer.BadParameter(f"--unfreeze takes a number or all, not {text!r}")
    return int(text)


def _times(text: str) -> tuple[str, int]:
    pattern, _, times = text.rpartition("=")
    if not pattern or not times.isdigit() or int(times) < 1:
        raise typer.BadParameter(f"--repeat takes PATTERN=N, such as 'face/scene/*=2', not {text!r}")
    return pattern, int(times)
