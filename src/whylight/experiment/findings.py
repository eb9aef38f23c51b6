"""From measured runs to the figures of each arm, with intervals over seeds or pictures."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t
from torch import Tensor

from whylight.errors import TrainError
from whylight.evaluate.bootstrap import Interval, interval
from whylight.evaluate.figures import says_nothing
from whylight.experiment.measure import ARRAYS, MEASURED, read_measured
from whylight.experiment.recipe import Arm
from whylight.experiment.run import Planned
from whylight.shown import shown
from whylight.train.scores import Scores, expected_calibration_error

_LARGEST = 1 << 32  # bytes: a million pictures of a thousand classes


@dataclass(frozen=True)
class Run:
    """A measured run: its facts, and the scores of every picture."""

    seed: int
    folder: Path
    facts: dict[str, Any]
    logits: Tensor  # (N, C)
    label: Tensor  # (N,)
    names: list[str]
    maps: NDArray[np.float32]  # (C, G, G), the mean map of each class

    @classmethod
    def read(cls, one: Planned) -> Run:
        """Read what `measure` left."""
        facts = read_measured(one.folder)
        _check_size(one.folder / ARRAYS)
        with np.load(one.folder / ARRAYS) as arrays:
            return cls(
                one.seed,
                one.folder,
                facts,
                torch.from_numpy(arrays["logits"]),
                torch.from_numpy(arrays["label"]),
                arrays["names"].tolist(),
                arrays["maps"],
            )

    @property
    def right(self) -> Tensor:
        """(N,) whether the class named is the picture's."""
        return self.logits.argmax(1) == self.label

    @property
    def probability(self) -> Tensor:
        """(N, C)."""
        return self.logits.double().softmax(1)

    @cached_property
    def scores(self) -> Scores:
        """Accuracy, balanced accuracy, loss, calibration error, recall."""
        return Scores.of(self.logits, self.label)


def _check_size(path: Path) -> None:
    """Refuse an archive that unpacks to more than any experiment measures: it is deflated, and says itself how large it is.

    Raises:
        TrainError: if it does, or is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise TrainError(f"{shown(path)}: cannot be read ({error}); delete it, and run the experiment again") from error
    if size > _LARGEST:
        raise TrainError(
            f"{shown(path)}: unpacks to {size:,} bytes, more than whylight writes; delete it, and run the experiment again"
        )


@dataclass(frozen=True)
class Measured:
    """An arm with its measured runs."""

    arm: Arm
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """As the recipe calls it."""
        return self.arm.name


@dataclass(frozen=True)
class Figure:
    """A figure that every arm has: a short name, its unit, which way is better, and how one run gives it."""

    key: str
    name: str
    unit: str
    better: str
    of: Callable[[Run], float | None]
    each: Callable[[Run], Sequence[float]] | None = None  # by picture, where it is a mean over them


def _place(key: str) -> Callable[[Run], float | None]:
    def of(run: Run) -> float | None:
        found = run.facts["localization"]
        return None if found is None else float(found[key])

    return of


def _calibration(run: Run) -> float:
    return 100 * expected_calibration_error(run.probability.max(1).values, run.right)


FIGURES = (
    Figure(
        "accuracy",
        "Accuracy",
        "%",
        "higher",
        lambda run: 100 * run.scores.accuracy,
        lambda run: (100.0 * run.right.double()).tolist(),
    ),
    Figure("balanced_accuracy", "Balanced accuracy", "%", "higher", lambda run: 100 * run.scores.balanced_accuracy),
    Figure("loss", "Loss", "nats", "lower", lambda run: run.scores.loss),
    Figure("calibration_error", "Calibration error", "%", "lower", _calibration),
    Figure("boxes", "MaxBoxAcc (IoU 0.5)", "%", "higher", _place("boxes")),
    Figure("boxes_v2", "MaxBoxAccV2", "%", "higher", _place("boxes_v2")),
    Figure("pointing", "Pointing game (15 px)", "%", "higher", _place("pointing")),
    Figure("seconds", "Training time", "s", "lower", lambda run: float(run.facts["seconds"])),
)


def value(figure: Figure, arm: Measured) -> Interval | None:
    """A figure of an arm: the mean over its runs, with the 95 % interval over seeds (Student's t) where there are two or more.

    With one run it is the interval over pictures where the figure is a mean over them, and none otherwise. `n` is the
    number of runs.
    """
    found = [one for one in (figure.of(run) for run in arm.runs) if one is not None]
    if not found:
        return None
    mean = sum(found) / len(found)
    if len(found) == 1:
        if figure.each is None:
            return Interval(mean, None, None, 1)
        over = interval(figure.each(arm.runs[0]), arm.runs[0].names)
        return Interval(mean, over.low, over.high, 1)
    spread = math.sqrt(sum((one - mean) ** 2 for one in found) / (len(found) - 1))
    half = half_width(spread, len(found))
    low, high = mean - half, mean + half
    if figure.unit == "%":
        low, high = max(0.0, low), min(100.0, high)
    return Interval(mean, max(0.0, low), high, len(found))


def open_ended(v: Interval, unit: str) -> bool:
    """Whether an interval says nothing: too wide, or of two seeds that happen to agree, which would pass for certainty.

    >>> open_ended(Interval(98.0, 98.0, 98.0, 2), "%"), open_ended(Interval(97.2, 96.1, 98.4, 3), "%")
    (True, False)
    """
    return says_nothing(v, unit) or (v.n == 2 and v.low == v.high)


def half_width(deviation: float, n: int) -> float:
    """Half of the 95 % interval of a mean over n runs with this standard deviation.

    >>> round(half_width(1.0, 3), 3)
    2.484
    """
    return float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)


def gather(planned: Sequence[Planned]) -> list[Measured]:
    """The runs that are measured, by arm, in the recipe's order; arms without any are left out.

    Raises:
        TrainError: if runs were measured on other classes.
    """
    by_arm: dict[tuple[str, ...], list[Run]] = {}
    arms: dict[tuple[str, ...], Arm] = {}
    for one in planned:
        if (one.folder / MEASURED).exists():
            arms[one.arm.levels] = one.arm
            by_arm.setdefault(one.arm.levels, []).append(Run.read(one))
    known = {tuple(run.facts["classes"]) for runs in by_arm.values() for run in runs}
    if len(known) > 1:
        raise TrainError(f"runs of other classes cannot be compared: {'; '.join(', '.join(one) for one in known)}")
    order = list(dict.fromkeys(one.arm.levels for one in planned))
    return [
        Measured(arms[levels], tuple(sorted(by_arm[levels], key=lambda run: run.seed)))
        for levels in order
        if levels in arms
    ]
