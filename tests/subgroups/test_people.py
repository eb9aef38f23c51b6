"""Rows of one person go together: variances hold what drawing persons anew gives."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.subgroups.audit import audit
from whylight.subgroups.stats import clustered, intervals, paired


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which group, which person, and whether right: persons differ, and are in two groups."""
    dice = np.random.default_rng(0)
    person = np.repeat(np.arange(150), dice.integers(1, 9, 150)).astype(np.int32)
    skill = dice.beta(6, 2, 150)
    group = (dice.random(len(person)) < 0.4).astype(np.int32)
    group[::17] = -1
    return group, person, (dice.random(len(person)) < skill[person]).astype(float)


def drawn(rows: tuple[np.ndarray, ...], draws: int = 3000) -> np.ndarray:
    """(draws, 2), the rates of both groups with persons drawn anew."""
    group, person, right = rows
    dice = np.random.default_rng(1)
    found = []
    for _ in range(draws):
        times = np.bincount(dice.integers(150, size=150), minlength=150)[person]
        found.append([(times * right)[group == g].sum() / times[group == g].sum() for g in (0, 1)])
    return np.array(found)


def test_variances(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    group, person, right = rows
    of = clustered.people(group, person, 2)
    variance, df = clustered.ratio(of, right, np.ones(len(right)))
    boot = drawn(rows)
    np.testing.assert_allclose(np.sqrt(variance), boot.std(0), rtol=0.06)
    assert df.tolist() == [len(np.unique(person[group == g])) - 1 for g in (0, 1)]
    rest = clustered.rest(of, right, np.ones(len(right)))
    np.testing.assert_allclose(np.sqrt(rest.gap), (boot[:, 0] - boot[:, 1]).std(), rtol=0.06)
    np.testing.assert_allclose(rest.gap[0], rest.gap[1], rtol=1e-9)
    np.testing.assert_allclose(rest.variance, variance[::-1], rtol=1e-9)  # of two groups each is the other's rest
    assert rest.df.tolist() == df[::-1].tolist()
    both = len(np.intersect1d(person[group == 0], person[group == 1]))
    assert rest.shared.tolist() == [both, both]


def test_persons_of_one_row_are_rows() -> None:
    dice = np.random.default_rng(0)
    right = (dice.random(400) < 0.8).astype(float)
    of = clustered.people(np.zeros(400, np.int32), np.arange(400, dtype=np.int32), 1)
    variance, _ = clustered.ratio(of, right, np.ones(400))
    assert variance[0] == pytest.approx(right.mean() * (1 - right.mean()) / 399)


def test_the_bootstrap_draws_persons(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    group, person, right = rows
    of = clustered.people(group, person, 2)
    low, high = paired.resampled(of, right, np.ones(len(right)))
    wanted = np.quantile(drawn(rows), [0.025, 0.975], axis=0)
    np.testing.assert_allclose([low, high], wanted, atol=0.012)


def test_an_audit_of_persons_is_less_sure() -> None:
    """Twenty pictures of each of 40 persons are not 800 persons."""
    dice = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 20)
    right = dice.random(800) < dice.beta(4, 1, 40)[person]
    table = {"who": person, "side": person % 2, "there": np.ones(800, int), "said": right.astype(int)}
    settings = {"label": "there", "prediction": "said", "groups": "side", "depth": 1, "positive": "1"}
    alone, together = audit(table, **settings), audit(table, identity="who", **settings)  # type: ignore[arg-type]
    wide = [row["interval"][1] - row["interval"][0] for row in (alone.groups[0], together.groups[0])]
    assert wide[1] > 2 * wide[0]
    assert together.group(side=0)["people"] == 20
    assert together.group(side=0)["verdict"] == "insufficient evidence"


def test_intervals_of_persons_by_simulation() -> None:
    held, dice = 0, np.random.default_rng(0)
    person = np.repeat(np.arange(60, dtype=np.int32), 5)
    of = clustered.people(np.zeros(300, np.int32), person, 1)
    for _ in range(1000):
        right = (dice.random(300) < dice.beta(9, 1, 60)[person]).astype(float)
        variance, df = clustered.ratio(of, right, np.ones(300))
        rate = right.mean()
        size = rate * (1 - rate) / variance
        low, high = intervals.rate(rate * size, size, df=df)
        held += low[0] <= 0.9 <= high[0]
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.parametrize("people", [None, "who"])
def test_few_persons_who_are_all_right_are_no_finding(people: str | None) -> None:
    """40 persons of whom all are right, against 2,000 of whom 95 % are, a row each: with and without the identity."""
    right = np.concatenate([np.ones(40, int), np.repeat([1, 0], [1900, 100])])
    table = {
        "who": np.arange(2040),
        "size": np.repeat(["small", "large"], [40, 2000]),
        "there": np.ones(2040, int),
        "said": right,
    }
    found = audit(table, label="there", prediction="said", groups="size", depth=1, positive="1", identity=people)
    small, large = found.group(size="small"), found.group(size="large")
    low, high = small["gap_to_rest"]["interval"]
    assert low < 0 < high
    assert small["p"] == pytest.approx(0.26, abs=0.02)
    assert (small["p"], small["p_corrected"]) == (large["p"], large["p_corrected"])


def test_audits_of_nothing_with_persons() -> None:
    """A row a person, 40 against 560, at a rate of 0.97: hardly a finding in 120 such audits."""
    dice, found = np.random.default_rng(0), 0
    for _ in range(120):
        right = (dice.random(600) < 0.97).astype(int)
        table = {
            "who": np.arange(600),
            "side": np.repeat(["a", "b"], [40, 560]),
            "there": np.ones(600, int),
            "said": right,
        }
        done = audit(table, label="there", prediction="said", groups="side", depth=1, positive="1", identity="who")
        found += done.group(side="a")["verdict"] in ("worse", "better")
    assert found <= 10  # 5 % of 120, and what chance adds to that: more in less than one of twenty runs
