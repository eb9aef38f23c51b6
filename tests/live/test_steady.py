"""Maps over time: by the equations, in seconds, and dark where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.live.steady import Steadied, Steady

RNG = np.random.default_rng(0)


def same(one: Steadied, two: Steadied) -> bool:
    return np.array_equal(one.map, two.map) and one[1:] == two[1:]


# --- smoothing --------------------------------------------------------------------------------------------------------------


def test_smoothing_is_by_the_seconds_that_passed() -> None:
    """Against the solution as a sum: each map weighs what came after it has left of it."""
    maps, times = RNG.normal(size=(20, 5, 7)), np.cumsum(RNG.uniform(0.01, 0.5, 20))
    steady, tau = Steady(smooth=0.4), 0.4
    for last in range(20):
        left = np.exp((times[: last + 1] - times[last]) / tau)  # of what was there when each map came
        weights = left * np.append(1.0, -np.expm1(-np.diff(times[: last + 1]) / tau))
        assert weights.sum() == pytest.approx(1)
        expected = np.tensordot(weights, maps[: last + 1], 1)
        assert np.allclose(steady(maps[last], times[last]).map, expected, atol=1e-6)


def test_more_frames_of_the_same_make_no_difference() -> None:
    one, two = RNG.random((2, 4, 4))
    few, many = Steady(smooth=0.5), Steady(smooth=0.5)
    few(one, 0.0), many(one, 0.0)
    for time in (0.1, 0.15, 0.3):
        many(two, time)
    a, b = few(two, 0.4), many(two, 0.4)
    assert np.allclose(a.map, b.map, atol=1e-6)
    assert np.allclose(a.map, one + (1 - math.exp(-0.8)) * (two - one), atol=1e-6)


def test_without_smoothing_the_map_is_the_map() -> None:
    steady = Steady()
    for time, raw in enumerate(RNG.random((3, 4, 4)).astype(np.float32)):
        found = steady(raw, time / 10)
        assert np.array_equal(found.map, raw)
        assert found.map.dtype == np.float32


def test_nothing_is_shared_with_who_asks() -> None:
    steady, raw = Steady(smooth=1.0), np.ones((2, 2), np.float32)
    steady(raw, 0.0).map[:] = 50
    raw[:] = 70
    assert np.array_equal(steady(np.ones((2, 2)), 0.1).map, np.ones((2, 2)))


# --- the range --------------------------------------------------------------------------------------------------------------


def test_a_tenth_of_the_evidence_is_drawn_at_a_tenth() -> None:
    steady, bright = Steady(fades=2.0), RNG.random((6, 6))
    assert steady(bright, 0.0).brightness.max() == 1
    after = steady(0.1 * bright, 1 / 30).brightness
    assert after.max() == pytest.approx(0.1, rel=0.02)
    assert np.allclose(after, 0.1 * bright / bright.max() * math.exp(1 / 60), atol=1e-5)


@pytest.mark.parametrize("rate", [1, 5, 30])
def test_the_range_falls_by_the_seconds_and_rises_at_once(rate: int) -> None:
    steady, bright = Steady(fades=2.0), np.eye(5)
    steady(bright, 0.0)
    for frame in range(1, 3 * rate + 1):
        found = steady(0.1 * bright, frame / rate)
    assert found.high == pytest.approx(math.exp(-3 / 2))
    assert steady(7 * bright, 3 + 1e-3).high == 7
    assert steady(bright / 100, 1000.0).high == pytest.approx(0.01)  # long after, it is measured by itself


def test_noise_of_a_bright_picture_makes_no_flicker() -> None:
    """A place of constant evidence beside one that varies wildly: its brightness changes less than with a scale for each frame."""
    steady, drawn, alone = Steady(), [], []
    for frame in range(300):
        map_ = np.array([[1.0, 0.0], [0.0, RNG.uniform(0.5, 3)]])
        found = steady(map_, frame / 30).brightness
        drawn.append(found[0, 0])
        alone.append(1.0 / map_.max())
    assert np.abs(np.diff(drawn[30:])).mean() < 0.1 * np.abs(np.diff(alone[30:])).mean()


def test_weak_evidence_stays_dark_where_a_least_is_given() -> None:
    steady = Steady(least=0.5)
    assert steady(0.05 * np.eye(4), 0.0).brightness.max() == pytest.approx(0.1)
    assert steady(0.05 * np.eye(4), 99.0).brightness.max() == pytest.approx(0.1)
    assert steady(2 * np.eye(4), 99.1).brightness.max() == 1


def test_no_evidence_is_drawn_as_none() -> None:
    steady = Steady(smooth=0.5)
    for time, raw in enumerate((np.zeros((3, 3)), -np.ones((3, 3)), np.zeros((3, 3)))):
        found = steady(raw, time / 10)
        assert (found.low, found.high, found.stability) == (0, 0, None)
        assert not found.brightness.any()
    steady(np.eye(3), 1.0)
    assert not Steady()(np.full((3, 3), 0.3), 0.0, level=0.3).brightness.any()
    without = Steady()
    without(np.eye(3), 0.0)
    for time in (0.1, 5.0, 1e6):
        assert not without(-np.eye(3), time).brightness.any()


def test_the_level_means_none_though_it_moves() -> None:
    """A map that is its level everywhere but for one place, as the level jumps: smoothed, it is still dark everywhere else."""
    steady = Steady(smooth=0.3)
    for time, level in enumerate(RNG.normal(size=20)):
        raw = np.full((3, 3), level)
        raw[1, 1] += 0.7
        found = steady(raw, time / 25, level=float(level))
        assert found.high - found.low == pytest.approx(0.7, abs=1e-5)
        bright = found.brightness
        assert bright[1, 1] == pytest.approx(1, abs=1e-5)
        bright[1, 1] = 0
        assert bright.max() < 1e-5


# --- stability --------------------------------------------------------------------------------------------------------------


def test_stability_is_the_overlap_of_the_hottest_fifth() -> None:
    one, two = np.zeros((5, 5)), np.zeros((5, 5))
    one.flat[[0, 1, 2, 3, 4, 9]] = [5, 4, 3, 2, 1, 0.5]
    two.flat[[3, 4, 5, 6, 7, 9]] = [1, 2, 3, 4, 5, 0.5]
    steady = Steady()
    assert steady(one, 0.0).stability is None
    assert steady(two, 0.1).stability == pytest.approx(2 / 8)
    assert steady(3 * two, 0.2).stability == 1
    assert steady(np.flip(two), 0.3).stability == 0


def test_stability_where_there_is_nothing() -> None:
    steady, some, none = Steady(), np.eye(5), np.zeros((5, 5))
    found = [steady(raw, time / 10).stability for time, raw in enumerate((some, none, none, some, some))]
    assert found == [None, 0, None, 0, 1]
    few = np.zeros((10, 10))
    few[0, 0] = 1  # one place of a hundred: places without evidence are not among the hottest
    assert [steady(raw, 1.0 + time).stability for time, raw in enumerate((few, few, np.flip(few)))] == [None, 1, 0]
    assert [Steady()(np.full((4, 4), 3.0), time).stability for time in (0, 1)] == [None, None]  # nowhere hotter


# --- where it starts anew ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["size", "class", "time", "asked"])
def test_what_starts_anew(what: str) -> None:
    steady, fresh = Steady(smooth=9.0), Steady(smooth=9.0)
    steady(np.full((4, 4), 8.0) + np.eye(4), 5.0, about="cat")
    shape = (4, 3) if what == "size" else (4, 4)
    maps = RNG.random((2, *shape))
    begin, about = (4.0 if what == "time" else 5.1), ("dog" if what == "class" else "cat")
    if what == "asked":
        steady.begin()
    for step, raw in enumerate(maps):
        assert same(steady(raw, begin + step, about=about), fresh(raw, begin + step, about=about))
        assert np.array_equal(fresh._mean.map, raw.astype(np.float32)) == (step == 0)  # type: ignore[union-attr]


def test_where_time_stands_still_the_last_map_counts() -> None:
    one, two, three, four = RNG.random((4, 3, 3))
    steady, fresh = Steady(smooth=0.5), Steady(smooth=0.5)
    assert np.array_equal(steady(one, 0.0).map, one.astype(np.float32))
    assert np.array_equal(steady(two, 0.0).map, two.astype(np.float32))  # not frozen: a clock may be broken
    fresh(two, 0.0)
    steady(three, 0.2)
    assert np.array_equal(steady(four, 0.2).map, fresh(four, 0.2).map)
    assert np.array_equal(steady(one, 0.3).map, fresh(one, 0.3).map)


# --- what is no question ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [np.array([[1, np.nan]]), np.array([[np.inf]]), np.array([[1e300]]), np.zeros(3)])
def test_what_is_no_map_is_refused_and_changes_nothing(wrong: np.ndarray) -> None:
    one, two = RNG.random((2, 3, 3))
    steady, fresh = Steady(smooth=0.5), Steady(smooth=0.5)
    steady(one, 0.0), fresh(one, 0.0)
    with pytest.raises(WhylightError, match=r"^map: "):
        steady(wrong, 0.1)
    assert same(steady(two, 0.2), fresh(two, 0.2))


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(WhylightError, match=r"\(0, 4\)"):
        Steady()(np.zeros((0, 4)), 0.0)


@pytest.mark.parametrize(("time", "level", "named"), [(math.nan, 0.0, "time"), (0.0, math.inf, "level")])
def test_what_is_no_number(time: float, level: float, named: str) -> None:
    with pytest.raises(WhylightError, match=f"^{named}: expected"):
        Steady()(np.eye(3), time, level)


@pytest.mark.parametrize(
    "wrong", [{"smooth": -1}, {"smooth": math.nan}, {"fades": 0}, {"fades": math.inf}, {"least": -1}]
)
def test_what_is_no_setting(wrong: dict[str, float]) -> None:
    with pytest.raises(WhylightError, match=f"^{next(iter(wrong))}: expected"):
        Steady(**wrong)
