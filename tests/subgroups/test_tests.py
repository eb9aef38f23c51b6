"""Exact tests, corrections, and that audits of nothing find nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from whylight.subgroups import groups
from whylight.subgroups.stats import exact
from whylight.subgroups.stats.families import corrected
from whylight.subgroups.tables.table import Column, column


def test_fisher_as_others_have_it() -> None:
    dice = np.random.default_rng(0)
    n, size = dice.integers(1, 300, 200), dice.integers(1, 3000, 200)
    k, other = dice.binomial(n, dice.uniform(0, 1, 200)), dice.binomial(size, dice.uniform(0, 1, 200))
    found = exact.fisher(k, n, other, size)
    wanted = [fisher_exact([[a, b - a], [c, d - c]])[1] for a, b, c, d in zip(k, n, other, size, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-12)


def test_fisher_of_very_many_and_of_nobody() -> None:
    assert exact.fisher([900_000], [950_000], [47_000], [50_000])[0] == pytest.approx(
        fisher_exact([[900_000, 50_000], [47_000, 3_000]])[1], rel=1e-6
    )
    assert exact.fisher([0, 3], [0, 3], [5, 0], [9, 0]).tolist() == [1, 1]


def test_mcnemar_as_others_have_it() -> None:
    for b, c in ((2, 9), (0, 5), (14, 14), (0, 0)):
        wanted = mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
        assert exact.mcnemar([b], [c])[0] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("how", "theirs"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_corrections_as_others_have_them(how: str, theirs: str) -> None:
    p = np.random.default_rng(0).uniform(0, 1, 40) ** 3
    np.testing.assert_allclose(corrected(p, how), multipletests(p, method=theirs)[1], rtol=1e-12)  # type: ignore[arg-type]


def test_tests_not_made_count_for_nothing() -> None:
    found = corrected([0.01, np.nan, 0.04], share=0.5)
    assert found[[0, 2]].tolist() == [0.04, 0.08]
    assert np.isnan(found[1])


def test_a_thousand_audits_of_nothing() -> None:
    """One error of 5 % for all tests of an audit together, declared and exploratory, however the groups overlap."""
    rows, found = 900, 0
    for seed in range(1000):
        dice = np.random.default_rng(seed)
        right = dice.random(rows) < 0.93
        columns = [
            column_of(dice.choice(size, rows, p=np.arange(1, size + 1) / (size * (size + 1) / 2))) for size in (2, 2, 3)
        ]
        families: dict[bool, list[np.ndarray]] = {True: [], False: []}
        for which in list(groups.combinations(3, 2))[1:]:
            cells = groups.cells(columns, which)
            n = np.bincount(cells.index)
            k = np.bincount(cells.index, right).astype(int)
            fit = (n >= 30) & (np.arange(len(n)) > (len(n) == 2) - 1)
            families[len(which) == 1].append(exact.fisher(k[fit], n[fit], k.sum() - k[fit], rows - n[fit]))
        smallest = [
            corrected(np.concatenate(p), share=share).min()
            for p, share in zip(families.values(), (0.8, 0.2), strict=True)
        ]
        found += min(smallest) < 0.05
    assert found <= 50


def column_of(codes: np.ndarray) -> Column:
    return column("g", codes)
