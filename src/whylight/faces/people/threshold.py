"""From which similarity on a face is taken for somebody who is enrolled: chosen on the gallery's own pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError

ALLOWED = 0.05  # false rejects, where nothing else is asked for
MOST_ACCEPTED = 0.1  # false accepts with that: a stranger with a name is worse than somebody known called unknown
CHUNK = 1024  # rows at a time: every picture against every person would take gigabytes


class Scores(NamedTuple):
    """What the gallery's own pictures say, each against templates that it is no part of.

    Attributes:
        genuine: (G,) similarity of each picture to the rest of its own person, as it would be if the rest were as many pictures as
            the person has (see `growth`); people with one picture have none.
        impostor: (I,) highest similarity of each picture to anybody else: what it would score if its person were not enrolled.
    """

    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it does to the pictures it was chosen on. A face is known where its similarity is at least so high.

    Attributes:
        threshold: the similarity.
        aim: what it was chosen for: `"false_rejects"` or `"false_accepts"`, …
        allowed: … and the largest share of them that was allowed.
        false_rejects: share of pictures of enrolled people that are called unknown; None where nobody has two pictures.
        false_accepts: share of pictures that are taken for somebody else if their own person is not enrolled; None where
            only one person is. It grows with the number of people.
        genuine: how many pictures the first share is of.
        impostor: how many the second is of.
        people: how many people were enrolled.
        state: what was enrolled, as a digest: the threshold is for that.
    """

    threshold: float
    aim: str
    allowed: float
    false_rejects: float | None
    false_accepts: float | None
    genuine: int
    impostor: int
    people: int
    state: str

    def __str__(self) -> str:
        rejects = (
            "how many enrolled people it calls unknown is not known, since nobody has two pictures"
            if self.false_rejects is None
            else f"it calls {self.false_rejects:.1%} of {self.genuine} pictures of enrolled people unknown"
        )
        accepts = (
            "how many strangers it takes for somebody is not known, since only one person is enrolled"
            if self.false_accepts is None
            else f"of {self.impostor} pictures whose own person is left out it takes {self.false_accepts:.1%} for somebody"
        )
        return f"at a similarity of {self.threshold:.3f}, {rejects}, and {accepts}"

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`'s values.

        Raises:
            TypeError, ValueError: if they are something else.
        """
        made = cls(**fields)
        numbers = (made.threshold, made.allowed, made.genuine, made.impostor, made.people)
        shares = [share for share in (made.false_rejects, made.false_accepts) if share is not None]
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in (*numbers, *shares)):
            raise ValueError(f"calibration {fields!r}")
        return made


def calibrate(
    scores: Scores, *, people: int, state: str, false_rejects: float | None = None, false_accepts: float | None = None
) -> Calibration:
    """Choose the threshold that rejects at most such a share of genuine pictures, or accepts at most such a share of impostors,
    and does as well as it can with the other. With neither given: 5 % false rejects, unless more than 10 % of the impostors would
    be accepted, to whom a wrong name would be given: then 10 % of these; and 5 % of them where nobody has two pictures.

    Where the other kind has a gap there, the threshold lies in the middle of it: the counts are the same as at its end, and what
    comes later is unlikely to fall exactly where the gallery's own pictures did.

    Raises:
        WhylightError: both are given, a share is not in [0, 1), or the gallery has no pictures to choose on.

    >>> scores = Scores(np.array([0.5, 0.7, 0.8, 0.9]), np.array([0.1, 0.2, 0.3, 0.6]))
    >>> round(calibrate(scores, people=2, state="", false_rejects=0.25).threshold, 3)  # between 0.6 and 0.7
    0.65
    >>> round(calibrate(scores, people=2, state="", false_accepts=0.25).threshold, 3)  # between 0.3 and 0.5
    0.4
    """
    genuine, impostor = np.sort(scores.genuine), np.sort(scores.impostor)
    if false_rejects is not None and false_accepts is not None:
        raise WhylightError(
            "calibrate: give false_rejects or false_accepts, not both: one threshold cannot promise two"
        )
    if false_rejects is None and false_accepts is None:
        if not len(genuine):
            return calibrate(scores, people=people, state=state, false_accepts=ALLOWED)
        made = calibrate(scores, people=people, state=state, false_rejects=ALLOWED)
        if made.false_accepts is None or made.false_accepts <= MOST_ACCEPTED:
            return made
        return calibrate(scores, people=people, state=state, false_accepts=MOST_ACCEPTED)
    aim = "false_rejects" if false_rejects is not None else "false_accepts"
    allowed = false_rejects if false_rejects is not None else false_accepts
    assert allowed is not None
    if not 0 <= allowed < 1:
        raise WhylightError(f"calibrate: {aim} must be a share in [0, 1), not {allowed}")
    if aim == "false_rejects":
        if not len(genuine):
            raise WhylightError(
                "calibrate: nobody in the gallery has two pictures, so false rejects cannot be counted: "
                "enroll more pictures of each person, or give false_accepts"
            )
        highest = float(genuine[math.floor(allowed * len(genuine) + 1e-9)])
        below = impostor[impostor < highest]
        threshold = (highest + float(below[-1])) / 2 if len(below) else highest
    else:
        if not len(impostor):
            raise WhylightError(
                "calibrate: a gallery of one person has no pictures of others, so false accepts cannot be counted: "
                "enroll more people, or give false_rejects"
            )
        # Just above the highest impostor that must not pass; below all of them would accept everybody.
        lowest = math.nextafter(float(impostor[len(impostor) - 1 - math.floor(allowed * len(impostor) + 1e-9)]), 2.0)
        above = genuine[genuine > lowest]
        threshold = (lowest + float(above[0])) / 2 if len(above) else lowest
    return Calibration(
        threshold,
        aim,
        allowed,
        float((genuine < threshold).mean()) if len(genuine) else None,
        float((impostor >= threshold).mean()) if len(impostor) else None,
        len(genuine),
        len(impostor),
        people,
        state,
    )


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
    for start in range(0, len(embeddings), CHUNK):
        z, own = embeddings[start : start + CHUNK].astype(np.float64), owners[start : start + CHUNK]
        several = counts[own] > 1
        rest = directions(sums[own[several]] - z[several])  # (n, D)
        genuine.append(np.minimum((rest * z[several]).sum(1) * growth(counts[own[several]], alike), 1))
        if people > 1:
            similarities = z @ templates.T  # (n, P)
            similarities[np.arange(len(z)), own] = -np.inf
            impostor.append(similarities.max(1))
    return Scores(np.concatenate(genuine), np.concatenate(impostor))


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
