"""What the steps of an epoch add up to, how epochs compare, and when there were enough of them."""

from __future__ import annotations

from whylight.train.report import Row
from whylight.train.scores import Scores

SUMMED = ("loss", "right", "seconds", "loading", "frozen", "measuring")


def row_of(number: int, rate: float, steps: int, sums: dict[str, float], scores: Scores) -> Row:
    """An epoch's figures.

    Args:
        number: of the epoch, from 1.
        rate: the learning rate at its end.
        steps: how many there were.
        sums: of each of `SUMMED` over the steps.
        scores: on the validation pictures.
    """
    return {
        "epoch": number,
        "lr": rate,
        "train_loss": sums["loss"] / steps,
        "train_accuracy": sums["right"] / steps,
        "val_loss": scores.loss,
        "val_accuracy": scores.accuracy,
        "val_balanced_accuracy": scores.balanced_accuracy,
        **({} if scores.boxes is None else {"val_average_precision": scores.boxes.average_precision}),
        "seconds": round(sums["seconds"], 1),
        "frozen_seconds": round(sums["frozen"], 1),
        "val_seconds": round(sums["measuring"], 1),
        "loading_share": round(sums["loading"] / max(sums["seconds"], 1e-9), 3),
    }


def merit(row: Row) -> tuple[float, float]:
    """Sorts epochs, the best first: by balanced accuracy in validation (and average precision, with boxes), then by loss."""
    return -row["val_balanced_accuracy"] - row.get("val_average_precision", 0.0), row["val_loss"]


def tired(rows: list[Row], patience: int | None) -> bool:
    """Whether validation has not improved for as many epochs as there is patience for."""
    if patience is None or not rows:
        return False
    best = min(range(len(rows)), key=lambda k: merit(rows[k]))
    return len(rows) - 1 - best >= patience
