"""Variances where rows of one person belong together: a person is drawn, not a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class People(NamedTuple):
    """Which pairs of a group and a person there are.

    Attributes:
        pair: (n,) the pair of each row.
        group: (p,) the group of each pair; −1 for rows of no group.
        person: (p,) the person of each pair.
        groups: how many groups.
        people: how many persons.
    """

    pair: NDArray[np.int64]
    group: NDArray[np.int64]
    person: NDArray[np.int64]
    groups: int
    people: int

    def sums(self, values: Floats) -> Floats:
        """(p,), the sum over the rows of each pair."""
        return np.asarray(np.bincount(self.pair, values, minlength=len(self.group)), np.float64)

    def within(self, values: Floats) -> Floats:
        """(groups,), the sum over the pairs of each group."""
        return np.asarray(np.bincount(self.group + 1, values, minlength=self.groups + 1)[1:], np.float64)

    @property
    def counts(self) -> Floats:
        """(groups,), persons in each group."""
        return self.within(np.ones(len(self.group)))


def people(group: NDArray[np.int32], person: NDArray[np.int32], groups: int) -> People:
    """Pair groups (−1: none) and persons."""
    count = int(person.max(initial=-1)) + 1
    both, pair = np.unique((group.astype(np.int64) + 1) * count + person, return_inverse=True)
    return People(pair, both // count - 1, both % count, groups, count)


def ratio(of: People, top: Floats, bottom: Floats) -> tuple[Floats, Floats]:
    """Variance of Σ top / Σ bottom in each group, with persons drawn, and its degrees of freedom.

    Args:
        of: the groups and persons.
        top, bottom: (n,) of each row: what is counted, and whether it counts.

    Returns:
        variance: (groups,), NaN under two persons.
        df: (groups,), persons that count, less 1.

    Source: Cochran, Sampling techniques, 1977, chapter 6.
    """
    y, d = of.sums(top), of.sums(bottom)
    total = of.within(d)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = of.within(y) / total
        off = np.where(of.group >= 0, (y - value[of.group] * d) ** 2, 0.0)
        m = of.within((d > 0).astype(np.float64))
        variance = np.where(m > 1, of.within(off) * m / (m - 1) / total**2, np.nan)
    return variance, m - 1


class Rest(NamedTuple):
    """All other groups together, for each group; all (groups,).

    Attributes:
        gap: variance of the group's ratio less that of the rest, with persons drawn who may be in both.
        variance: of the ratio of the rest alone.
        df: its degrees of freedom, persons in the rest less 1.
        shared: how many persons are in both.
    """

    gap: Floats
    variance: Floats
    df: Floats
    shared: Floats


def rest(of: People, top: Floats, bottom: Floats) -> Rest:
    """Each group held against all other groups together.

    Args:
        of, top, bottom: as for `ratio`.

    Returns:
        NaN where either side is empty.
    """
    inside = of.group >= 0
    y, d = np.where(inside, of.sums(top), 0.0), np.where(inside, of.sums(bottom), 0.0)
    every_y, every_d = (np.bincount(of.person, one, minlength=of.people) for one in (y, d))
    own_y, own_d = of.within(y), of.within(d)
    rest_y, rest_d = every_y.sum() - own_y, every_d.sum() - own_d
    with np.errstate(divide="ignore", invalid="ignore"):
        value, others = own_y / own_d, rest_y / rest_d
        # Of a person outside the group, the square of what he adds to the rest; summed over all, then set right for those inside.
        base = (every_y**2).sum() - 2 * others * (every_y * every_d).sum() + others**2 * (every_d**2).sum()
        g = np.maximum(of.group, 0)
        ey, ed = every_y[of.person], every_d[of.person]
        without = (ey - y - others[g] * (ed - d)) / rest_d[g]
        here = (y - value[g] * d) / own_d[g] - without
        as_all = (ey - others[g] * ed) / rest_d[g]
        m = float(np.count_nonzero(np.bincount(of.person, d)))
        inner = of.within((inside & (d > 0)).astype(np.float64))
        shared = of.within((inside & (d > 0) & (ed > d)).astype(np.float64))
        there = m - inner + shared
        squares = (base / rest_d**2 + of.within(np.where(inside, one**2 - as_all**2, 0.0)) for one in (here, without))
        gap, alone = (np.maximum(one, 0) for one in squares)
        gap = gap * m / (m - 1) if m > 1 else np.full(of.groups, np.nan)
        return Rest(gap, np.where(there > 1, alone * there / (there - 1), np.nan), there - 1, shared)
