"""What a gallery's own pictures say: how alike each is to the rest of its person, and to the nearest of anybody else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CHUNK = 1024  # rows at a time: every picture against every person would take gigabytes


class Scores(NamedTuple):
    """What the gallery's own pictures say, each against templates that it is no part of.

    Attributes:
        genuine: (G,) similarity of each picture to the rest of its own person, as it would be if the rest were as many pictures as
            the person has (see `growth`); people with one picture have none.
        impostor: (I,) highest similarity of each picture to anybody else: what it would score if its person were not enrolled.
        genuine_of, impostor_of: whose picture each is, since a person's pictures are alike; None: each another's.
    """

    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]
    genuine_of: NDArray[np.int32] | None = None
    impostor_of: NDArray[np.int32] | None = None


def leave_one_out(embeddings: NDArray[np.float32], owners: NDArray[np.int32], people: int) -> Scores:
    """Every picture against everybody, with itself taken out of its own person's template.

    Args:
        embeddings: (N, D), rows of length 1.
        owners: (N,) whose each is, in [0, people).
        people: P, each with a picture at least.
    """
    sums, counts = sums_of(embeddings, owners, people)
    templates = directions(sums)  # (P, D)
    alike = _alikeness(sums, counts)
    genuine, impostor = [np.zeros(0)], [np.zeros(0)]
    several = np.bincount(owners, minlength=people)[owners] > 1
    for start in range(0, len(embeddings), CHUNK):
        z, own = embeddings[start : start + CHUNK].astype(np.float64), owners[start : start + CHUNK]
        some = several[start : start + CHUNK]
        rest = directions(sums[own[some]] - z[some])  # (n, D)
        genuine.append(np.minimum((rest * z[some]).sum(1) * growth(counts[own[some]], alike), 1))
        if people > 1:
            similarities = z @ templates.T  # (n, P)
            similarities[np.arange(len(z)), own] = -np.inf
            impostor.append(similarities.max(1))
    return Scores(
        np.concatenate(genuine), np.concatenate(impostor), owners[several], owners if people > 1 else owners[:0]
    )


def growth(counts: NDArray[np.int64], alike: float) -> NDArray[np.float64]:
    """By how much a face is more alike to the mean direction of n pictures than to that of n - 1.

    Means of more pictures are nearer to the person. A picture that is left out is compared with one picture less than a new face
    will be, and a threshold chosen so would be too low, by up to a fifth where people have two pictures.

    If any two pictures of a person have the similarity s, a sum of n has the length √(n (1 + (n - 1) s)), and its similarity to
    one more is f(n) = n s / √(n (1 + (n - 1) s)). The growth is f(n) / f(n - 1).

    Args:
        counts: n, at least 2.
        alike: s, in [0, 1].

    >>> growth(np.array([2, 3]), 1.0).tolist()
    [1.0, 1.0]
    >>> growth(np.array([2, 10]), 0.5).round(3).tolist()
    [1.155, 1.005]
    """
    n = counts.astype(np.float64)
    return np.asarray(np.sqrt(n / (n - 1) * (1 + (n - 2) * alike) / (1 + (n - 1) * alike)))


def _alikeness(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """The mean similarity of two pictures of one person; 1 where nobody has two, or they are unlike."""
    n = counts[counts > 1].astype(np.float64)
    if not len(n):
        return 1.0
    squares = (sums[counts > 1] ** 2).sum(1)  # n + n (n - 1) s
    return float(np.clip((squares - n).sum() / (n * (n - 1)).sum(), 0, 1))


def sums_of(
    embeddings: NDArray[np.float32], owners: NDArray[np.int32], people: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of each person's embeddings (P, D), and how many there are (P,)."""
    sums = np.zeros((people, embeddings.shape[1]))
    np.add.at(sums, owners, embeddings)
    return sums, np.bincount(owners, minlength=people)


def directions(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows brought to length 1; a row without a direction stays zero, and is like nobody."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-9))
