"""Groups nobody named: where mistakes gather, found on one half of the people and confirmed on the other.

Who looks for clusters of mistakes finds some, whatever the model. So the half of the people in whom a group is found says nothing
about it: its borders are fixed there, and the other half tells whether mistakes are more frequent inside of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control, hypergeom

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, rate
from whylight.subgroups.chances.contrast import Bools, Ints, contrast, numbered
from whylight.subgroups.chances.search import Candidate, candidates, prepared

FEWEST = 40  # pictures, and of these at least MISTAKES mistakes in the first half, before anything is looked for
MISTAKES = 5
_SHOWN = 24


class Trait(NamedTuple):
    """A value that is more frequent in a found group than outside of it.

    Attributes:
        column, value: what it is.
        inside, outside: the share of pictures that have it.
        p: of both being alike, corrected (Benjamini and Hochberg) for all values of all columns.
    """

    column: str
    value: str
    inside: float
    outside: float
    p: float


@dataclass(frozen=True, eq=False)
class Found:
    """A group in which mistakes are more frequent.

    Attributes:
        members: indices of all its pictures, the most typical first.
        inside, outside: percent wrong in the half that confirmed it, each with Wilson's interval.
        p: of no difference there; corrected for all groups that were tried.
        traits: how it differs in the columns at hand, the clearest first; empty where no column tells.
        examples: indices of its mistakes, the most typical first, then of what else is in it.
    """

    members: Ints
    inside: Interval
    outside: Interval
    p: float
    traits: list[Trait]
    examples: Ints


@dataclass(frozen=True, eq=False)
class Discovery:
    """What was found, and what it was found among.

    Attributes:
        found: the clearest first.
        tried: groups that were put to the test on the second half.
        first, second: pictures in the half that proposes and in the one that confirms.
        level: the share of false findings that is expected among those told; where there is nothing to find, the chance of any.
        why_not: why nothing was looked for, in words; "" where it was.
    """

    found: list[Found]
    tried: int
    first: int
    second: int
    level: float
    why_not: str = ""


def discover(
    features: ArrayLike,
    wrong: ArrayLike,
    *,
    logits: ArrayLike | None = None,
    people: Sequence[object] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    level: float = 0.05,
    seed: int = 0,
) -> Discovery:
    """Look for groups of pictures with more mistakes than others have.

    Args:
        features: (n, K) what tells pictures apart: the network's own last features, maps laid out flat, or both side by side.
        wrong: (n,) whether the answer is.
        logits: (n, C): what these already tell is taken out of the features first, so that "pictures near the decision boundary",
            which `whylight.subgroups.middle` is about, is not what is found.
        people: (n,), whose picture each is; a person is in one half only.
        columns: for each column, by its name, a value for each picture; they describe what is found, and find nothing.
        level: see `Discovery.level`.
        seed: decides the halves.

    Raises:
        DataError: if the lengths differ, or a number is not finite.
    """
    data, missed = np.asarray(features, np.float64), np.asarray(wrong, np.bool_)
    if data.ndim != 2 or not np.isfinite(data).all():
        raise DataError(f"features: expected finite numbers, a row for each picture, got shape {data.shape}")
    if missed.shape != (len(data),):
        raise DataError(f"wrong: expected yes or no for each of the {len(data):,} pictures, got shape {missed.shape}")
    whose = numbered(people, len(data))
    rng = np.random.default_rng(seed)
    first = (rng.permutation(int(whose.max(initial=-1)) + 1) % 2 == 0)[whose]
    half = (int(first.sum()), int((~first).sum()))
    if len(data) < FEWEST or int(missed[first].sum()) < MISTAKES or not missed[~first].any():
        few = f"{len(data):,} pictures with {int(missed.sum()):,} mistakes are too few to look for groups among them"
        return Discovery([], 0, *half, level, few)
    left = prepared(data, first, None if logits is None else np.asarray(logits, np.float64))
    tried = candidates(left, first, missed, rng)
    if not tried:
        return Discovery([], 0, *half, level)
    tests = np.array([_confirmed(one.inside, missed, ~first, whose) for one in tried])
    corrected = false_discovery_control(tests, method="bh")
    found = [
        _told(tried[place], missed, ~first, whose, float(corrected[place]), columns or {})
        for place in np.argsort(tests, kind="stable")
        if corrected[place] <= level
    ]
    return Discovery(_apart(found), len(tried), *half, level)


def _confirmed(inside: Bools, wrong: Bools, half: Bools, whose: Ints) -> float:
    """The p of as many mistakes inside, or more, were they alike: Fisher's exact test; and by people where they come more often."""
    here, others = inside & half, ~inside & half
    if not here.any() or not others.any():
        return 1.0
    p = float(hypergeom.sf(int(wrong[here].sum()) - 1, int(half.sum()), int(wrong[half].sum()), int(here.sum())))
    if len(np.unique(whose[half])) == half.sum():
        return p
    told = contrast(wrong.astype(float), here, others, [int(one) for one in whose])
    if told.p is None:
        return 1.0
    return max(p, told.p / 2 if told.difference > 0 else 1 - told.p / 2)


def _told(
    one: Candidate, wrong: Bools, half: Bools, whose: Ints, p: float, columns: Mapping[str, Sequence[object]]
) -> Found:
    members = np.flatnonzero(one.inside)
    members = members[np.argsort(-one.score[members], kind="stable")]
    missed = members[wrong[members]][: _SHOWN // 2]
    others = members[~wrong[members]][: _SHOWN - len(missed)]
    inside, outside = (
        rate(wrong[group], [str(person) for person in whose[group]])
        for group in (one.inside & half, ~one.inside & half)
    )
    found = traits(columns, one.inside, half)
    return Found(members, inside, outside, p, found, np.concatenate([missed, others]))


def traits(columns: Mapping[str, Sequence[object]], inside: Bools, half: Bools, *, level: float = 0.05) -> list[Trait]:
    """The values that are surely more frequent inside of a group than outside of it, the clearest first.

    Args:
        columns: values by column; a column with a value of its own for most pictures, such as a file name, is passed over.
        inside: (n,) who belongs to the group.
        half: (n,) the pictures that are counted.
        level: of false findings among those told.

    Raises:
        DataError: if a column has another length.
    """
    told: list[tuple[str, str, float, float, float]] = []
    here, others = inside & half, ~inside & half
    for name, given in columns.items():
        if len(given) != len(inside):
            raise DataError(f"column {name!r}: expected {len(inside):,} values, got {len(given):,}")
        values = np.array([str(one) for one in given])
        kinds, of = np.unique(values, return_inverse=True)
        if len(kinds) < 2 or len(kinds) > max(20, len(values) // 10):
            continue
        for place, kind in enumerate(kinds):
            has = of == place
            count = int((has & here).sum())
            p = float(hypergeom.sf(count - 1, int(half.sum()), int((has & half).sum()), int(here.sum())))
            told.append((name, str(kind), count / max(here.sum(), 1), float(has[others].mean()), p))
    if not told:
        return []
    corrected = false_discovery_control(np.minimum([one[-1] for one in told], 1.0), method="bh")
    clear = [Trait(*one[:-1], float(p)) for one, p in zip(told, corrected, strict=True) if p <= level]
    return sorted(clear, key=lambda one: (one.p, one.outside - one.inside))


def _apart(found: list[Found]) -> list[Found]:
    """Leave out those that are for the most part one that was told before."""
    kept: list[Found] = []
    for one in found:
        mine = set(one.members.tolist())
        if all(len(mine & set(other.members.tolist())) < 0.5 * min(len(mine), len(other.members)) for other in kept):
            kept.append(one)
    return kept
