"""What chance alone makes of a difference between two groups in thousands of places at once: the largest counts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.subgroups.chances.contrast import Bools, Floats, Ints

FEWEST = 5  # people in each group: with fewer there are too few ways to deal them out
_AT_ONCE = 4_000_000  # numbers in the draws that are held together
_TINY = 1e-12
Draws = NDArray[np.float32]


class Found(NamedTuple):
    """For each place the difference in standard errors, its corrected p, and how that was told."""

    t: Floats
    p: Floats
    how: str


def beyond_chance(values: Floats, first: Bools, whose: Ints, *, draws: int, seed: int) -> Found:
    """Compare the means of two groups in every place.

    Where each person is in one group, people are dealt out anew: the test is exact if the groups are alike, and through Welch's
    statistic it holds in large groups that differ in spread only (Janssen 1997; Chung and Romano 2013). Where people have rows in
    both groups, each one's pull on the difference gets a random sign instead (Rademacher; Chernozhukov, Chetverikov and Kato
    2013). In either case the largest |t| of all places is what each is held against (Westfall and Young 1993).

    Args:
        values: (n, P).
        first: (n,): who is in the first group; the others are in the second.
        whose: (n,): numbers of people.
        draws: how often.
        seed: of the draws.
    """
    _, person = np.unique(whose, return_inverse=True)
    spread = values.std(0)
    lively = spread > _TINY * np.maximum(1.0, np.abs(values).max(0))
    scaled = (values[:, lively] - values[:, lively].mean(0)) / spread[
        lively
    ]  # t does not change, and float32 is enough
    t, p = np.zeros(values.shape[1]), np.ones(values.shape[1])
    sizes = np.bincount(person).astype(np.float64)
    in_first = np.bincount(person, first.astype(np.float64))
    mixed = bool(((in_first > 0) & (in_first < sizes)).any())
    rng = np.random.default_rng(seed)
    if lively.any():
        most: Floats
        if mixed:
            t[lively], most = _by_signs(scaled, first, person, draws, rng)
        else:
            sums = _summed(scaled, person)
            t[lively], most = _by_dealing(sums, sizes, in_first > 0, draws, rng)
        ordered = np.sort(most)
        above = draws - np.searchsorted(ordered, np.abs(t[lively]) * (1 - 1e-6), side="left")
        p[lively] = (1 + above) / (1 + draws)
    how = "a random sign for each person" if mixed else "people dealt out to the groups anew"
    return Found(t, p, f"the largest of all cells in {draws:,} draws, {how}")


def _summed(values: Floats, person: Ints) -> Floats:
    """Sums over each person's rows: (people, P)."""
    if len(np.unique(person)) == len(person):
        found = np.empty_like(values)
        found[person] = values
        return found
    found = np.zeros((int(person.max()) + 1, values.shape[1]))
    np.add.at(found, person, values)
    return found


def _by_dealing(
    sums: Floats, sizes: Floats, first: Bools, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """t (P,) as it is, and the largest |t| of each draw (draws,)."""
    count, places = sums.shape
    alone = bool((sizes == 1).all())  # then the third of these is the first
    table = np.concatenate([sums, sums**2] if alone else [sums, sums**2, sums * sizes[:, None]], 1).astype(np.float32)
    scales = np.stack([np.ones(count), sizes, sizes**2], 1)  # (people, 3): how many people, rows, and squares of rows
    whole, of_all = table.sum(0, dtype=np.float64), scales.sum(0)

    def statistic(dealt: Draws) -> Floats:
        """(draws, people) of 0 and 1 → (draws, P)."""
        parts = np.split((dealt @ table).astype(np.float64), 2 if alone else 3, 1)
        wholes = np.split(whole, 2 if alone else 3)
        (s, q, r), (S, Q, R) = (*parts, *parts[:1])[:3], (*wholes, *wholes[:1])[:3]
        here = dealt.astype(np.float64) @ scales
        mean_one, error_one = _mean_and_error(s, q, r, here)
        mean_two, error_two = _mean_and_error(S - s, Q - q, R - r, of_all - here)
        found: Floats = (mean_one - mean_two) / np.sqrt(np.maximum(error_one + error_two, _TINY))
        return found

    mine = statistic(first[None].astype(np.float32))[0]
    most, step = [], max(1, _AT_ONCE // max(count, 3 * places))
    for start in range(0, draws, step):
        some = np.tile(first.astype(np.float32), (min(step, draws - start), 1))
        most.append(np.abs(statistic(rng.permuted(some, axis=1))).max(1))
    return mine, np.concatenate(most)


def _mean_and_error(s: Floats, q: Floats, r: Floats, scales: Floats) -> tuple[Floats, Floats]:
    """The mean over rows, and its squared standard error with people as the units: (draws, P) each."""
    people, rows, squares = (scales[:, [i]] for i in range(3))
    mean = s / rows
    spread = np.maximum(q - 2 * mean * r + mean**2 * squares, 0.0)
    return mean, spread / rows**2 * people / np.maximum(people - 1, 1)


def _by_signs(
    values: Floats, first: Bools, person: Ints, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The same where people have rows in both groups."""
    means = values[first].mean(0), values[~first].mean(0)
    pull = np.where(first[:, None], (values - means[0]) / first.sum(), -(values - means[1]) / (~first).sum())
    pulls = _summed(pull, person)  # (people, P)
    count = len(pulls)
    scale = np.sqrt(np.maximum((pulls**2).sum(0), _TINY**2))
    small = (pulls / scale).astype(np.float32)
    more = count / (count - 1)
    mine = (means[0] - means[1]) / scale / np.sqrt(more)
    most, step = [], max(1, _AT_ONCE // max(count, values.shape[1]))
    for start in range(0, draws, step):
        signs = rng.choice(np.array([-1, 1], np.float32), (min(step, draws - start), count))
        drawn = (signs @ small).astype(np.float64)
        most.append(np.abs(drawn / np.sqrt(np.maximum(1 - drawn**2 / count, 1e-6) * more)).max(1))
    return mine, np.concatenate(most)
