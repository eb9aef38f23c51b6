"""Intervals hold what they promise, by exact sums; where others define the same figure, it is the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from whylight.errors import DataError
from whylight.subgroups.stats import intervals, sizes

HIGH = np.linspace(0.80, 0.99, 191)


def coverage(n: int, rates: np.ndarray, level: float = 0.95) -> np.ndarray:
    k = np.arange(n + 1)
    low, high = intervals.rate(k, np.full(n + 1, n), level=level)
    holds = (low[:, None] <= rates + 1e-12) & (rates - 1e-12 <= high[:, None])
    return (binom.pmf(k[:, None], n, rates) * holds).sum(0)


@pytest.mark.parametrize("n", range(5, 31))
def test_few_rows_and_high_rates(n: int) -> None:
    found = coverage(n, HIGH)
    assert 0.93 <= found.mean() <= 0.98
    assert found.min() >= 0.90


@pytest.mark.parametrize("n", [30, 47, 100, 333, 1000, 5000])
@pytest.mark.parametrize("rates", [HIGH, np.linspace(0.05, 0.95, 91)], ids=["high", "all"])
def test_from_thirty_rows_on(n: int, rates: np.ndarray) -> None:
    assert 0.93 <= coverage(n, rates).mean() <= 0.97


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_other_levels(level: float) -> None:
    found = coverage(40, HIGH, level)
    assert abs(found.mean() - level) < 0.02


def test_rates_by_simulation() -> None:
    dice = np.random.default_rng(0)
    n, rate = dice.integers(30, 400, 20_000), dice.uniform(0.1, 0.98, 20_000)
    low, high = intervals.rate(dice.binomial(n, rate), n)
    assert 0.945 <= ((low <= rate) & (rate <= high)).mean() <= 0.96


def test_wilson_where_few_are_not_few() -> None:
    for k, n in ((5, 12), (40, 77), (930, 1000)):
        low, high = intervals.rate([k], [n])
        assert (low[0], high[0]) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


def test_all_right_is_no_certainty() -> None:
    low, high = intervals.rate([0, 8, 0], [8, 8, 0])
    assert low[0] == 0
    assert high[0] < 0.35
    assert low[1] > 0.65
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()


def test_a_gap_as_others_have_it() -> None:
    for k, n, other, size in ((56, 70, 48, 80), (700, 900, 61, 90)):
        ends = intervals.difference([k / n], intervals.rate([k], [n]), [other / size], intervals.rate([other], [size]))
        wanted = confint_proportions_2indep(k, n, other, size, compare="diff", method="newcomb")
        assert np.concatenate(ends) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(("n", "p", "q"), [(30, 0.95, 0.97), (100, 0.85, 0.95), (300, 0.7, 0.7)])
def test_gaps_hold_what_they_promise(n: int, p: float, q: float) -> None:
    """Of a group of n rows to 2,000 others: every outcome weighed by its chance."""
    k, other = np.arange(n + 1), np.arange(2001)
    ends, other_ends = intervals.rate(k, n), intervals.rate(other, 2000)
    low, high = intervals.difference((k / n)[:, None], (ends[0][:, None], ends[1][:, None]), other / 2000, other_ends)
    holds = (low <= p - q) & (p - q <= high)
    chance = binom.pmf(k, n, p)[:, None] * binom.pmf(other, 2000, q)
    assert 0.93 <= (chance * holds).sum() <= 0.97


def test_sizes_reach_what_was_asked() -> None:
    n = sizes.for_interval(0.9, 0.03)
    low, high = intervals.rate([0.9 * n], [n])
    assert (high[0] - low[0]) / 2 <= 0.03
    low, high = intervals.rate([0.9 * (n - 1)], [n - 1])
    assert (high[0] - low[0]) / 2 > 0.03


def test_sizes_have_the_power_asked_for() -> None:
    n = sizes.for_gap(0.95, 0.05, share=0.25)
    dice = np.random.default_rng(0)
    k, other = dice.binomial(n, 0.90, 4000), dice.binomial(3 * n, 0.95, 4000)
    pooled = (k + other) / (4 * n)
    z = (k / n - other / (3 * n)) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / (3 * n)))
    assert 0.77 <= (z < -1.96).mean() <= 0.83


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: sizes.for_interval(1.2, 0.1), "rate: 1.2 given"),
        (lambda: sizes.for_interval(0.9, 0.7), "half: 0.7 given"),
        (lambda: sizes.for_gap(0.9, 0.95), "gap: 0.95 given"),
        (lambda: sizes.for_gap(0.9, 0.1, share=0), "share: 0 given"),
    ],
)
def test_sizes_that_make_no_sense(call: object, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        call()  # type: ignore[operator]
