"""Boxes that keep their number from frame to frame: ByteTrack, by time stamps rather than by frames.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022 (arXiv 2110.06864). The sure boxes
are matched first with the places where the tracks should be by now; then what is left of the tracks with the unsure boxes, since an
object that is half hidden gets a low score, and a false detection is seldom where a track should be. Only sure boxes begin tracks.
Matches are those whose intersections over union add up to the most.

Where a track should be is told by a Kalman filter of constant speed. It is carried from the frame of its last box in one step of as
many seconds as passed, so that frames that were dropped, or never came, make no difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from whylight.boxes import Box
from whylight.boxes.match import overlaps
from whylight.errors import WhylightError

Floats = NDArray[np.float64]

# The noise, in sizes of the object (geometric mean of width and height). It is DeepSORT's, which ByteTrack takes (1/20 for a place,
# 1/160 for the change of a speed in a frame), at 30 frames a second: 30/160 of a size a second, 30 times, adds up to 1.03.
_PLACE = 0.05  # sizes: standard deviation of each of a box's numbers
_DRIFT = 1.0  # sizes a second, after a second: standard deviation of how a speed changes
_START = 2.0  # sizes a second: standard deviation of the speed that an object comes with
_GROWTH = 2.0  # times: a side that is predicted longer, or shorter, than this is held there


class Tracked(NamedTuple):
    """A box with the number of its object.

    Attributes:
        box: as it was handed in.
        id: 1, 2, 3, … in the order in which objects were confirmed; none is used twice.
        score: as it was handed in.
        since: seconds since the object was seen first.
    """

    box: Box
    id: int
    score: float
    since: float


class Tracker:
    """Follows the objects of one moving picture.

    A track is confirmed, and told of, from its second box on: one that is not in the next frame was none. A confirmed one that has
    no box is kept for a while. A time stamp earlier than the last starts anew; a repeated one confirms nothing.

    Objects so small and fast that they do not overlap with where they were are not followed: there is nothing but places to know
    them by.

    Args:
        sure: score from which a box is matched in the first round, and may begin a track; the paper's τ.
        unsure: score from which a box is matched in the second round; what is below is not looked at.
        overlap: least intersection over union of a box and the place where a track should be; the paper's 0.2.
        patience: seconds that a confirmed track is kept without a box; the paper's 30 frames, at 30 a second.

    Raises:
        WhylightError: if one of them is out of range.

    >>> tracker = Tracker()
    >>> for step in range(3):
    ...     found = tracker([Box(4 * step, 0, 4 * step + 20, 20, 1.0)], [0.9], step / 25)
    >>> [(one.id, one.box.x0, one.since) for one in found]
    [(1, 8, 0.08)]
    """

    def __init__(self, *, sure: float = 0.6, unsure: float = 0.1, overlap: float = 0.2, patience: float = 1.0) -> None:
        if not 0 <= unsure <= sure <= 1:
            raise WhylightError(f"unsure, sure: expected 0 ≤ unsure ≤ sure ≤ 1, got {unsure} and {sure}")
        if not 0 < overlap <= 1:
            raise WhylightError(f"overlap: expected a share in (0, 1], got {overlap}")
        if not (math.isfinite(patience) and patience >= 0):
            raise WhylightError(f"patience: expected seconds, 0 or more, got {patience}")
        self._sure, self._unsure, self._overlap, self._patience = sure, unsure, overlap, patience
        self._tracks: list[_Track] = []
        self._count = 0
        self._time = -math.inf

    def __call__(self, boxes: Sequence[Box], scores: Sequence[float], time: float) -> list[Tracked]:
        """Number the boxes of the next frame.

        Args:
            boxes: in pixels; they must be of one size of picture throughout.
            scores: how sure each box is, 0 to 1.
            time: of the frame, in seconds since whenever.

        Returns:
            The boxes of confirmed tracks, by number; the others are left out.

        Raises:
            WhylightError: if there is not one score for each box, a score is not in [0, 1], a box is empty or the time no number.
        """
        seen = _checked(boxes, scores, time)
        if time < self._time:
            self._tracks = []
        self._time = time
        tracks = [track for track in self._tracks if time - track.time <= self._patience]
        sure = [one for one in seen if one.score >= self._sure]
        unsure = [one for one in seen if self._unsure <= one.score < self._sure]
        confirmed, tentative = [t for t in tracks if t.id], [t for t in tracks if not t.id]

        lost, sure = self._matched(confirmed, sure, time)
        lost, _ = self._matched(lost, unsure, time)
        missed, sure = self._matched(
            tentative, sure, time
        )  # last, so that no false detection takes a box from an object
        for track in tentative:
            if track.hits > 1:
                self._count += 1
                track.id = self._count
        self._tracks = [t for t in tracks if t not in missed] + [_Track(one, time) for one in sure]
        told = sorted((t for t in self._tracks if t.id and t not in lost), key=lambda t: t.id)
        return [Tracked(t.last.box, t.id, t.last.score, time - t.since) for t in told]

    def _matched(self, tracks: list[_Track], seen: list[_Seen], time: float) -> tuple[list[_Track], list[_Seen]]:
        """Carry tracks on with the boxes that fit them best in all; what is left of both."""
        if not tracks or not seen:
            return tracks, seen
        shares = overlaps(np.array([t.corners(time) for t in tracks]), np.array([one.box[:4] for one in seen], float))
        shares = np.where(shares >= self._overlap, shares, 0.0)
        rows, columns = linear_sum_assignment(shares, maximize=True)
        pairs = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if shares[row, column] > 0}
        for row, column in pairs.items():
            tracks[row].carry(seen[column], time)
        taken = set(pairs.values())
        return (
            [track for row, track in enumerate(tracks) if row not in pairs],
            [one for column, one in enumerate(seen) if column not in taken],
        )


class _Seen(NamedTuple):
    box: Box
    score: float


class _Track:
    """One object. Its state are (centre x, centre y, width, height) and their speeds: (2, 4).

    The noise is the same in all four, so they share one (2, 2) covariance: four filters of one coordinate each.
    """

    def __init__(self, first: _Seen, time: float) -> None:
        self.id, self.hits, self.last, self.since, self.time = 0, 1, first, time, time
        place = _place(first.box)
        self._size = _size(place)
        self._state = np.stack([place, np.zeros(4)])
        self._spread = np.diag([_PLACE, _START]) ** 2 * self._size**2

    def predicted(self, time: float) -> tuple[Floats, Floats]:
        """State and covariance some seconds after the last box, the speed being changed by white noise on the way."""
        dt = time - self.time
        step = np.array([[1, dt], [0, 1]])
        drift = (_DRIFT * self._size) ** 2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        return step @ self._state, step @ self._spread @ step.T + drift

    def corners(self, time: float) -> Floats:
        """x0, y0, x1, y1 of where it should be."""
        place = self.predicted(time)[0][0]
        sides = _place(self.last.box)[2:]
        half = place[2:].clip(sides / _GROWTH, sides * _GROWTH) / 2
        return np.concatenate([place[:2] - half, place[:2] + half])

    def carry(self, seen: _Seen, time: float) -> None:
        """It is here now: the Kalman filter's update, of which only places are seen."""
        state, spread = self.predicted(time)
        place = _place(seen.box)
        gain = spread[:, 0] / (spread[0, 0] + (_PLACE * _size(place)) ** 2)
        self._state = state + np.outer(gain, place - state[0])
        self._spread = spread - np.outer(gain, spread[0])
        self.hits += time > self.time
        self._size, self.last, self.time = _size(place), seen, time


def _place(box: Box) -> Floats:
    """Centre x, centre y, width, height."""
    x0, y0, x1, y1 = box[:4]
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])


def _size(place: Floats) -> float:
    return math.sqrt(place[2] * place[3])


def _checked(boxes: Sequence[Box], scores: Sequence[float], time: float) -> list[_Seen]:
    if not math.isfinite(time):
        raise WhylightError(f"time: expected seconds, got {time}")
    if len(boxes) != len(scores):
        raise WhylightError(f"scores: expected one for each of the {len(boxes)} boxes, got {len(scores)}")
    for box, score in zip(boxes, scores, strict=True):
        if not 0 <= score <= 1:
            raise WhylightError(f"scores: expected numbers from 0 to 1, got {score}")
        if not (all(map(math.isfinite, box[:4])) and box[0] < box[2] and box[1] < box[3]):
            raise WhylightError(f"boxes: expected x0 < x1 and y0 < y1, got {tuple(box[:4])}")
    return [_Seen(box, float(score)) for box, score in zip(boxes, scores, strict=True)]
