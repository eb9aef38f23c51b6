"""Where mistakes seem to gather in one half of the pictures: borders that are then tried on the other half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.cluster.vq import kmeans2

from whylight.subgroups.chances.contrast import Bools, Floats, Ints

DIRECTIONS = 100  # main directions of the features that are searched
SHRUNK = 0.5  # spread that is added to each direction's, as a share of the mean one: small ones are mostly noise
CLUSTERS = (1, 2, 3)  # into so many groups mistakes are divided
FEWEST = 4  # mistakes of a cluster that is looked at
REFINED = 2  # times that a group is looked for again where its own mistakes lie
SINGLE = 2  # features that go with mistakes by themselves
SIZES = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3)  # of a group, as shares of the first half
SMALLEST = 8  # pictures of a group in the first half
MOST = 8  # groups that are tried on the second half: each costs the others some of their certainty
CLEAR = 2.0  # standard errors by which a group must stand out in the first half
_SAME = 0.5  # share of both from which on two groups are one


class Candidate(NamedTuple):
    """A group, and how much each picture belongs to it: (n,) each."""

    inside: Bools
    score: Floats
    z: float


def prepared(features: Floats, first: Bools, logits: Floats | None) -> Floats:
    """Features of one scale in the first half, (n, K), without what a linear function of the logits tells, if they are given."""
    scaled = _standard(features, first)
    if logits is not None:
        known = np.column_stack([np.ones(len(logits)), _standard(logits, first)])
        fitted, *_ = np.linalg.lstsq(known[first], scaled[first], rcond=1e-8)
        scaled = _standard(scaled - known @ fitted, first)
    return scaled


def _directions(scaled: Floats, first: Bools) -> Floats:
    """Along their main directions in the first half, of about the same spread each: (n, at most `DIRECTIONS`)."""
    values, vectors = np.linalg.eigh(scaled[first].T @ scaled[first] / first.sum())
    chosen = np.argsort(values)[::-1][:DIRECTIONS]
    chosen = chosen[values[chosen] > 1e-9 * max(values.max(), 1e-12)]
    found: Floats = scaled @ vectors[:, chosen] / np.sqrt(values[chosen] + SHRUNK * values.mean())
    return found


def candidates(features: Floats, first: Bools, wrong: Bools, rng: np.random.Generator) -> list[Candidate]:
    """Groups in which mistakes of the first half stand out, the clearest first; those that are nearly the same once.

    Mistakes are divided into clusters. From what is right, a cluster lies in some direction: who lies far enough in it is the
    group, with the border at which mistakes stand out most. Single features are tried too.

    Args:
        features: from `prepared`.
        first: which pictures may be looked at; the others' mistakes decide nothing.
        wrong: all mistakes.
        rng: where clusters begin.
    """
    found: list[Candidate] = []
    places = _directions(features, first)
    if places.shape[1]:
        missed = np.flatnonzero(first & wrong)
        right = places[first & ~wrong]
        middle = right.mean(0) if len(right) else np.zeros(places.shape[1])
        for count in CLUSTERS:
            of = _clusters(places[missed], count, rng) if count > 1 else np.zeros(len(missed), np.int64)
            for cluster in range(count):
                found += _toward(places, middle, missed[of == cluster], first, wrong)
    found += [one for score in _single(features, first, wrong) for one in _cut(score, score, first, wrong)]
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: -one.z):
        mine = one.inside[first]
        if len(kept) < MOST and all(_alike(mine, other.inside[first]) < _SAME for other in kept):
            kept.append(one)
    return kept


def _toward(places: Floats, middle: Floats, mistakes: Ints, first: Bools, wrong: Bools) -> list[Candidate]:
    """The group that lies where some mistakes do; and again where those of them do that are in it, which leaves out strays."""
    found: list[Candidate] = []
    for _ in range(1 + REFINED):
        if len(mistakes) < FEWEST:
            break
        away = places - middle
        direction = away[mistakes].mean(0)
        score = away @ direction
        # A mistake draws the direction towards itself. Held against the direction that the others have, it is like any other.
        fair = score.copy()
        own = (away[mistakes] ** 2).sum(1)
        fair[mistakes] = (score[mistakes] * len(mistakes) - own) / (len(mistakes) - 1)
        made = _cut(score, fair, first, wrong)
        if not made:
            break
        found += made
        mistakes = mistakes[made[0].inside[mistakes]]
    return found


def _clusters(mistakes: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Which cluster each mistake is in."""
    import warnings

    if len(mistakes) <= count:
        return np.zeros(len(mistakes), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "one of the clusters is empty"
        _, of = kmeans2(mistakes, count, minit="++", seed=rng)
    return np.asarray(of, np.int64)


def _single(features: Floats, first: Bools, wrong: Bools) -> list[Floats]:
    """The features that go with mistakes most in the first half, turned so that high values go with them."""
    missed = wrong[first] - wrong[first].mean()
    along = missed @ features[first]
    chosen = np.argsort(-np.abs(along), kind="stable")[:SINGLE]
    return [features[:, one] * (1.0 if along[one] >= 0 else -1.0) for one in chosen]


def _cut(score: Floats, fair: Floats, first: Bools, wrong: Bools) -> list[Candidate]:
    """The border at which mistakes stand out most, if they do; `fair` is the score by which pictures of the first half count."""
    ordered = np.argsort(-fair[first], kind="stable")
    hits = np.cumsum(wrong[first][ordered])
    n, total = len(ordered), int(wrong[first].sum())
    sizes = np.unique([max(SMALLEST, round(share * n)) for share in SIZES])
    sizes = sizes[sizes < n - SMALLEST]
    if not len(sizes):
        return []
    # Against the hypergeometric mean and spread: so many of the mistakes would be inside by chance.
    expected = sizes * total / n
    spread = np.sqrt(sizes * (n - sizes) * total * (n - total) / (n * n * (n - 1)))
    z = (hits[sizes - 1] - expected) / np.maximum(spread, 1e-9)
    best = int(z.argmax())
    if z[best] < CLEAR:
        return []
    border = fair[first][ordered[sizes[best] - 1]]
    return [Candidate(score >= border, score, float(z[best]))]


def _standard(values: Floats, first: Bools) -> Floats:
    """Columns with mean 0 and spread 1 in the first half; those that do not vary there are 0."""
    middle, spread = values[first].mean(0), values[first].std(0)
    still = spread <= 1e-9 * np.maximum(1.0, np.abs(middle))  # also what nothing was left of
    found: Floats = np.where(still, 0.0, (values - middle) / np.where(still, 1.0, spread))
    return found


def _alike(one: Bools, other: Bools) -> float:
    return float((one & other).sum()) / max(float((one | other).sum()), 1.0)
