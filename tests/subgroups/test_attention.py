"""Mean maps, differences beyond chance and figures by group, against what was put into simulated maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import fisher_exact, ttest_ind

from whylight.errors import DataError
from whylight.subgroups.attention import by_group, difference, evidence_shares, mean_maps, telling
from whylight.subgroups.chances.contrast import contrast

SIDE = 12


def smooth(rng: np.random.Generator, n: int, sigma: float = 1.5) -> NDArray[np.float64]:
    """Positive maps with neighbours alike, as those of networks are."""
    return np.exp(gaussian_filter(rng.normal(size=(n, SIDE, SIDE)), (0, sigma, sigma)) * 3)


def halves(n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first = np.arange(n) < n // 3
    return first, ~first


def test_shares_and_means_are_those_of_the_evidence() -> None:
    maps = np.array([[[1.0, 1.0], [0.0, 2.0]], [[0.0, 10.0], [-5.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    shares = evidence_shares(maps)
    assert shares[0].tolist() == [[0.25, 0.25], [0.0, 0.5]]
    assert shares[1].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    everyone, none = mean_maps(maps, {"all": [1, 1, 1], "blank": [0, 0, 1]})
    assert np.allclose(everyone.map, [[0.125, 0.625], [0.0, 0.25]])
    assert (everyone.n, everyone.blank) == (2, 1)
    assert (none.n, none.blank) == (0, 1)
    assert np.isnan(none.map).all()


def test_a_planted_difference_is_found_where_it_is() -> None:
    rng = np.random.default_rng(1)
    maps = smooth(rng, 150)
    first, second = halves(150)
    maps[first, 2:5, 2:5] *= 3
    found = difference(maps, first, second, draws=300)
    assert found.significant[3, 3]
    assert found.map[3, 3] > 0
    assert np.allclose(found.map, found.first - found.second)
    assert np.allclose(found.first, evidence_shares(maps)[first].mean(0))
    assert found.people == (50, 100)
    welch = ttest_ind(evidence_shares(maps)[first], evidence_shares(maps)[second], equal_var=False)
    assert np.allclose(found.t, welch.statistic, rtol=1e-3, atol=1e-3)
    assert (found.p >= welch.pvalue - 1e-9).all()  # correction makes no cell surer
    mine, theirs = telling(maps, found, first, second, most=5)
    assert first[mine].all()
    assert second[theirs].all()
    shares = evidence_shares(maps)[:, 2:5, 2:5].sum((1, 2))
    assert shares[mine].mean() > shares[first].mean() > shares[second].mean() > shares[theirs].mean()


@pytest.mark.parametrize("rows", [1, 3])
def test_one_error_in_all_cells_is_rare_where_groups_are_alike(rows: int) -> None:
    """300 audits of nothing; people with several pictures that are alike are dealt out together."""
    wrong = naive = 0
    rng = np.random.default_rng(2)
    for seed in range(300):
        own = smooth(rng, 36)
        maps = np.repeat(own, rows, 0) * np.exp(0.1 * rng.normal(size=(36 * rows, SIDE, SIDE)))
        people = np.repeat(np.arange(36), rows)
        first, second = halves(len(maps))
        wrong += difference(maps, first, second, list(people), draws=99, seed=seed).significant.any()
        if rows > 1 and seed < 60:
            naive += difference(maps, first, second, draws=99, seed=seed).significant.any()
    assert wrong <= 24  # 5 % of 300 is 15; 24 is passed by chance once in a hundred times
    if rows > 1:
        assert naive >= 20  # of 60: what is wrong with taking rows for people


def test_people_in_both_groups_keep_the_error_rate_too() -> None:
    wrong, rng = 0, np.random.default_rng(3)
    for seed in range(200):
        own = np.repeat(smooth(rng, 40), 4, 0)
        maps = own * np.exp(0.5 * rng.normal(size=own.shape))
        people = np.repeat(np.arange(40), 4)
        first = rng.random(len(maps)) < 0.4
        found = difference(maps, first, ~first, list(people), draws=99, seed=seed)
        assert "sign" in found.how
        wrong += found.significant.any()
    assert wrong <= 18


def test_people_in_both_groups_are_told_apart_where_they_differ() -> None:
    rng = np.random.default_rng(4)
    maps, people = np.repeat(smooth(rng, 40), 4, 0), list(np.repeat(np.arange(40), 4))
    first = np.arange(160) % 2 == 0
    maps[first, 6:9, 6:9] *= 1.5
    found = difference(maps, first, ~first, people, draws=200)
    assert found.significant[7, 7]


def test_too_few_people_and_odd_groups_are_refused() -> None:
    maps = smooth(np.random.default_rng(0), 20)
    few = np.arange(20) < 4
    with pytest.raises(DataError, match="4 and 16 people"):
        difference(maps, few, ~few)
    with pytest.raises(DataError, match="20 rows are in both"):
        difference(maps, np.ones(20, bool), np.ones(20, bool))
    with pytest.raises(DataError, match="second: nobody"):
        difference(maps, np.ones(20, bool), np.zeros(20, bool))
    with pytest.raises(DataError, match="each of the 20 rows"):
        difference(maps, few[:5], ~few)
    with pytest.raises(DataError, match="people: expected one"):
        difference(maps, np.arange(20) < 10, np.arange(20) >= 10, ["a"])


def test_cells_that_never_vary_are_no_finding() -> None:
    maps = smooth(np.random.default_rng(5), 40)
    maps[:, :3] = 0.0
    first, second = halves(40)
    found = difference(maps, first, second, draws=50)
    assert (found.p[:3] == 1).all()
    assert (found.t[:3] == 0).all()


def test_blank_maps_are_left_out_and_counted() -> None:
    maps = smooth(np.random.default_rng(6), 40)
    maps[:3] = 0.0
    maps[3] = np.nan
    first, second = halves(40)
    found = difference(maps, first, second, draws=50)
    assert found.blank == (4, 0)
    assert found.people == (9, 27)


def test_a_contrast_is_welchs_where_every_row_is_a_person() -> None:
    rng = np.random.default_rng(7)
    values, first = rng.normal(size=40), np.arange(40) < 12
    values[first] = values[first] * 3 + 1
    found = contrast(values, first, ~first)
    welch = ttest_ind(values[first], values[~first], equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert found.p == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_rows_of_one_person_count_as_one() -> None:
    rng = np.random.default_rng(8)
    values, first = rng.normal(size=30), np.arange(30) < 10
    alone = contrast(values, first, ~first)
    thrice = contrast(
        np.repeat(values, 3), np.repeat(first, 3), ~np.repeat(first, 3), list(np.repeat(np.arange(30), 3))
    )
    assert (thrice.low, thrice.high, thrice.p) == tuple(map(pytest.approx, (alone.low, alone.high, alone.p)))
    assert thrice.people == (10, 20)


def test_intervals_of_contrasts_cover() -> None:
    """People with one to five rows, in both groups or in one: 95 % intervals hold the truth in 93 to 97 % of 2,000 samples."""
    for mixed in (False, True):
        rng, held = np.random.default_rng(9), 0
        for _ in range(2000):
            people = np.repeat(np.arange(40), rng.integers(1, 6, 40))
            first = rng.random(len(people)) < 0.5 if mixed else people < 20
            values = rng.normal(size=40)[people] + rng.normal(size=len(people)) + 0.5 * first
            found = contrast(values, first, ~first, list(people))
            assert found.low is not None
            assert found.high is not None
            held += found.low <= 0.5 <= found.high
        assert 0.93 <= held / 2000 <= 0.97


def test_none_of_few_is_no_finding() -> None:
    """0 of 7 against 11 of 100: Welch's variance of the seven is 0, and would make that p = 0.0006."""
    values, first = np.repeat([0.0, 1.0, 0.0], [7, 11, 89]), np.repeat([True, False], [7, 100])
    found = contrast(values, first, ~first)
    assert found.p == pytest.approx(fisher_exact([[0, 7], [11, 89]]).pvalue)
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.11 < 0 < found.high


def test_nothing_is_told_where_nothing_varies() -> None:
    found = contrast([1.0, 1.0, 1.0, 1.0], [1, 1, 0, 0], [0, 0, 1, 1])
    assert (found.difference, found.low, found.p) == (0.0, None, None)
    assert contrast([1.0, 2.0, 3.0], [1, 0, 0], [0, 1, 1]).p is None


def test_figures_by_group_are_means_with_a_correction_for_all() -> None:
    rng = np.random.default_rng(10)
    eyes = rng.normal(0.3, 0.05, 200)
    young = np.arange(200) % 2 == 0
    eyes[young] += 0.05
    mouth = rng.normal(0.2, 0.05, 200)
    mouth[7] = np.nan
    few = np.arange(200) < 3
    found = by_group({"eyes": eyes, "mouth": mouth}, {"young": young, "few": few, "nobody": np.zeros(200, bool)})
    told = {(one.what, one.group): one for one in found}
    assert told["eyes", "young"].mean is not None
    assert told["eyes", "young"].mean.mean == pytest.approx(eyes[young].mean())
    rest = told["eyes", "young"].rest
    assert rest is not None
    assert rest.p is not None
    assert rest.difference == pytest.approx(eyes[young].mean() - eyes[~young].mean())
    assert told["eyes", "young"].p == pytest.approx(
        min(1, 2 * rest.p)
    )  # two comparisons could be made, this one the clearer
    assert told["mouth", "young"].mean is not None
    assert told["mouth", "young"].mean.n == 100
    assert (told["eyes", "few"].enough, told["eyes", "few"].rest) == (False, None)
    assert told["mouth", "nobody"].mean is None
