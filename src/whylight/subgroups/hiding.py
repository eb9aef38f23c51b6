"""Attention put to the test: a region is covered in everybody's picture, the model runs again; does the gap between groups close?

A map says where a model looks, not what that does to anybody. If a group is served worse because of what lies in a region, then
without it the gap should shrink. It may also grow, or both groups may lose alike: then the region is evidence like any other. What
is covered looks like no picture of the training, so that accuracy may fall for that alone: the same hole elsewhere tells how far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import norm
from torch import Tensor

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, rate
from whylight.evaluate.measures.deletion import blurred
from whylight.subgroups.chances.contrast import Floats, Ints, groups, numbered

Fill = Literal["mean", "blur"]
FILLS: dict[str, str] = {
    "mean": "the mean colour of the model's training pictures (0 in its normalised input)",
    "blur": "the picture itself, blurred by a Gaussian whose standard deviation is a sixteenth of the input's shorter side",
}


class Change(NamedTuple):
    """A group's accuracy with a region seen and covered.

    Attributes:
        seen, covered: percent right, each with Wilson's interval.
        change: of the share right, covered less seen; `low`, `high`: the interval around it, over the same pictures.
    """

    seen: Interval
    covered: Interval
    change: float
    low: float
    high: float


class Hiding(NamedTuple):
    """What covering a region does to the gap between two groups.

    Attributes:
        region: which.
        first, second: each group's own change.
        seen, covered: the gap in accuracy, the first group's less the second's, with the region seen and covered.
        change: covered less seen; `low`, `high`: the interval around it, over the same pictures; `p`: of no change.
        pictures: those in which the region could be covered, of both groups.
    """

    region: str
    first: Change
    second: Change
    seen: float
    covered: float
    change: float
    low: float
    high: float
    p: float
    pictures: int

    @property
    def closes(self) -> bool:
        """Whether the gap surely changes, and is smaller then; one that turns around and is larger then opens."""
        return (self.low > 0 or self.high < 0) and abs(self.covered) < abs(self.seen)

    @property
    def levels_down(self) -> bool:
        """Whether it closes, but not because the group that was served worse gains: the better one loses what it had.

        A model that is blinded serves everybody alike. Such a gap tells that the region is evidence, not that it did harm.
        """
        better, worse = (self.first, self.second) if self.seen > 0 else (self.second, self.first)
        return self.closes and worse.low <= 0 and better.high < 0

    @property
    def opens(self) -> bool:
        """Whether it surely changes, and is larger then."""
        return (self.low > 0 or self.high < 0) and abs(self.covered) >= abs(self.seen)


def hiding(
    region: str,
    seen: ArrayLike,
    covered: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    people: Sequence[object] | None = None,
    *,
    level: float = 0.95,
) -> Hiding:
    """Whether the gap between two groups changes as a region is covered.

    Args:
        region: its name.
        seen: (n,) whether each answer is right with the region seen.
        covered: (n,) the same with it covered; NaN where it could not be.
        first, second: (n,) booleans, the two groups.
        people: (n,), whose picture each is.
        level: of the intervals.

    Raises:
        DataError: if the lengths differ, or a group has no picture in which the region was covered.

    Source of the intervals: Agresti and Min, Simple improved confidence intervals for comparing matched proportions, Statistics in
    Medicine 2005: half a picture more in each of the four cases, so that a group without any change keeps a width; wider where
    pictures of one person go together.
    """
    before, after = np.asarray(seen, np.float64), np.asarray(covered, np.float64)
    if before.ndim != 1 or before.shape != after.shape:
        raise DataError(
            f"seen, covered: expected a yes or no for each row, got shapes {before.shape} and {after.shape}"
        )
    there = np.isfinite(before) & np.isfinite(after)
    one, two = groups(len(before), first, second)
    whose = numbered(people, len(before))
    for name, group in (("first", one), ("second", two)):
        if not (group & there).any():
            raise DataError(f"{name}: in none of this group's pictures was {region!r} covered; choose another region")
    if not np.isin(np.concatenate([before[there], after[there]]), (0.0, 1.0)).all():
        raise DataError("seen, covered: expected yes or no for each row, got other numbers")
    z = float(norm.ppf((1 + level) / 2))
    sides = [one & there, two & there]
    variances = [_variance((after - before)[group], whose[group]) for group in sides]
    changes = [
        _change(before[group], after[group], whose[group], variance, z, level)
        for group, variance in zip(sides, variances, strict=True)
    ]
    gap_seen, gap_covered = (float(at[sides[0]].mean() - at[sides[1]].mean()) for at in (before, after))
    # What a person's pictures in both groups share makes the difference surer than this says, not less sure.
    change, error = gap_covered - gap_seen, math.sqrt(sum(variances))
    p = float(2 * norm.sf(abs(change) / error))
    count = int((there & (one | two)).sum())
    low, high = change - z * error, change + z * error
    return Hiding(region, changes[0], changes[1], gap_seen, gap_covered, change, low, high, p, count)


def _change(before: Floats, after: Floats, whose: Ints, variance: float, z: float, level: float) -> Change:
    names = [str(one) for one in whose]
    seen, covered = (rate(one > 0, names, level=level) for one in (before, after))
    change, half = float((after - before).mean()), z * math.sqrt(variance)
    return Change(seen, covered, change, max(change - half, -1.0), min(change + half, 1.0))


def _variance(moved: Floats, whose: Ints) -> float:
    """Of the mean of −1, 0 and 1 over pictures, as Agresti and Min have it; more where people's pictures go together."""
    n, mean = len(moved), float(moved.mean())
    gained, lost = int((moved > 0).sum()), int((moved < 0).sum())
    plain = (gained + lost + 1 - (gained - lost) ** 2 / (n + 2)) / (n + 2) ** 2
    _, person = np.unique(whose, return_inverse=True)
    people = int(person.max()) + 1
    if people == n:
        return plain
    pull = np.bincount(person, moved - mean) / n
    together = float((pull**2).sum()) * people / max(people - 1, 1)
    few = (0.5 * 2) / (people + 2) ** 2  # what is left where nothing moves is told by people, not by pictures
    return max(plain, together, few)


def cover(x: Tensor, masks: Tensor, fill: Fill = "mean") -> Tensor:
    """Inputs with a region covered.

    Args:
        x: (N, 3, H, W), normalised.
        masks: (N, H, W), 1 where it is covered, or the share of the pixel that is.
        fill: with what, see `FILLS`.

    Raises:
        DataError: if there is no such fill, or the masks do not fit.
    """
    if fill not in FILLS:
        raise DataError(f"fill: expected one of {', '.join(FILLS)}, got {fill!r}")
    if masks.shape != (len(x), *x.shape[2:]):
        raise DataError(f"masks: expected {(len(x), *x.shape[2:])}, got {tuple(masks.shape)}")
    if fill == "mean":
        filled = torch.zeros_like(x)
    else:
        sigma = min(x.shape[2:]) / 16
        filled = blurred(x, 2 * math.ceil(2.5 * sigma) + 1, sigma)
    return torch.lerp(x, filled, masks.to(x).unsqueeze(1))
