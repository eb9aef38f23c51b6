"""How much of the evidence lies on each part of the face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.faces.parts import FACIAL, OFF_FACE
from whylight.faces.types import FacePart


class PartScore(NamedTuple):
    """The evidence on one part.

    Attributes:
        name: of the part.
        score: mean of the grey map (0 … 255) over the part, divided by 255; in [0, 1].
        share: of all evidence in the crop, in [0, 1]. Shares of all parts but the smile, which lies over the mouth, add up to 1.
        lift: the share over the part's share of the crop's area. 1: no more than anywhere; 3: three times as dense.
        source: what told where the part is: `"landmarks"`, `"haar"` or `"geometry"`.
    """

    name: str
    score: float
    share: float
    lift: float
    source: str


def score_parts(heat: NDArray[np.floating], parts: Mapping[str, FacePart]) -> list[PartScore]:
    """Score each part by a heat map over its crop, in the order of the parts.

    Args:
        heat: (H, W) in [0, 1], of the crop's size: evidence, 0 where there is none. Where it is 0 everywhere, so is every score.
        parts: of `parts_of`.

    Raises:
        WhylightError: if the map has another size than the parts' masks, holds values that are not finite or out of [0, 1], or a
            mask is empty.

    >>> from whylight.faces.types import Point
    >>> mask = np.array([[True, False], [False, False]])
    >>> score_parts(np.array([[1.0, 0.25], [0.25, 0.5]]), {"nose": FacePart("nose", mask, Point(0.5, 0.5), "geometry")})
    [PartScore(name='nose', score=1.0, share=0.5, lift=2.0, source='geometry')]
    """
    evidence = np.asarray(heat, np.float64)
    if evidence.ndim != 2:
        raise WhylightError(f"heat: expected a map (H, W), got {evidence.shape}")
    low, high = float(evidence.min(initial=0)), float(evidence.max(initial=0))
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise WhylightError(
            f"heat: expected finite values in [0, 1], got {low:g} … {high:g}; use Explanation.heatmap()"
        )
    grey = (np.asarray(heat) * 255).round().astype(np.int64)  # as the grey picture of the map is written
    whole = float(evidence.sum())
    scores = []
    for part in parts.values():
        mask = part.mask
        if mask.shape != evidence.shape:
            raise WhylightError(f"heat: {evidence.shape} is not the size of the mask of {part.name}, {mask.shape}")
        count = int(mask.sum())
        if count == 0:
            raise WhylightError(f"{part.name}: its mask is empty; leave parts that are outside of the crop out")
        share = float(evidence[mask].sum()) / whole if whole > 0 else 0.0
        score = int(grey[mask].sum()) / (255 * count)
        scores.append(PartScore(part.name, score, share, share * mask.size / count, part.source))
    return scores


def significant(scores: Iterable[PartScore], threshold: float) -> list[PartScore]:
    """The features of the face whose score reaches a threshold, the highest first; of equal ones the one with more evidence.

    Features are eyes, eyebrows, nose, mouth and smile. Parts without any evidence are never significant.

    Raises:
        WhylightError: if the threshold is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise WhylightError(f"threshold: expected a score in [0, 1], got {threshold}")
    found = [one for one in scores if one.name in FACIAL and one.score >= threshold and one.share > 0]
    return sorted(found, key=lambda one: (-one.score, -one.share))


def off_face(scores: Iterable[PartScore]) -> float:
    """The share of all evidence that lies on hair and background, in [0, 1]; 0 where there is no evidence at all."""
    return float(sum(one.share for one in scores if one.name in OFF_FACE))
