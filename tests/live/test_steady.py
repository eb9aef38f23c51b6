"""Maps over time: by the equations, in seconds, and dark where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.live.steady import Steady

RNG = np.random.default_rng(0)


def test_smoothing_is_by_the_seconds_that_passed() -> None:
    maps, times = RNG.random((20, 5, 7)).astype(np.float32), np.cumsum(RNG.uniform(0.01, 0.3, 20))
    steady, expected = Steady(smooth=0.4), maps[0].astype(float)
    assert np.array_equal(steady(maps[0], times[0]).map, maps[0])
    for number in range(1, 20):
        share = math.exp(-(times[number] - times[number - 1]) / 0.4)
        expected = share * expected + (1 - share) * maps[number]
        assert np.allclose(steady(maps[number], times[number]).map, expected, atol=1e-6)


def test_frames_between_that_show_the_same_change_nothing() -> None:
    one, two = RNG.random((2, 4, 4)).astype(np.float32)
    few, many = Steady(smooth=0.5), Steady(smooth=0.5)
    few(one, 0.0), many(one, 0.0)
    for moment in (0.1, 0.15, 0.3):
        many(two, moment)
    assert np.allclose(few(two, 0.4).map, many(two, 0.4).map, atol=1e-6)


def test_what_fades_is_drawn_as_faded() -> None:
    steady, bright = Steady(), RNG.random((6, 6)).astype(np.float32)
    high = steady(bright, 0.0).high
    assert high == bright.max()
    after = steady(0.1 * bright, 1 / 30)
    assert after.map.max() / after.high == pytest.approx(0.1 * math.exp(1 / 30 / 2), rel=1e-4)
    much_later = steady(0.1 * bright, 30.0)
    assert much_later.map.max() / much_later.high == pytest.approx(1.0)
    assert steady(3 * bright, 30.01).high == 3 * bright.max()  # what rises is at its full at once


def test_nothing_is_never_blown_up() -> None:
    steady = Steady()
    assert steady(np.zeros((3, 3)), 0.0).high == 0
    assert steady(-np.ones((3, 3)), 0.1).high == 0
    assert steady(np.zeros((3, 3)), 0.2).stability is None


def test_stability_is_the_overlap_of_the_hottest_fifth() -> None:
    one, two = np.zeros((5, 5)), np.zeros((5, 5))
    one.flat[[0, 1, 2, 3, 4]] = [5, 4, 3, 2, 1]
    two.flat[[3, 4, 5, 6, 7]] = [1, 2, 3, 4, 5]
    steady = Steady()
    assert steady(one, 0.0).stability is None
    assert steady(two, 0.1).stability == pytest.approx(2 / 8)
    assert steady(two, 0.2).stability == 1


def test_another_size_or_an_earlier_time_begins_anew() -> None:
    steady = Steady(smooth=9.0)
    steady(np.full((4, 4), 8.0), 5.0)
    assert steady(np.ones((3, 3)), 5.1).high == 1
    assert steady(np.full((3, 3), 0.5), 4.0).high == 0.5
    steady.begin()
    assert steady(np.full((3, 3), 0.1), 4.1).high == pytest.approx(0.1)


@pytest.mark.parametrize("wrong", [np.array([[np.nan]]), np.array([[np.inf]]), np.zeros(3)])
def test_what_is_no_map(wrong: np.ndarray) -> None:
    with pytest.raises(WhylightError, match="finite"):
        Steady()(wrong, 0.0)


@pytest.mark.parametrize(("smooth", "fades"), [(-1, 1), (math.nan, 1), (0, 0), (0, math.inf)])
def test_what_is_no_time(smooth: float, fades: float) -> None:
    with pytest.raises(WhylightError, match="seconds"):
        Steady(smooth, fades)
