"""From which similarity on a face is taken for somebody who is enrolled: chosen on the gallery's own pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.evaluate.bootstrap import rate
from whylight.faces.people.known import NAMED
from whylight.faces.people.scores import Scores
from whylight.shown import plural

ALLOWED = 0.05  # false rejects, where nothing else is asked for
MOST_ACCEPTED = 0.1  # false accepts with that: a stranger with a name is worse than somebody known called unknown
FEW_PEOPLE, FEW_PICTURES = 10, 3  # below which the intervals of a gallery's own shares reach a quarter and more


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it does to the pictures it was chosen on. A face is known where its similarity is at least so high.

    Attributes:
        threshold: the similarity.
        aim: what it was chosen for: `"false_rejects"`, `"false_accepts"`, or `"strangers"` as they were measured elsewhere, …
        allowed: … and the largest share of them that was allowed.
        false_rejects: share of pictures of enrolled people that are called unknown; None where nobody has two pictures.
        false_accepts: share of pictures that are taken for somebody else if their own person is not enrolled; None where
            only one person is. It grows with the number of people.
        genuine: how many pictures the first share is of.
        impostor: how many the second is of.
        people: how many people were enrolled.
        state: what was enrolled, as a digest: the threshold is for that.
        fewest: pictures of who has the fewest.
        rejects_up_to: upper end of the 95 % interval of `false_rejects`, over people.
        accepts_up_to: the same of `false_accepts`.
        strangers: share of strangers in general who reach the threshold, for a gallery of so many people, as it was measured for
            this network (`people.known`); None where it was not.
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
    fewest: int = 0
    rejects_up_to: float | None = None
    accepts_up_to: float | None = None
    strangers: float | None = None

    @property
    def caution(self) -> str:
        """What to know where so little is enrolled that its own pictures tell next to nothing; "" elsewhere."""
        if self.people >= FEW_PEOPLE and self.fewest >= FEW_PICTURES:
            return ""
        who = "1 person" if self.people == 1 else f"{self.people} people"
        return (
            f"with {who}, of whom somebody has {plural(self.fewest, 'picture')}, these shares tell little: enroll {FEW_PEOPLE} "
            f"people or more, with {FEW_PICTURES} pictures each or more, before a name is relied on"
        )

    def __str__(self) -> str:
        rejects = (
            "how many enrolled people it calls unknown is not known, since nobody has two pictures"
            if self.false_rejects is None
            else f"it calls {self.false_rejects:.1%} of {self.genuine} pictures of enrolled people unknown"
            f"{_up_to(self.rejects_up_to)}"
        )
        accepts = (
            "how many strangers it takes for somebody is not known, since only one person is enrolled"
            if self.false_accepts is None
            else f"of {self.impostor} pictures whose own person is left out it takes {self.false_accepts:.1%} for somebody"
            f"{_up_to(self.accepts_up_to)}"
        )
        general = (
            "of strangers in general nothing is known, since this network was not measured"
            if self.strangers is None
            else f"of strangers in general, as measured for this network, {self.strangers:.1%} would be given a name"
        )
        return f"at a similarity of {self.threshold:.3f}, {rejects}, and {accepts}; {general}"

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
        several = (
            made.false_rejects,
            made.false_accepts,
            made.rejects_up_to,
            made.accepts_up_to,
            made.strangers,
            made.fewest,
        )
        shares = [share for share in several if share is not None]
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in (*numbers, *shares)):
            raise ValueError(f"calibration {fields!r}")
        return made


def calibrate(
    scores: Scores,
    *,
    people: int,
    state: str,
    false_rejects: float | None = None,
    false_accepts: float | None = None,
    floor: float | None = None,
) -> Calibration:
    """Choose the threshold that rejects at most such a share of genuine pictures, or accepts at most such a share of impostors,
    and does as well as it can with the other. With neither given: 5 % false rejects, unless more than 10 % of the impostors would
    be accepted, to whom a wrong name would be given: then 10 % of these; and 5 % of them where nobody has two pictures; and never
    below `floor` then, which strangers in general reach too often: a gallery's own few pictures cannot tell of them.

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
            made = calibrate(scores, people=people, state=state, false_accepts=ALLOWED)
        else:
            made = calibrate(scores, people=people, state=state, false_rejects=ALLOWED)
            if made.false_accepts is not None and made.false_accepts > MOST_ACCEPTED:
                made = calibrate(scores, people=people, state=state, false_accepts=MOST_ACCEPTED)
        if floor is None or floor <= made.threshold:
            return made
        return _at(floor, "strangers", NAMED, scores, people, state)
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
    return _at(threshold, aim, allowed, scores, people, state)


def _at(threshold: float, aim: str, allowed: float, scores: Scores, people: int, state: str) -> Calibration:
    """A threshold, and what it does to the pictures."""
    rejects, rejects_up_to = _share(scores.genuine < threshold, scores.genuine_of)
    accepts, accepts_up_to = _share(scores.impostor >= threshold, scores.impostor_of)
    return Calibration(
        threshold,
        aim,
        allowed,
        rejects,
        accepts,
        len(scores.genuine),
        len(scores.impostor),
        people,
        state,
        rejects_up_to=rejects_up_to,
        accepts_up_to=accepts_up_to,
    )


def _share(yes: NDArray[np.bool_], whose: NDArray[np.int32] | None) -> tuple[float | None, float | None]:
    """The share of yes, and the upper end of its 95 % interval."""
    if not len(yes):
        return None, None
    told = rate(yes, None if whose is None else [str(one) for one in whose])
    return float(yes.mean()), 1.0 if told.high is None else told.high / 100


def _up_to(share: float | None) -> str:
    return "" if share is None else f" (up to {math.ceil(1000 * share - 1e-9) / 1000:.1%})"
