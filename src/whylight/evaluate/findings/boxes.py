"""Whether the boxes of maps are right, at each threshold and at the best one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whylight.evaluate.bootstrap import Best, Interval, best_of, rate
from whylight.evaluate.boxes import IOUS, THRESHOLDS, accuracy, hits
from whylight.evaluate.figures import Cell
from whylight.localize.threshold import Choice, choose

EXACT = np.arange(10, 100, 5) / 100  # overlaps of the plot


class Boxes:
    """Whether boxes are right, from overlaps (n, T) and the picture of each."""

    def __init__(self, overlaps: NDArray[np.int64], pictures: Sequence[str]) -> None:
        self.n, self._pictures = len(overlaps), pictures
        self._right = np.stack([hits(overlaps, iou) for iou in IOUS], 1).reshape(self.n, -1).astype(np.float32)
        self._overlaps = overlaps

    def rates(self) -> NDArray[np.float64]:
        """Share of right pictures, (3, T): by IoU and threshold."""
        return accuracy(self._right).reshape(len(IOUS), -1)

    def best(self, iou: float) -> Choice:
        """The best threshold for an IoU."""
        return choose(THRESHOLDS, self.rates()[IOUS.index(iou)])

    def max_box_acc(self) -> Interval:
        """Percent right at IoU 0.5, at the threshold that is best for these pictures; the interval allows for that choice."""
        return self.chosen.interval

    def max_box_acc_v2(self) -> Interval:
        """The mean over the IoUs, each at its own best threshold; the interval allows for these choices."""
        return self.chosen_v2.interval

    @cached_property
    def chosen(self) -> Best:
        """MaxBoxAcc, and what is left of it without the luck of the choice."""
        return best_of(self._right.reshape(self.n, len(IOUS), -1)[:, 1:2], self._pictures)

    @cached_property
    def chosen_v2(self) -> Best:
        """MaxBoxAccV2, and what is left of it without the luck of the choices."""
        return best_of(self._right.reshape(self.n, len(IOUS), -1), self._pictures)

    def at(self, threshold: float, iou: float = 0.5) -> Interval:
        """Percent right at a fixed threshold."""
        return rate(hits(self._overlaps[:, _column(threshold)], iou), self._pictures)

    def by_overlap(self) -> list[float]:
        """Percent right by the IoU asked for, each at its own best threshold."""
        return [100 * float(hits(self._overlaps, iou).mean(0).max()) for iou in EXACT]


def at_best(name: str, measure: str, found: Best, note: str) -> Cell:
    """A figure at its own best threshold; where that choice flattered it, by how much."""
    value, honest = found.interval, found.honest
    apart = (
        f"; {honest:.1f} less the luck of the choice" if value.low is not None and value.mean - honest >= 0.05 else ""
    )
    return Cell(name, measure, value, note=note + apart)


def each(boxes: Boxes) -> str:
    choices: Iterable[tuple[float, Choice]] = ((iou, boxes.best(iou)) for iou in IOUS)
    return "; ".join(
        f"IoU {iou}: " + (f"{100 * best.accuracy:.1f} at {best.threshold:.2f}" if best.accuracy > 0 else "never right")
        for iou, best in choices
    )


def at(best: Choice) -> str:
    """Where the best threshold is; where no box is ever right, none is better than another."""
    return f"at {best.threshold:.2f} of the maximum" if best.accuracy > 0 else "never right"


def _column(threshold: float) -> int:
    return round(100 * threshold) - 1
