"""What a run leaves behind to be read: metrics.csv, curves.png, card.md."""

from __future__ import annotations

import csv
import io
import time
from importlib.util import find_spec
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from whylight.errors import TrainError
from whylight.models.zoo.files import ModelSpec
from whylight.shown import code, markdown
from whylight.train.checkpoint import write
from whylight.train.config import TrainConfig
from whylight.train.data.folders import Data
from whylight.train.scores import Scores

Row = dict[str, float]  # an epoch's figures
TRAIN, VAL = "#1f5fa8", "#d9700b"
RENEWED = 30.0  # seconds between two drawings of the curves


def write_metrics(path: Path, rows: list[Row]) -> None:
    """One line an epoch."""
    text = io.StringIO()
    table = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    write(path, text.getvalue().encode(errors="surrogateescape"))


class Curves:
    """A run's curves.png, renewed after an epoch: where epochs are short, not after each, since a drawing takes half a second."""

    def __init__(self, path: Path, config: TrainConfig) -> None:
        self._path, self._config = path, config
        self._epochs, self._next = 0, 0.0

    def renew(self, rows: list[Row], *, now: bool = False) -> None:
        """Draw what is new.

        Args:
            rows: of all epochs so far.
            now: draw it even if the last drawing is no half minute old: no epoch follows.
        """
        if len(rows) > self._epochs and (now or time.monotonic() >= self._next):
            _draw(self._path, rows, self._config)
            self._epochs, self._next = len(rows), time.monotonic() + RENEWED


def _draw(path: Path, rows: list[Row], config: TrainConfig) -> None:
    """Loss and accuracy of training and validation, side by side, over all epochs so far."""
    local, changed = config.local > 0, config.augment
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(9, 3.4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    kinds = ["loss", "accuracy", *(["average_precision"] if "val_average_precision" in rows[0] else [])]
    for axes, kind in zip(figure.subplots(1, len(kinds)), kinds, strict=True):
        for part, colour, name in (("train", TRAIN, "training"), ("val", VAL, "validation")):
            if f"{part}_{kind}" in rows[0]:
                axes.plot(epochs, [row[f"{part}_{kind}"] for row in rows], "o-", ms=4, color=colour, label=name)
        axes.set(xlabel="epoch", title=kind.capitalize().replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    more = f", its loss with the {'local term' if local else 'boxes'}" if local or len(kinds) > 2 else ""
    if changed:
        figure.suptitle(f"Training is measured on changed pictures{more}; validation on plain pictures", fontsize=8)
    else:
        figure.suptitle(f"Training is measured while the weights change, over each epoch{more}", fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write(path, picture.getvalue())


def check_tensorboard() -> None:
    """See that TensorBoard's files can be written.

    Raises:
        TrainError: if TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise TrainError("tensorboard: it is not installed. pip install 'whylight[train]'")


def write_tensorboard(folder: Path, row: Row) -> None:
    """An epoch's figures as TensorBoard reads them; what a later epoch wrote before the run was stopped is hidden."""
    from torch.utils.tensorboard import SummaryWriter

    epoch = int(row["epoch"])
    with SummaryWriter(str(folder), purge_step=epoch) as writer:
        for name, value in row.items():
            if name != "epoch":
                split, _, figure = (
                    name.rpartition("_") if not name.startswith(("train_", "val_")) else name.partition("_")
                )
                writer.add_scalar(f"{figure}/{split}" if split else name, value, epoch)


def write_card(
    path: Path, config: TrainConfig, spec: ModelSpec, data: Data, best: Row, scores: dict[str, Scores]
) -> None:
    """The model's card: what it is, what it was trained on, how well it does; the rest is for its maker to fill in."""
    start = (
        "chance"
        if config.scratch
        else "the library's pretrained weights"
        if config.pretrained
        else markdown(Path(str(config.weights)).name)
    )
    trained = "all layers" if config.unfreeze is None else f"the classifier and the last {config.unfreeze} blocks"
    stored = "the last" if config.keep == "last" else "the best by validation"
    counts = {part: data.counts(part) for part in data.splits}
    lines = [
        f"# {markdown(Path(config.out).name)}",
        "",
        f"Tells apart: {', '.join(map(markdown, spec.classes))}.",
        "",
        f"- Architecture: `{spec.arch}`, input {config.size} × {config.size} (the whole picture, stretched)"
        + (f", one cell of the last grid for {spec.output_stride} pixels." if spec.output_stride else "."),
        f"- Started from {start}; {trained} trained. Of at most {config.epochs} epochs {stored} is stored: {best['epoch']:.0f}.",
        *_specials(config, data),
        "- Settings: `config.json`. Figures by epoch: `metrics.csv`, `curves.png`.",
        "",
        "| pictures | " + " | ".join(map(markdown, data.classes)) + " |",
        "|---" * (1 + len(data.classes)) + "|",
        *(f"| {part} | " + " | ".join(map(str, numbers)) + " |" for part, numbers in counts.items()),
        "",
        "| set | accuracy | balanced accuracy | loss | calibration error | recall by class |",
        "|---|---|---|---|---|---|",
        *(
            f"| {part} | {s.accuracy:.2%} | {s.balanced_accuracy:.2%} | {s.loss:.4f} | {s.calibration_error:.4f} | "
            + ", ".join(
                f"{markdown(name)} {f'{value:.2%}' if value == value else 'no pictures'}"
                for name, value in zip(data.classes, s.recall, strict=True)
            )
            + " |"
            for part, s in scores.items()
        ),
        *_about_boxes(config, scores),
        "",
        "It knows only pictures like those it was trained on. Who uses it should add here: where the pictures come from and under",
        "which licence, what the model is for, and what it is not for.",
        "",
    ]
    write(path, "\n".join(lines).encode())


def _specials(config: TrainConfig, data: Data) -> list[str]:
    """Lines of the card about what is not usual."""
    told = []
    if data.flips:
        told.append(
            f"- **{len(data.flips)} training labels were flipped on purpose** (`flips.csv`): for experiments only."
        )
    if config.balance is not None:
        words = {"weight": "the loss weighed", "drop": "the excess dropped", "oversample": "the rare ones repeated"}
        told.append(f"- Classes of uneven size: {words[config.balance]}.")
    if config.teacher is not None:
        told.append(f"- Imitates {code(Path(config.teacher).name)} ({config.teacher_weight:g} of the loss).")
    if config.ema is not None:
        told.append(f"- The weights are a moving average (decay {config.ema:g}).")
    return told


def _about_boxes(config: TrainConfig, scores: dict[str, Scores]) -> list[str]:
    """The card's table of boxes; nothing where the model has no box head."""
    rows = [
        f"| {part} | {s.boxes.drawn} | {s.boxes.average_precision:.2%} | {s.boxes.found:.2%} | "
        f"{'nothing found' if s.boxes.nothing_found else f'{s.boxes.right:.2%}'} |"
        for part, s in scores.items()
        if s.boxes is not None
    ]
    if not rows:
        return []
    threshold = next(s.boxes.threshold for s in scores.values() if s.boxes is not None)
    return [
        "",
        f"A box head was trained beside the classifier ({code(Path(str(config.boxes)).name)}, {config.box_loss}). At IoU 0.5;",
        f"found and right count boxes with a score from {threshold:.3f} on, which was chosen on the validation pictures:",
        "",
        "| set | boxes drawn | average precision | found | right |",
        "|---|---|---|---|---|",
        *rows,
    ]
