"""Intervals: against theory where it is exact, and how often they hold the truth in samples with a known one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval, best_of, interval, rate, resampled, share

_STEPS = np.arange(1, 100) / 100


def _covers(make: Callable[[np.random.Generator], Interval], truth: float, samples: int = 2000) -> float:
    rng = np.random.default_rng(1)
    found = [make(rng) for _ in range(samples)]
    return 100 * sum(one.low <= truth <= one.high for one in found) / samples  # type: ignore[operator]


def test_of_a_share_it_is_wilsons() -> None:
    found = rate(np.repeat([True, False], [160, 90]))
    assert (found.mean, found.n) == (64, 250)
    p, n, z = 0.64, 250, 1.959964
    middle, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    scale = 1 + z * z / n
    assert (found.low, found.high) == pytest.approx((100 * (middle - half) / scale, 100 * (middle + half) / scale))
    assert interval(np.repeat([100.0, 0.0], [160, 90])) == pytest.approx(found)
    assert interval(np.repeat([1.0, 0.0], [160, 90])).high == pytest.approx(found.high / 100)  # type: ignore[operator]


def test_of_a_mean_it_is_students() -> None:
    """0.2, 0.4, 0.9: mean 0.5, deviation 0.3606, t with 2 degrees 4.3027."""
    found = interval([0.2, 0.4, 0.9])
    assert (found.low, found.high) == pytest.approx(
        (0.5 - 4.3027 * 0.36056 / 3**0.5, 0.5 + 4.3027 * 0.36056 / 3**0.5), abs=1e-4
    )


@pytest.mark.parametrize(("p", "n"), [(0.95, 10), (0.5, 10), (0.8, 20), (0.95, 50), (0.3, 250)])
def test_intervals_of_shares_hold_the_truth(p: float, n: int) -> None:
    assert (
        91 <= _covers(lambda rng: rate(rng.random(n) < p), 100 * p) <= 99
    )  # a count has few values, so never 95 itself


@pytest.mark.parametrize("n", [5, 20, 250])
def test_intervals_of_means_hold_the_truth(n: int) -> None:
    assert 93 <= _covers(lambda rng: interval(rng.beta(2, 3, n)), 0.4) <= 97


@pytest.mark.parametrize("n", [20, 100])
def test_values_of_one_picture_go_together(n: int) -> None:
    """Three values a picture, nearly copies: an interval for 3 n of them would be too narrow by √3."""
    names = [str(i // 3) for i in range(3 * n)]

    def values(rng: np.random.Generator) -> NDArray[np.float64]:
        return np.repeat(rng.normal(size=n), 3) + 0.1 * rng.normal(size=3 * n)

    assert 93 <= _covers(lambda rng: interval(values(rng), names), 0) <= 97
    assert 92 <= _covers(lambda rng: rate(values(rng) > 0, names), 50) <= 98
    once = interval(np.arange(7) / 10)
    assert interval(np.repeat(np.arange(7) / 10, 5), [str(i // 5) for i in range(35)]) == pytest.approx(once)


def _right(rng: np.random.Generator, n: int, spread: float, peak: tuple[float, float]) -> NDArray[np.float32]:
    """Whether boxes are right at 99 thresholds, (n, 1, 99): each picture has its own best one and its own height there."""
    best, width = rng.normal(0.4, spread, (n, 1)), np.abs(rng.normal(0.2, 0.05, (n, 1))) + 0.05
    overlap = rng.beta(*peak, (n, 1)) * np.exp(-(((_STEPS - best) / width) ** 2))
    return (overlap >= 0.5)[:, None].astype(np.float32)


@pytest.mark.parametrize(("spread", "peak"), [(0.15, (6, 2.5)), (0.25, (5, 3)), (0.05, (8, 1.5))])
@pytest.mark.parametrize("n", [20, 50, pytest.param(250, marks=pytest.mark.long)])
def test_the_best_of_many_thresholds_holds_the_truth(
    spread: float, peak: tuple[float, float], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whylight.evaluate.bootstrap.RESAMPLES", 300)
    truth = 100 * _right(np.random.default_rng(0), 200_000, spread, peak).mean(0).max()
    figures: list[tuple[float, float]] = []

    def make(rng: np.random.Generator) -> Interval:
        found = best_of(_right(rng, n, spread, peak))
        figures.append((found.interval.mean, found.honest))
        return found.interval

    assert 93 <= _covers(make, truth, 400) <= 98
    figure, honest = np.mean(figures, axis=0) - truth
    assert figure > 0.2  # the choice flatters
    assert abs(honest) < figure


def test_the_best_of_several_rows() -> None:
    """The figure is the mean of each row's best; with one picture nothing can be said of others."""
    right = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0, 1], [0, 1]]], np.float32)
    found = best_of(right)
    assert found.interval.mean == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert found.honest < found.interval.mean
    assert best_of(right, ["a", "a", "a"]).interval[1:] == (None, None, 1)
    perfect = best_of(np.ones((10, 1, 5), np.float32)).interval
    assert (perfect.mean, perfect.high) == (100, 100)
    assert perfect.low == pytest.approx(rate([True] * 10).low)


def test_shares_that_are_no_means() -> None:
    """A plain share's interval from its bootstrap variance is Wilson's, but for Student's quantile; nothing leaves 0 … 100."""
    values = np.random.default_rng(0).random(80) < 0.7
    found = share(lambda chosen: 100 * float(values[chosen].mean()), 80)
    assert found == pytest.approx(rate(values), rel=0.03)
    assert share(lambda chosen: 100.0, 12).low == pytest.approx(71.2, abs=0.1)
    assert share(lambda chosen: 100.0, 1) == Interval(100.0, None, None, 1)
    assert share(lambda chosen: 100 * float(values[chosen].mean()), 80) == found


def test_one_picture_has_no_interval() -> None:
    assert interval([0.3]) == Interval(0.3, None, None, 1)
    assert interval([0.0, 1.0, 1.0], ["a", "a", "a"]) == Interval(2 / 3, None, None, 1)


def test_draws_without_a_figure_are_left_out() -> None:
    values = np.array([np.nan, 1.0, 3.0])
    whole, draws, n = resampled(
        lambda chosen: float(np.nanmean(values[chosen])) if (chosen > 0).any() else float("nan"), 3
    )
    assert (whole, n) == (2.0, 3)
    assert 0 < len(draws) < 2000
    assert not np.isnan(draws).any()


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(DataError, match="expected finite numbers"):
        interval(values)
