"""Two classifiers on the same rows: the interval of their difference holds it, and seeds count."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.subgroups.stats.paired import compare, seeds, variance_of


@pytest.mark.parametrize("n", [30, *(pytest.param(n, marks=pytest.mark.long) for n in (100, 1000))])
@pytest.mark.parametrize("shares", [(0.85, 0.05, 0.05), (0.8, 0.12, 0.03), (0.93, 0.02, 0.04)])
def test_coverage(n: int, shares: tuple[float, float, float]) -> None:
    dice = np.random.default_rng(0)
    drawn = dice.multinomial(n, [*shares, 1 - sum(shares)], 4000)
    found = compare(*drawn.T)
    truth = shares[1] - shares[2]
    held = ((found.low <= truth) & (truth <= found.high)).mean()
    assert held >= 0.93
    assert held <= (0.98 if n * (shares[1] + shares[2]) > 10 else 1)
    assert (found.value == (drawn[:, 1] - drawn[:, 2]) / n).all()


def test_the_bootstrap_is_that_of_rows() -> None:
    """Drawing the four counts is drawing rows."""
    first = np.repeat([1, 1, 0, 0], [400, 40, 15, 45])
    second = np.repeat([1, 0, 1, 0], [400, 40, 15, 45])
    dice = np.random.default_rng(1)
    values = [(first[at] - second[at]).mean() for at in dice.integers(500, size=(4000, 500))]
    found = compare([400], [40], [15], [45])
    assert [found.boot_low[0], found.boot_high[0]] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.004)
    assert np.std(values) == pytest.approx(np.sqrt(variance_of(40, 15, 500)), rel=0.05)


def test_the_same_classifier_twice() -> None:
    found = compare([90], [0], [0], [10])
    assert found.value[0] == 0
    assert found.p[0] == 1
    assert found.low[0] <= 0 <= found.high[0]
    assert np.isnan(compare([0], [0], [0], [0]).value[0])


def test_seeds_widen_the_interval() -> None:
    first, second = np.array([[0.90], [0.94], [0.92]]), np.array([[0.91], [0.89], [0.90]])
    found = seeds(first, second, np.array([1e-6]))
    assert found.value[0] == pytest.approx(0.02)
    variance = (0.02**2 + 0.01**2) / 3 + 1e-6
    assert (found.high - found.low)[0] > 2 * 1.96 * np.sqrt(variance)
    alone = seeds(first[:1], second[:1], np.array([1e-6]))
    assert (alone.high - alone.low)[0] == pytest.approx(2 * 1.96 * 1e-3, rel=1e-3)


def test_seeds_by_simulation() -> None:
    dice, held = np.random.default_rng(0), 0
    for _ in range(1000):
        first, second = 0.9 + dice.normal(0, 0.02, (4, 1)), 0.88 + dice.normal(0, 0.02, (4, 1))
        row = dice.normal(0, 0.005)
        found = seeds(first + row, second, np.array([0.005**2]))
        held += found.low[0] <= 0.02 <= found.high[0]
    assert 0.93 <= held / 1000 <= 0.98
