"""Intervals: against theory where it is exact, and against the plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, interval, interval_of


def test_of_a_share_it_is_the_binomials() -> None:
    values = np.repeat([1.0, 0.0], [160, 90])
    found = interval(values, resamples=20_000)
    deviation = np.sqrt(0.64 * 0.36 / 250)
    assert found.mean == 0.64
    assert found.low == pytest.approx(0.64 - 1.96 * deviation, abs=0.004)
    assert found.high == pytest.approx(0.64 + 1.96 * deviation, abs=0.004)
    assert found.n == 250


def test_the_same_draws_for_means_and_other_statistics() -> None:
    values = np.random.default_rng(0).random(37)
    assert interval_of(lambda chosen: float(values[chosen].mean()), 37) == pytest.approx(interval(values))
    assert interval(values) == interval(values)
    assert interval(values, seed=1) != interval(values)


def test_one_picture_has_no_interval() -> None:
    assert interval([0.3]) == Interval(0.3, None, None, 1)
    assert interval_of(lambda chosen: float(len(chosen)), 1) == Interval(1.0, None, None, 1)


def test_values_of_one_picture_are_drawn_together() -> None:
    """Against the plain loop over pictures; and a value five times over is no more than once."""
    rng = np.random.default_rng(0)
    values, pictures = rng.random(30), [f"{number}.jpg" for number in rng.integers(12, size=30)]
    names = list(dict.fromkeys(pictures))
    draws = np.random.default_rng(0).integers(len(names), size=(2000, len(names)))
    means = []
    for chosen in draws:
        drawn = [v for one in chosen for v, name in zip(values, pictures, strict=True) if name == names[one]]
        means.append(sum(drawn) / len(drawn))
    found = interval(values, pictures)
    assert found == pytest.approx((values.mean(), np.quantile(means, 0.025), np.quantile(means, 0.975), len(names)))
    assert interval_of(lambda chosen: float(values[chosen].mean()), 30, pictures) == pytest.approx(found)
    once = interval(values[:7])
    assert interval(np.repeat(values[:7], 5), [str(i // 5) for i in range(35)]) == pytest.approx(once)
    assert interval([0.0, 1.0, 1.0], ["a", "a", "a"]) == Interval(2 / 3, None, None, 1)


def test_draws_without_a_figure_are_left_out() -> None:
    values = np.array([np.nan, 1.0, 3.0])
    found = interval_of(lambda chosen: float(np.nanmean(values[chosen])) if (chosen > 0).any() else float("nan"), 3)
    assert (found.mean, found.low, found.high) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(DataError, match="expected finite numbers"):
        interval(values)


def test_thousands_of_pictures() -> None:
    found = interval(np.arange(5000) / 5000)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4999 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(1 / 12 / 5000), rel=0.1)
