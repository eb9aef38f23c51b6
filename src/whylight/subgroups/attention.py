"""Where a model looks for whom: mean maps of groups, where they differ beyond chance, and on which parts of the face.

Everything here is arrays: maps (n, h, w) in one frame, made by `whylight.subgroups.looking.look`, and who belongs to which
group. A difference tells that the model looks elsewhere, not that it is unfair: see `whylight.subgroups.hiding`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, interval
from whylight.subgroups.chances.chance import FEWEST, beyond_chance
from whylight.subgroups.chances.contrast import Bools, Contrast, Floats, Ints, contrast, groups, numbered
from whylight.subgroups.stats.families import corrected


def evidence_shares(maps: ArrayLike) -> Floats:
    """Maps as shares of each one's own evidence: where, not how much. (n, h, w), each summing to 1.

    Values below 0 count as none. A map without evidence, or that is not there (NaN), comes back as NaN.

    >>> evidence_shares([[[1.0, 3.0]], [[0.0, 0.0]]]).tolist()
    [[[0.25, 0.75]], [[nan, nan]]]
    """
    data = np.asarray(maps, np.float64)
    if data.ndim != 3:
        raise DataError(f"maps: expected maps of one size, (n, h, w), got shape {data.shape}")
    kept = np.maximum(data, 0.0)  # NaN stays
    totals = kept.sum((1, 2), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(totals > 0, kept / totals, np.nan)
    return found


class MeanMap(NamedTuple):
    """The mean map of a group.

    Attributes:
        group: its name.
        map: (h, w), shares of the evidence, which sum to 1; NaN where nobody has a map.
        n: pictures in it.
        blank: pictures of the group that are left out, since there is no map or no evidence in it.
    """

    group: str
    map: Floats
    n: int
    blank: int


def mean_maps(maps: ArrayLike, member: Mapping[str, ArrayLike]) -> list[MeanMap]:
    """The mean map of each group: every picture counts the same, however strong its evidence is.

    Args:
        maps: (n, h, w).
        member: for each group, by its name, who belongs to it: (n,) booleans.
    """
    shares = evidence_shares(maps)
    there = ~np.isnan(shares[:, 0, 0])
    found = []
    for name, given in member.items():
        inside = _member(given, len(shares), name)
        chosen = inside & there
        mean = shares[chosen].mean(0) if chosen.any() else np.full(shares.shape[1:], np.nan)
        found.append(MeanMap(name, mean, int(chosen.sum()), int((inside & ~there).sum())))
    return found


@dataclass(frozen=True, eq=False)
class Difference:
    """Where two groups' maps differ, and where that is more than chance.

    Attributes:
        first, second: the mean maps, (h, w), shares of the evidence.
        map: the first less the second.
        t: the difference in its standard errors.
        p: for each cell the chance that, were the groups alike, any cell at all would differ as much: corrected for looking at all.
        significant: where that is below the level.
        people: how many there are in each group.
        blank: pictures of each that are left out for having no evidence.
        how: how chance was told, in words.
    """

    first: Floats
    second: Floats
    map: Floats
    t: Floats
    p: Floats
    significant: Bools
    people: tuple[int, int]
    blank: tuple[int, int]
    how: str

    @property
    def moved(self) -> float:
        """The share of the evidence that lies elsewhere: half the sum of absolute differences. Above 0 by chance alone, too."""
        return float(np.abs(self.map).sum() / 2)


def difference(
    maps: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    people: Sequence[object] | None = None,
    *,
    draws: int = 1000,
    level: float = 0.05,
    seed: int = 0,
) -> Difference:
    """Hold two groups' maps against each other, cell by cell, with one error in all cells as unlikely as `level` says.

    Args:
        maps: (n, h, w).
        first, second: (n,) booleans, the two groups; nobody is in both.
        people: (n,), whose picture each is; those of one person are dealt out together.
        draws: of what chance alone makes.
        level: the chance to call any cell different where none is.
        seed: decides the draws.

    Raises:
        DataError: if the groups do not fit the maps, or have fewer than `chance.FEWEST` people with evidence.
    """
    shares = evidence_shares(maps)
    one, two = groups(len(shares), first, second)
    there = ~np.isnan(shares[:, 0, 0])
    blank = (int((one & ~there).sum()), int((two & ~there).sum()))
    one, two = one & there, two & there
    whose = numbered(people, len(shares))
    counts = (len(np.unique(whose[one])), len(np.unique(whose[two])))
    if min(counts) < FEWEST:
        raise DataError(
            f"groups: {counts[0]} and {counts[1]} people with evidence are too few to tell maps apart; at least {FEWEST} in each"
        )
    both, shape = one | two, shares.shape[1:]
    found = beyond_chance(shares[both].reshape(both.sum(), -1), one[both], whose[both], draws=draws, seed=seed)
    means = shares[one].mean(0), shares[two].mean(0)
    p = found.p.reshape(shape)
    return Difference(
        *(*means, means[0] - means[1], found.t.reshape(shape), p, p <= level, counts, blank), how=found.how
    )


class Figure(NamedTuple):
    """What a group has of something on average, and how it differs from all others.

    Attributes:
        what: of what, such as a part of the face.
        group: its name.
        mean: with the interval over people; None where nobody has a value.
        rest: the group against everybody else; None where either has no value.
        p: of that, corrected (Holm) for all comparisons made at once; None where there is no test.
        enough: whether there are people enough for any of that to be told.
    """

    what: str
    group: str
    mean: Interval | None
    rest: Contrast | None
    p: float | None
    enough: bool


def by_group(
    values: Mapping[str, ArrayLike],
    member: Mapping[str, ArrayLike],
    people: Sequence[object] | None = None,
    *,
    level: float = 0.95,
    least: int = FEWEST,
) -> list[Figure]:
    """Means by group, each with its interval and its difference from everybody else.

    For the share of evidence on each part of the face, for the faithfulness of maps, and for whatever each picture has a number of.

    Args:
        values: for each thing, by its name, a number for each row: (n,); NaN where there is none.
        member: for each group, by its name, who belongs to it: (n,) booleans.
        people: (n,), whose row each is.
        level: of the intervals.
        least: people in a group from which on it is compared with the rest.

    Returns:
        Thing by thing, within each group by group.
    """
    found = []
    for what, given in values.items():
        data = np.asarray(given, np.float64)
        there, whose = np.isfinite(data), numbered(people, len(data))
        for name, one in member.items():
            inside = _member(one, len(data), name)
            found.append(_figure(what, name, data, inside & there, ~inside & there, whose, level, least))
    tested = corrected([np.nan if one.rest is None or one.rest.p is None else one.rest.p for one in found])
    return [one._replace(p=None if np.isnan(p) else float(p)) for one, p in zip(found, tested, strict=True)]


def _figure(
    what: str, name: str, data: Floats, here: Bools, others: Bools, whose: Ints, level: float, least: int
) -> Figure:
    mean = rest = None
    if here.any():
        mean = interval(data[here], [str(one) for one in whose[here]], level=level)
    sizes = [len(np.unique(whose[group])) for group in (here, others)]
    enough = min(sizes) >= least
    if enough:
        rest = contrast(data, here, others, [int(one) for one in whose], level=level)
    return Figure(what, name, mean, rest, None, enough)


def telling(
    maps: ArrayLike, found: Difference, first: ArrayLike, second: ArrayLike, *, most: int = 8
) -> tuple[Ints, Ints]:
    """The pictures in which the difference between two groups shows most: for a gallery, not for a test.

    Args:
        maps: (n, h, w), those that were compared.
        found: from `difference`; where it is beyond chance in some cells, these alone count.
        first, second: the two groups.
        most: pictures of each.

    Returns:
        Indices of the first group's pictures that lean most to its side, and of the second group's to the other.
    """
    shares = evidence_shares(maps)
    one, two = groups(len(shares), first, second)
    direction = np.where(found.significant, found.map, 0.0) if found.significant.any() else found.map
    lean = np.nan_to_num((shares * direction).sum((1, 2)), nan=0.0)
    there = ~np.isnan(shares[:, 0, 0])

    def most_of(group: Bools, sign: int) -> Ints:
        places = np.flatnonzero(group & there)
        return places[np.argsort(-sign * lean[places], kind="stable")][:most]

    return most_of(one, 1), most_of(two, -1)


def _member(given: ArrayLike, n: int, name: str) -> NDArray[Any]:
    inside = np.asarray(given, np.bool_)
    if inside.shape != (n,):
        raise DataError(f"group {name!r}: expected yes or no for each of the {n:,} rows, got shape {inside.shape}")
    return inside
