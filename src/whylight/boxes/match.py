"""How well scored boxes agree with drawn ones: which are right, average precision, the best one threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def overlaps(a: Floats, b: Floats, *, inclusive: bool = False) -> Floats:
    """Intersection over union of each box of `a` (n, 4) with each of `b` (m, 4): (n, m); boxes are x0, y0, x1, y1.

    A box of NaN overlaps nothing. `inclusive`: x1 and y1 are the last pixels inside, rather than the first outside.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    more = 1.0 if inclusive else 0.0
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (high - low + more).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + more).clip(min=0).prod(1) for boxes in (a, b)]
    either = areas[0][:, None] + areas[1][None] - both
    shares: Floats = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return shares


def right(found: Floats, wanted: Floats, iou: float = 0.5) -> NDArray[np.bool_]:
    """Which of the boxes found (n, 4), the surest first, are right: (n,).

    Each takes the wanted box that it overlaps most; it is right if that is by `iou` or more, and nobody surer took the same
    one. So a second box around one object is wrong, as in the PASCAL VOC challenges.
    """
    result = np.zeros(len(found), dtype=bool)
    if len(found) == 0 or len(wanted) == 0:
        return result
    taken: set[int] = set()
    for place, row in enumerate(overlaps(found, wanted)):
        nearest = int(row.argmax())
        if row[nearest] >= iou and nearest not in taken:
            taken.add(nearest)
            result[place] = True
    return result


def average_precision(scores: Sequence[float] | Floats, hits: Sequence[bool] | NDArray[np.bool_], total: int) -> float:
    """Area under the curve of precision over recall, over a whole set of pictures (PASCAL VOC 2010: every step counts).

    Args:
        scores: of all boxes found.
        hits: which of them are right.
        total: how many boxes there were to find; at least one.

    >>> average_precision([0.9, 0.8, 0.7], [True, False, True], total=2)
    0.8333333333333333
    """
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    found = np.asarray(hits, dtype=bool)[order]
    precision = found.cumsum() / np.arange(1, len(found) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    return float(best[found].sum() / total)


def best_threshold(scores: Sequence[float] | Floats, hits: Sequence[bool] | NDArray[np.bool_], total: int) -> float:
    """The score from which on to keep boxes so that F1 is highest: half-way between the last kept and the next.

    F1 = 2 · right / (kept + total) weighs a missed object and a wrong box alike. 0.5 where nothing is right.

    >>> round(best_threshold([0.9, 0.8, 0.2], [True, True, False], total=2), 3)
    0.5
    """
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    sorted_scores, found = np.asarray(scores, dtype=float)[order], np.asarray(hits, dtype=bool)[order]
    if not found.any():
        return 0.5
    f1 = 2 * found.cumsum() / (np.arange(1, len(found) + 1) + total)
    last = int(f1.argmax())
    following = sorted_scores[last + 1] if last + 1 < len(sorted_scores) else 0.0
    return float((sorted_scores[last] + following) / 2)
