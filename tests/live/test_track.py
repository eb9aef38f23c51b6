"""Tracks on a made sequence whose truth is known: IDF1 (Ristani et al. 2016), beside a tracker without prediction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from whylight.boxes import overlap
from whylight.live.track import Corners, Detection, Tracker

Sequence = list[tuple[float, dict[int, Corners]]]  # time, object → box


def made(seconds: float = 12.0, rate: float = 25.0) -> Sequence:
    """Six objects: straight on, crossing one another, turning back, growing, and one that comes later."""
    found: Sequence = []
    for time in np.arange(0, seconds, 1 / rate):
        places = {
            1: (40 + 45 * time, 120, 40, 80),
            2: (580 - 45 * time, 130, 40, 80),  # meets the first
            3: (100 + 60 * np.sin(time), 320, 50, 60),
            4: (300, 60 + 22 * time, 30 + 4 * time, 30 + 4 * time),
            5: (480 + 30 * np.cos(1.5 * time), 330 + 30 * np.sin(1.5 * time), 45, 45),
        }
        if time > 4:
            places[6] = (620 - 50 * (time - 4), 420, 50, 70)
        found.append(
            (float(time), {who: (x - w / 2, y - h / 2, x + w / 2, y + h / 2) for who, (x, y, w, h) in places.items()})
        )
    return found


def seen(truth: Sequence, seed: int, drop: float = 0.0) -> list[tuple[float, dict[int, Corners], list[Detection]]]:
    """What a detector makes of it: places that are off by some pixels, 8 % missed, the hidden ones unsure, false ones; and frames
    that are dropped."""
    rng = np.random.default_rng(seed)
    told = []
    for time, objects in truth:
        if rng.random() < drop:
            continue
        found = []
        for who, box in objects.items():
            if rng.random() < 0.08:
                continue
            hidden = any(other > who and overlap(box, objects[other]) > 0.2 for other in objects)
            score = rng.uniform(0.2, 0.45) if hidden else rng.uniform(0.55, 0.95)
            moved = tuple(float(side + rng.normal(0, 2)) for side in box)
            found.append(Detection(moved, float(score)))  # type: ignore[arg-type]
        for _ in range(rng.poisson(0.3)):
            x, y, side = rng.uniform(0, 600), rng.uniform(0, 440), rng.uniform(20, 60)
            found.append(Detection((x, y, x + side, y + side), float(rng.uniform(0.1, 0.6))))
        told.append((time, objects, found))
    return told


def idf1(frames: list[tuple[dict[int, Corners], dict[int, Corners]]]) -> float:
    """2·IDTP / (true boxes + told boxes): identities matched one to one over the whole sequence, so that they agree the most."""
    truths = sorted({who for objects, _ in frames for who in objects})
    tracks = sorted({who for _, told in frames for who in told})
    shared = np.zeros((len(truths), len(tracks)))
    for objects, told in frames:
        for who, box in objects.items():
            for track, other in told.items():
                shared[truths.index(who), tracks.index(track)] += overlap(box, other) >= 0.5
    matched = shared[linear_sum_assignment(-shared)].sum()
    return float(2 * matched / (sum(len(a) for a, _ in frames) + sum(len(b) for _, b in frames)))


class Nearest:
    """Each sure box goes on with the track whose last box it overlaps the most, taken greedily; no prediction, no second round."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[Corners, float]] = {}
        self._count = 0

    def __call__(self, detections: list[Detection], time: float) -> dict[int, Corners]:
        told: dict[int, Corners] = {}
        for one in sorted(detections, key=lambda one: -one.score):
            if one.score < 0.5:
                continue
            free = {
                who: overlap(box, one.box)
                for who, (box, at) in self._last.items()
                if who not in told and time - at <= 1
            }
            best = max(free, key=lambda who: free[who], default=None)
            if best is None or free[best] < 0.2:
                self._count += 1
                best = self._count
            told[best] = one.box
        self._last |= {who: (box, time) for who, box in told.items()}
        return told


def followed(frames: list[tuple[float, dict[int, Corners], list[Detection]]]) -> float:
    tracker = Tracker()
    return idf1([(objects, {t.id: t.box for t in tracker(found, time)}) for time, objects, found in frames])


def nearest(frames: list[tuple[float, dict[int, Corners], list[Detection]]]) -> float:
    tracker = Nearest()
    return idf1([(objects, tracker(found, time)) for time, objects, found in frames])


def test_objects_keep_their_numbers() -> None:
    ours, theirs = zip(
        *[(followed(one), nearest(one)) for one in (seen(made(), seed) for seed in range(5))], strict=True
    )
    assert min(ours) > 0.85
    assert np.mean(ours) > 0.9
    assert np.mean(ours) > np.mean(theirs) + 0.05


@pytest.mark.parametrize("drop", [0.5, 0.8])
def test_dropped_frames_break_no_track(drop: float) -> None:
    ours, theirs = zip(
        *[(followed(one), nearest(one)) for one in (seen(made(), seed, drop) for seed in range(5))], strict=True
    )
    assert np.mean(ours) > 0.85
    assert np.mean(ours) > np.mean(theirs) + 0.1


def test_what_is_gone_for_a_while_comes_back_under_its_number() -> None:
    tracker, box = Tracker(patience=1.0), (10.0, 10.0, 50.0, 50.0)
    for time in (0.0, 0.1, 0.2):
        (track,) = tracker([Detection(box, 0.9)], time)
    assert tracker([], 0.3) == []
    assert [one.id for one in tracker([Detection(box, 0.9)], 1.1)] == [track.id]
    assert tracker([], 3.0) == []
    tracker([Detection(box, 0.9)], 3.1)
    assert [one.id for one in tracker([Detection(box, 0.9)], 3.2)] == [track.id + 1]


def test_unsure_boxes_go_on_with_tracks_and_begin_none() -> None:
    tracker, box = Tracker(), (10.0, 10.0, 50.0, 50.0)
    tracker([Detection(box, 0.9)], 0.0)
    assert [one.id for one in tracker([Detection(box, 0.2), Detection((200.0, 200.0, 240.0, 240.0), 0.3)], 0.1)] == [1]
    assert [one.id for one in tracker([Detection(box, 0.2), Detection((200.0, 200.0, 240.0, 240.0), 0.3)], 0.2)] == [1]
    assert tracker([Detection(box, 0.05)], 0.3) == []


def test_one_box_alone_later_on_is_not_told_of() -> None:
    tracker = Tracker()
    tracker([Detection((10.0, 10.0, 50.0, 50.0), 0.9)], 0.0)
    assert len(tracker([Detection((300.0, 10.0, 340.0, 50.0), 0.9)], 0.1)) == 0
    assert tracker([], 0.2) == []


def test_time_that_goes_back_begins_anew() -> None:
    tracker, box = Tracker(), (10.0, 10.0, 50.0, 50.0)
    assert [one.id for one in tracker([Detection(box, 0.9)], 5.0)] == [1]
    assert [one.id for one in tracker([Detection(box, 0.9)], 1.0)] == [2]


def test_prediction_is_that_of_a_body_that_moves_on() -> None:
    """After many exact boxes the next place is the straight line's."""
    tracker = Tracker()
    for number in range(30):
        tracker([Detection((10.0 * number, 5.0, 10.0 * number + 40, 45.0), 0.9)], 0.1 * number)
    (one,) = tracker._tracks
    one.predict(0.5)
    assert one.box == pytest.approx((290 + 50, 5, 290 + 90, 45), abs=2)
