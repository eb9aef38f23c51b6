"""Small cells: closer to the truth shrunk than counted, large ones left as they are."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.errors import DataError
from whylight.subgroups.stats.shrink import shrink, spread

PARTS = np.stack(np.unravel_index(np.arange(24), (2, 3, 4)), axis=1)


def table(seed: int, own: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, right ones and true rates of 24 cells made of three parts, with something of their own."""
    dice = np.random.default_rng(seed)
    effects = [dice.normal(0, 0.4, size) for size in (2, 3, 4)]
    logit = 2.2 + sum(one[PARTS[:, i]] for i, one in enumerate(effects)) + dice.normal(0, own, 24)
    truth = 1 / (1 + np.exp(-logit))
    n = dice.integers(1, 60, 24)
    return n, dice.binomial(n, truth), truth


@pytest.mark.parametrize("own", [0.0, 0.3, 0.5])
def test_nearer_to_the_truth(own: float) -> None:
    raw, moved, held = [], [], []
    for seed in range(150):
        n, k, truth = table(seed, own)
        found = shrink(k, n, PARTS)
        small = n < 20
        raw.append((k / n - truth)[small])
        moved.append((found.value - truth)[small])
        held.append((found.low <= truth) & (truth <= found.high))
    error, before = (np.sqrt(np.mean(np.concatenate(one) ** 2)) for one in (moved, raw))
    assert error <= 0.7 * before
    assert 0.88 <= np.mean(held) <= 0.98  # less than 95 % where there are few cells to learn the spread from


def test_many_rows_stand_for_themselves() -> None:
    n = np.full(24, 100_000)
    k = np.random.default_rng(0).binomial(n, np.random.default_rng(1).uniform(0.7, 0.99, 24))
    np.testing.assert_allclose(shrink(k, n, PARTS).value, k / n, atol=2e-3)


def test_parts_that_tell_all_are_believed() -> None:
    n, _, truth = table(0, own=0.0)
    found = shrink(np.round(truth * n * 500), n * 500, PARTS)
    np.testing.assert_allclose(found.predicted, truth, atol=0.01)
    assert found.strength > 1000


def test_cells_without_an_error() -> None:
    found = shrink([5, 200, 100, 90], [5, 200, 100, 100], np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    assert ((found.value > 0) & (found.value <= 1)).all()
    assert found.value[3] < found.value[1]
    same = shrink([4, 3], [4, 3], np.array([[0, 0], [1, 1]]))
    assert np.isfinite(same.value).all()


def test_the_largest_gap_of_groups_alike_is_luck() -> None:
    """Of twelve groups with the same rate the best and the worst differ: most of that is taken away."""
    counted, corrected = [], []
    for seed in range(100):
        n = np.full(12, 60)
        k = np.random.default_rng(seed).binomial(n, 0.9)
        one, other = spread(k, n, draws=300)
        counted.append(one)
        corrected.append(other)
    assert np.mean(counted) > 0.11
    assert np.mean(corrected) < 0.4 * np.mean(counted)


def test_wrong_shapes() -> None:
    with pytest.raises(DataError, match="expected the counts of each cell"):
        shrink([1, 2], [2, 2, 2], PARTS[:2])
