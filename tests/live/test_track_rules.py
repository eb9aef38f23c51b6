"""What is promised of single boxes and tracks, and the filter against its equations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whylight.boxes import Box
from whylight.errors import WhylightError
from whylight.live.track import Tracker, _Seen, _Track

HERE, FAR = Box(10, 10, 50, 50, 1.0), Box(200, 200, 240, 240, 1.0)


def ids(tracker: Tracker, boxes: list[Box], scores: list[float], time: float) -> list[int]:
    return [one.id for one in tracker(boxes, scores, time)]


def test_the_second_box_confirms() -> None:
    tracker = Tracker()
    assert tracker([HERE], [0.9], 0.0) == []
    assert ids(tracker, [HERE, FAR], [0.9, 0.9], 0.1) == [1]
    assert ids(tracker, [HERE], [0.9], 0.2) == [1]  # the far one was there once, and is no track
    assert ids(tracker, [HERE, FAR], [0.9, 0.9], 0.3) == [1]
    (one, two) = tracker([FAR, HERE], [0.8, 0.7], 0.4)
    assert (one.id, one.box, one.score, one.since) == (1, HERE, 0.7, 0.4)
    assert (two.id, two.box, two.score, two.since) == (2, FAR, 0.8, pytest.approx(0.1))


def test_one_time_stamp_confirms_nothing() -> None:
    tracker = Tracker()
    assert [ids(tracker, [HERE], [0.9], 1.0) for _ in range(3)] == [[], [], []]
    assert ids(tracker, [HERE], [0.9], 1.1) == [1]
    assert ids(tracker, [], [], 1.1) == []
    assert ids(tracker, [HERE], [0.9], 1.1) == [1]


@pytest.mark.parametrize("frames", [0, 1, 50])
def test_what_is_lost_is_kept_for_seconds_not_frames(frames: int) -> None:
    for gap, expected in ((0.9, [1]), (1.1, [])):
        tracker = Tracker(patience=1.0)
        for time in (0.0, 0.1):
            tracker([HERE], [0.9], time)
        assert all(tracker([], [], 0.1 + gap * (n + 1) / (frames + 1)) == [] for n in range(frames))
        assert ids(tracker, [HERE], [0.9], 0.1 + gap) == expected
    assert ids(tracker, [HERE], [0.9], 0.2 + gap) == [2]  # no number comes back


def test_unsure_boxes_go_on_with_tracks_and_begin_none() -> None:
    tracker = Tracker()
    for time in (0.0, 0.1):
        tracker([HERE], [0.9], time)
    for time in (0.2, 0.3, 0.4):
        assert ids(tracker, [HERE, FAR], [0.2, 0.5], time) == [1]
    assert ids(tracker, [HERE], [0.05], 0.5) == []


def test_a_sure_box_goes_before_an_unsure_one() -> None:
    tracker = Tracker()
    for time in (0.0, 0.1):
        tracker([HERE], [0.9], time)
    beside = Box(18, 10, 58, 50, 1.0)
    assert [one.box for one in tracker([HERE, beside], [0.3, 0.9], 0.2)] == [beside]


def test_a_false_detection_takes_no_box_from_an_object() -> None:
    tracker, shifted = Tracker(), Box(30, 10, 70, 50, 1.0)
    for time in (0.0, 0.1):
        tracker([HERE], [0.9], time)
    tracker([HERE, shifted], [0.9, 0.9], 0.2)  # a second box, once, on one side of it
    assert [(one.id, one.box) for one in tracker([shifted], [0.9], 0.3)] == [(1, shifted)]


def test_matches_are_the_best_in_all() -> None:
    """The left box overlaps the second track more than the first, but only if it goes to the first have both tracks a box."""
    tracker, one, two = Tracker(), Box(0, 0, 100, 100, 1.0), Box(60, 0, 160, 100, 1.0)
    for time in (0.0, 0.1):
        tracker([one, two], [0.9, 0.9], time)
    moved_one, moved_two = Box(35, 0, 135, 100, 1.0), Box(120, 0, 220, 100, 1.0)
    assert {t.id: t.box for t in tracker([moved_one, moved_two], [0.9, 0.9], 0.2)} == {1: moved_one, 2: moved_two}


def test_an_earlier_time_starts_anew() -> None:
    tracker = Tracker()
    for time in (5.0, 5.1):
        tracker([HERE], [0.9], time)
    assert ids(tracker, [HERE], [0.9], 1.0) == []
    assert ids(tracker, [HERE], [0.9], 1.1) == [2]


# --- the filter -------------------------------------------------------------------------------------------------------------


def test_the_filter_is_kalman_s_with_the_seconds_that_passed() -> None:
    """Against the same in eight dimensions, from the equations: F = [[I, dt·I], [0, I]], Q that of white noise on the speed."""
    rng, size, eye = np.random.default_rng(2), 40.0, np.eye(4)
    track = _Track(_Seen(HERE, 0.9), 0.0)
    state, spread = np.array([30.0, 30, 40, 40, 0, 0, 0, 0]), np.diag([2.0**2] * 4 + [80.0**2] * 4)
    time, h = 0.0, np.eye(4, 8)
    for dt in rng.uniform(0.01, 0.5, 20):
        time += dt
        f = np.block([[eye, dt * eye], [0 * eye, eye]])
        q = size**2 * np.block([[dt**3 / 3 * eye, dt**2 / 2 * eye], [dt**2 / 2 * eye, dt * eye]])
        state, spread = f @ state, f @ spread @ f.T + q
        shift = rng.uniform(-5, 5, 2)
        x0, y0 = 10 + 30 * time + shift[0], 10 + shift[1]
        box = Box(x0, y0, x0 + 40, y0 + 40, 1.0)  # type: ignore[arg-type]
        gain = spread @ h.T @ np.linalg.inv(h @ spread @ h.T + 2.0**2 * eye)
        state = state + gain @ (np.array([x0 + 20, y0 + 20, 40, 40]) - h @ state)
        spread = (np.eye(8) - gain @ h) @ spread
        track.carry(_Seen(box, 0.9), time)
        assert np.allclose(track._state.ravel(), state)
        assert np.allclose(np.kron(track._spread, eye), spread)


def test_prediction_goes_on_in_a_straight_line() -> None:
    track = _Track(_Seen(HERE, 0.9), 0.0)
    for number in range(1, 30):
        track.carry(_Seen(Box(10 + 5 * number, 10, 50 + 5 * number, 50, 1.0), 0.9), 0.1 * number)
    assert track.corners(3.9) == pytest.approx([205, 10, 245, 50], abs=1)


def test_a_predicted_box_never_turns_inside_out() -> None:
    track = _Track(_Seen(HERE, 0.9), 0.0)
    track.carry(_Seen(Box(25, 25, 35, 35, 1.0), 0.9), 0.1)  # it shrank from 40 to 10 pixels
    x0, y0, x1, y1 = track.corners(5.0)
    assert x1 - x0 == pytest.approx(5)
    assert y1 - y0 == pytest.approx(5)


# --- what is no question ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boxes", "scores", "time", "named"),
    [
        ([HERE], [], 0.0, "scores"),
        ([HERE], [math.nan], 0.0, "scores"),
        ([HERE], [1.5], 0.0, "scores"),
        ([Box(5, 5, 5, 9, 1.0)], [0.5], 0.0, "boxes"),
        ([Box(5, 5, math.inf, 9, 1.0)], [0.5], 0.0, "boxes"),  # type: ignore[arg-type]
        ([], [], math.nan, "time"),
    ],
)
def test_what_is_no_frame_is_refused_and_changes_nothing(
    boxes: list[Box], scores: list[float], time: float, named: str
) -> None:
    tracker = Tracker()
    tracker([HERE], [0.9], 0.0)
    with pytest.raises(WhylightError, match=f"^{named}: expected"):
        tracker(boxes, scores, time)
    assert ids(tracker, [HERE], [0.9], 0.1) == [1]


@pytest.mark.parametrize(
    "wrong", [{"sure": 1.1}, {"unsure": 0.7}, {"unsure": -0.1}, {"overlap": 0}, {"overlap": 2}, {"patience": math.inf}]
)
def test_what_is_no_setting(wrong: dict[str, float]) -> None:
    with pytest.raises(WhylightError, match=f"{next(iter(wrong))}.*: expected"):
        Tracker(**wrong)
