"""How good a box head is on a set of pictures: average precision, objects found, boxes that are right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from whylight.boxes.match import average_precision, best_threshold, right
from whylight.models.boxhead import FoundBoxes, pick

IOU = 0.5  # overlap from which on a box is right, and above which of two boxes found the less sure one goes
LEAST = 0.05  # boxes less sure than this are not looked at


class Judged(NamedTuple):
    """One class in one picture: the scores of the boxes found, which of them are right, how many boxes were drawn."""

    number: int
    scores: list[float]
    hits: list[bool]
    drawn: int


def judge(found: FoundBoxes, drawn: list[Tensor], classes: Iterable[int]) -> list[Judged]:
    """Hold what was found in N pictures against the boxes drawn in them, each (n, 5), class number first."""
    judged = []
    for boxes, scores, wanted in zip(found.boxes.cpu(), found.scores.cpu(), drawn, strict=True):
        for number in classes:
            kept = pick(boxes, scores[:, number], LEAST, IOU)
            own = wanted[wanted[:, 0] == number][:, 1:]
            hits = right(boxes[kept].numpy().astype(np.float64), own.numpy(), IOU)
            judged.append(Judged(number, scores[kept, number].tolist(), hits.tolist(), len(own)))
    return judged


@dataclass(frozen=True)
class BoxScores:
    """Figures over a set of pictures, at IoU 0.5.

    Attributes:
        drawn: how many boxes there are to find.
        average_precision: the mean over the classes that have boxes here.
        threshold: the score from which on a box counts in the next two.
        found: share of the drawn boxes that were found.
        right: share of the boxes found that are right; 1 where none was found.
    """

    drawn: int
    average_precision: float
    threshold: float
    found: float
    right: float

    @property
    def nothing_found(self) -> bool:
        """Whether no box was found at all, so that none can be called right.

        >>> BoxScores(4, 0.0, 0.5, 0.0, 1.0).nothing_found, BoxScores(4, 0.6, 0.5, 0.5, 0.75).nothing_found
        (True, False)
        """
        return self.found == 0 and self.right > 0

    @classmethod
    def of(cls, judged: list[Judged], threshold: float) -> BoxScores:
        """Sum up; there must be a drawn box somewhere."""
        by_class = []
        for number in sorted({one.number for one in judged if one.drawn}):
            own = [one for one in judged if one.number == number]
            by_class.append(average_precision(*_together(own)))
        scores, hits, drawn = _together(judged)
        kept = [hit for score, hit in zip(scores, hits, strict=True) if score >= threshold]
        return cls(
            drawn=drawn,
            average_precision=sum(by_class) / max(1, len(by_class)),
            threshold=threshold,
            found=sum(kept) / max(1, drawn),
            right=sum(kept) / len(kept) if kept else 1.0,
        )


def choose_threshold(judged: list[Judged]) -> float:
    """The one score for all classes and pictures with the highest F1."""
    return best_threshold(*_together(judged))


def _together(judged: list[Judged]) -> tuple[list[float], list[bool], int]:
    scores = [score for one in judged for score in one.scores]
    hits = [hit for one in judged for hit in one.hits]
    return scores, hits, sum(one.drawn for one in judged)
