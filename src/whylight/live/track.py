"""Boxes that keep their number: ByteTrack, with time stamps in place of frame counts, so that dropped frames break no track.

Zhang et al., ByteTrack: multi-object tracking by associating every detection box, 2022: sure boxes are matched with the predicted
places of the tracks first, then what is left of the tracks with the unsure ones, which begin no track of their own. Places are
predicted by a Kalman filter of constant velocity over (centre x, centre y, width, height), whose noise grows with the time that
passed and with the object's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Corners = tuple[float, float, float, float]  # x0, y0, x1, y1
_PLACE, _SPEED = (
    0.05,
    0.5,
)  # standard deviations as shares of the object's size: of a box's sides, and of a speed's change in a second
_START = 2.0  # of a new track's speed, in object sizes a second


class Detection(NamedTuple):
    """A box and how sure it is, 0 to 1."""

    box: Corners
    score: float


class Track(NamedTuple):
    """Something that was followed up to now.

    Attributes:
        id: its number, 1, 2, …; none is used twice.
        box: where it was seen in this frame.
        score: of that box.
        since: seconds since it was first seen.
    """

    id: int
    box: Corners
    score: float
    since: float


class Tracker:
    """Follows boxes from frame to frame.

    Args:
        sure: score from which a box may begin a track and is matched first.
        unsure: score from which one may go on with a track; what is below is not looked at.
        overlap: least intersection over union of a box with the place that a track is predicted at.
        patience: seconds that a track is kept without a box.
        confirm: boxes that a track needs before it is told of; the first frame's are told of at once.
    """

    def __init__(
        self,
        *,
        sure: float = 0.5,
        unsure: float = 0.1,
        overlap: float = 0.2,
        patience: float = 1.0,
        confirm: int = 2,
    ) -> None:
        self._sure, self._unsure, self._overlap = sure, unsure, overlap
        self._patience, self._confirm = patience, confirm
        self._tracks: list[_Track] = []
        self._count, self._time = 0, 0.0
        self._begun = False

    def __call__(self, detections: Sequence[Detection], time: float) -> list[Track]:
        """The tracks that were seen in a frame with these boxes, at a time in seconds; one earlier than the last begins anew."""
        if self._begun and time < self._time:
            self._tracks, self._begun = [], False
        passed = time - self._time if self._begun else 0.0
        first, self._begun, self._time = not self._begun, True, time
        for track in self._tracks:
            track.predict(passed)
        sure = [one for one in detections if one.score >= self._sure]
        unsure = [one for one in detections if self._unsure <= one.score < self._sure]
        left, new = self._match(self._tracks, sure, time)
        # Only those that were there a moment ago: an unsure box is no reason to take up what was lost long since.
        seen_last = [track for track in left if track.seen >= time - passed - 1e-9]
        self._match(seen_last, unsure, time)
        for one in new:
            self._count += 1
            self._tracks.append(_Track(self._count, one, time, self._confirm if first else 1))
        self._tracks = [
            track
            for track in self._tracks
            if time - track.seen <= (self._patience if track.hits >= self._confirm else 0)
        ]
        told = [track for track in self._tracks if track.seen == time and track.hits >= self._confirm]
        return [Track(one.id, one.last.box, one.last.score, time - one.since) for one in told]

    def _match(
        self, tracks: list[_Track], detections: list[Detection], time: float
    ) -> tuple[list[_Track], list[Detection]]:
        """Give boxes to tracks, as many as overlap, so that they overlap the most in all; what is left of both."""
        if not tracks or not detections:
            return tracks, detections
        shared = _overlaps([track.box for track in tracks], [one.box for one in detections])
        shared[shared < self._overlap] = 0.0
        rows, columns = linear_sum_assignment(-shared)
        pairs = [(row, column) for row, column in zip(rows, columns, strict=True) if shared[row, column] > 0]
        for row, column in pairs:
            tracks[row].update(detections[column], time)
        taken_rows, taken_columns = {row for row, _ in pairs}, {column for _, column in pairs}
        return (
            [one for place, one in enumerate(tracks) if place not in taken_rows],
            [one for place, one in enumerate(detections) if place not in taken_columns],
        )


class _Track:
    """One that is followed: state (x, y, w, h and their speeds) and how sure it is."""

    def __init__(self, number: int, first: Detection, time: float, hits: int) -> None:
        self.id, self.last, self.since, self.seen, self.hits = number, first, time, time, hits
        place = _middle(first.box)
        size = _size(place)
        self._state = np.concatenate([place, np.zeros(4)])
        self._spread = np.diag([(_PLACE * size) ** 2] * 4 + [(_START * size) ** 2] * 4)

    @property
    def box(self) -> Corners:
        """Where it is thought to be."""
        x, y, w, h = self._state[:4]
        w, h = max(w, 1e-3), max(h, 1e-3)
        return float(x - w / 2), float(y - h / 2), float(x + w / 2), float(y + h / 2)

    def predict(self, passed: float) -> None:
        """Some seconds later: F = [[I, t·I], [0, I]], and noise of a random acceleration."""
        if passed <= 0:
            return
        step = np.eye(8)
        step[:4, 4:] = passed * np.eye(4)
        noise = (_SPEED * _size(self._state[:4])) ** 2
        grown = np.kron([[passed**3 / 3, passed**2 / 2], [passed**2 / 2, passed]], np.eye(4)) * noise
        self._state = step @ self._state
        self._spread = step @ self._spread @ step.T + grown

    def update(self, found: Detection, time: float) -> None:
        """It was seen here: H = [I, 0]."""
        seen = _middle(found.box)
        error = (_PLACE * _size(seen)) ** 2 * np.eye(4)
        gain = np.linalg.solve(self._spread[:4, :4] + error, self._spread[:4]).T  # (8, 4)
        self._state = self._state + gain @ (seen - self._state[:4])
        self._spread = self._spread - gain @ self._spread[:4]
        self.last, self.seen = found, time
        self.hits += 1


def _middle(box: Corners) -> NDArray[np.float64]:
    x0, y0, x1, y1 = box
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])


def _size(place: NDArray[np.float64]) -> float:
    return float(max(np.sqrt(max(place[2], 1e-3) * max(place[3], 1e-3)), 1.0))


def _overlaps(a: Sequence[Corners], b: Sequence[Corners]) -> NDArray[np.float64]:
    """Intersection over union of each with each: (len(a), len(b))."""
    one, two = np.asarray(a)[:, None], np.asarray(b)[None]
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    both = np.clip(sides, 0, None).prod(-1)
    areas = [(side[..., 2:] - side[..., :2]).prod(-1) for side in (one, two)]
    return np.asarray(both / np.maximum(areas[0] + areas[1] - both, 1e-12))
