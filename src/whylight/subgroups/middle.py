"""The uncertain middle: pictures that the model cannot place. Who they are, and where it looks in them; a finding, not an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, rate
from whylight.subgroups.attention import Difference, Figure, by_group, difference
from whylight.subgroups.chances.chance import FEWEST
from whylight.subgroups.chances.contrast import Bools, Floats, Ints, numbered

_COLDEST, _HOTTEST = 1 / 20, 20.0  # temperatures that are tried
SHARE = 0.1  # of the pictures that count as the middle, where no band of probabilities is given


@dataclass(frozen=True, eq=False)
class Middle:
    """The pictures near the decision boundary.

    Attributes:
        inside: (n,) which they are.
        order: their indices, the least certain first: for a gallery.
        margin: (n,) how far each picture's best class is ahead of its second, in calibrated probability.
        rule: how they were chosen, in words.
        temperature: by which logits were divided so that probabilities are as often right as they say; 1 without labels.
        who: the share of each group that lies in the middle, with its interval, and against all others.
        right, elsewhere: percent right in the middle, and of the rest; None without labels, or where nobody is.
        maps: how maps of the middle differ from those of the rest; None where no maps were given, or there are too few.
    """

    inside: Bools
    order: Ints
    margin: Floats
    rule: str
    temperature: float
    who: list[Figure]
    right: Interval | None
    elsewhere: Interval | None
    maps: Difference | None


def middle(
    logits: ArrayLike,
    *,
    member: Mapping[str, ArrayLike],
    label: ArrayLike | None = None,
    maps: ArrayLike | None = None,
    people: Sequence[object] | None = None,
    band: tuple[float, float] | None = None,
    share: float = SHARE,
    level: float = 0.95,
    seed: int = 0,
) -> Middle:
    """Find the pictures that a model cannot place, and say who they are.

    Args:
        logits: (n, C), C at least 2.
        member: for each group, by its name, who belongs to it: (n,) booleans.
        label: (n,) each picture's class as an index, −1 where it is not known: probabilities are calibrated with them.
        maps: (n, h, w), aligned.
        people: (n,), whose picture each is.
        band: from which to which calibrated probability of its best class a picture is in the middle, such as (0.5, 0.6).
        share: without a band: the share of all pictures, those with the lowest margin.
        level: of the intervals.
        seed: of the draws with which maps are compared.

    Raises:
        DataError: if there are fewer than two classes, or a number cannot be used.
    """
    scores = np.asarray(logits, np.float64)
    if scores.ndim != 2 or scores.shape[1] < 2 or not len(scores) or not np.isfinite(scores).all():
        raise DataError(
            f"logits: expected finite numbers, a row for each picture and two classes or more, got {scores.shape}"
        )
    classes = None if label is None else _checked(label, scores.shape)
    heat = 1.0 if classes is None else temperature(scores, classes)
    ordered = np.sort(probabilities(scores / heat), 1)
    margin, best = ordered[:, -1] - ordered[:, -2], ordered[:, -1]
    fits = _COLDEST * 1.01 < heat < _HOTTEST / 1.01  # at an end of what was tried it is none that fits
    words = (
        f", calibrated at temperature {heat:.3g}"
        if fits
        else ", whose probabilities no temperature makes fit the labels"
    )
    words = "" if classes is None else words
    if band is not None:
        low, high = band
        if not 0 <= low <= high <= 1:
            raise DataError(f"band: expected two probabilities, the lower first, got {band}")
        inside = (best >= low) & (best <= high)
        rule = f"the best class has a probability from {low:g} to {high:g}{words}"
    else:
        if not 0 < share < 1:
            raise DataError(f"share: expected a share of the pictures between 0 and 1, got {share}")
        count = max(1, round(share * len(scores)))
        inside = np.zeros(len(scores), np.bool_)
        inside[np.argsort(margin, kind="stable")[:count]] = True
        rule = f"the {share:.0%} of the pictures whose two best classes are nearest{words}"
    places = np.flatnonzero(inside)
    right = elsewhere = None
    whose = numbered(people, len(scores))
    if classes is not None:
        hit, known = scores.argmax(1) == classes, classes >= 0
        right, elsewhere = (_rate(hit, group & known, whose, level) for group in (inside, ~inside))
    found = None
    if maps is not None:
        found = _compared(maps, inside, whose, seed)
    who = by_group({"in the middle": inside.astype(float)}, member, people, level=level)
    order = places[np.argsort(margin[places], kind="stable")]
    return Middle(inside, order, margin, rule, heat, who, right, elsewhere, found)


def temperature(logits: Floats, label: Ints) -> float:
    """By what logits are to be divided so that probabilities fit the labels best (their likelihood); rows below 0 do not count.

    Source: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017. From 1/20 to 20, so that labels
    which are all met end in something.
    """
    known = label >= 0
    if not known.any():
        return 1.0
    scores, classes = logits[known], label[known]

    def loss(log_heat: float) -> float:
        scaled = scores / np.exp(log_heat)
        top = scaled.max(1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float((total - scaled[np.arange(len(classes)), classes]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded").x))


def probabilities(logits: Floats) -> Floats:
    """Softmax of rows (n, C)."""
    raised = np.exp(logits - logits.max(1, keepdims=True))
    found: Floats = raised / raised.sum(1, keepdims=True)
    return found


def _checked(label: ArrayLike, shape: tuple[int, ...]) -> Ints:
    classes = np.asarray(label)
    if classes.shape != shape[:1] or not np.issubdtype(classes.dtype, np.integer) or (classes >= shape[1]).any():
        raise DataError(f"label: expected for each of {shape[0]:,} pictures a class from 0 to {shape[1] - 1}, or −1")
    return classes.astype(np.int64)


def _rate(hit: Bools, group: Bools, whose: Ints, level: float) -> Interval | None:
    if not group.any():
        return None
    return rate(hit[group], [str(one) for one in whose[group]], level=level)


def _compared(maps: ArrayLike, inside: Bools, whose: Ints, seed: int) -> Difference | None:
    data = np.asarray(maps, np.float64)
    there = np.nan_to_num(data, nan=0.0).clip(min=0).sum((1, 2)) > 0
    counts = [len(np.unique(whose[group & there])) for group in (inside, ~inside)]
    if min(counts) < FEWEST:
        return None
    return difference(data, inside, ~inside, [int(one) for one in whose], seed=seed)
