"""The one threshold for all pictures, chosen on annotated ones, and how sure the choice is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, best_of, resampled
from whylight.evaluate.boxes import THRESHOLDS, accuracy, hits
from whylight.localize.threshold import Choice, choose
from whylight.shown import plural

_TOLD = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # thresholds at which the curve is told in words


class Calibration(NamedTuple):
    """A threshold and what speaks for it.

    Attributes:
        choice: the threshold, and from where to where it hardly matters.
        accuracy: percent of the pictures whose box is right at it.
        threshold: how the choice varies where pictures are drawn anew.
        curve: percent right at each of `boxes.THRESHOLDS`.
    """

    choice: Choice
    accuracy: Interval
    threshold: Interval
    curve: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "accuracy": self.accuracy._asdict(),
            "plateau": [self.choice.low, self.choice.high],
            "threshold_interval": [self.threshold.low, self.threshold.high],
            "curve": dict(zip((f"{share:.2f}" for share in THRESHOLDS), self.curve, strict=True)),
        }

    def words(self, method: str, iou: float) -> str:
        """The curve in words."""
        best, sure, spread = self.choice, self.accuracy, self.threshold
        ends = "" if sure.low is None else f" ({sure.low:.1f} … {sure.high:.1f})"
        how = f" ({method}, IoU {iou:g})"
        right = "has its box right" if sure.n == 1 else "have their box right"
        near = f"{best.low:.2f}" if best.low == best.high else f"{best.low:.2f} … {best.high:.2f}"
        lines = [
            f"threshold {best.threshold:.2f}: {sure.mean:.1f} % of {plural(sure.n, 'picture')}{ends} {right}{how}",
            f"within one point of that: {near}",
        ]
        if spread.low is None:
            lines.append("one picture only: this threshold says nothing about others")
        else:
            lines.append(
                f"on other pictures of this kind the choice would be {spread.low:.2f} … {spread.high:.2f} (95 %)"
            )
        told = (f"{share:.1f}: {self.curve[round(100 * share) - 1]:.0f} %" for share in _TOLD)
        return "\n".join([*lines, "elsewhere: " + ", ".join(told)])


def calibrate(overlaps: NDArray[np.int64], iou: float, pictures: Sequence[str] | None = None) -> Calibration:
    """Choose the threshold at which most pictures have their box right.

    Args:
        overlaps: (n, T), of each picture at each threshold, see `boxes.overlaps`.
        iou: from which overlap on a box is right.
        pictures: (n,), which picture each row is of, where one has boxes of several classes.

    Raises:
        DataError: if no box is right at any threshold: there is nothing to choose by.
    """
    right = hits(overlaps, iou).astype(np.float32)
    curve = accuracy(right)
    if not curve.any():
        count = len(set(pictures) if pictures is not None else right)
        whose = "the one picture" if count == 1 else f"any of the {count:,} pictures"
        raise DataError(
            f"at no threshold does {whose} have a box with IoU {iou:g}: choose another --method, or a lower --iou"
        )
    choice = choose(THRESHOLDS, curve)
    return Calibration(
        choice,
        best_of(right[:, None], pictures).interval,
        _varied(right, choice, pictures),
        (100 * curve).round(4).tolist(),
    )


def _varied(right: NDArray[np.float32], choice: Choice, pictures: Sequence[str] | None) -> Interval:
    """The threshold chosen, and where 95 of 100 choices on pictures drawn anew lie."""
    _, draws, n = resampled(lambda one: choose(THRESHOLDS, accuracy(right, one)).threshold, len(right), pictures)
    if not len(draws):
        return Interval(choice.threshold, None, None, n)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(choice.threshold, float(low), float(high), n)
