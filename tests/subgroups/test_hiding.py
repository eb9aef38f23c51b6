"""Covering a region: what is painted over, and whether the gap between groups is said to close when it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whylight.errors import DataError
from whylight.subgroups.hiding import cover, hiding


def test_a_gap_that_lay_in_the_region_closes() -> None:
    """The second group is wrong in a third of its pictures because of the region, and in none without it."""
    n = 300
    first = np.arange(n) < 150
    seen = np.ones(n)
    seen[150:200] = 0
    covered = np.ones(n)
    covered[[3, 160]] = 0
    found = hiding("mouth", seen, covered, first, ~first)
    assert found.seen == pytest.approx(1 / 3)
    assert found.covered == pytest.approx(0.0, abs=1e-12)
    assert found.change == pytest.approx(-1 / 3)
    assert found.high < 0
    assert (found.closes, found.opens) == (True, False)
    assert found.p < 1e-6
    assert found.first.seen.mean == 100
    assert found.second.covered.mean == pytest.approx(100 * 149 / 150)
    assert found.pictures == n
    assert not found.levels_down
    back = hiding("mouth", seen, covered, ~first, first)  # the other way around it is the same finding
    assert back.closes
    assert (back.low, back.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_a_region_that_is_evidence_for_both_closes_nothing() -> None:
    rng = np.random.default_rng(0)
    first = np.arange(600) < 300
    seen = rng.random(600) < np.where(first, 0.95, 0.85)
    covered = seen & (rng.random(600) < 0.8)
    found = hiding("eyes", seen, covered, first, ~first)
    assert found.first.high < 0
    assert found.second.high < 0
    assert not found.opens
    assert found.p > 0.05


def test_a_model_that_is_blinded_is_not_called_fair() -> None:
    """Covering the eyes brings everybody down to chance: the gap closes, and nobody is served better."""
    rng = np.random.default_rng(3)
    first = np.arange(1000) < 500
    seen = rng.random(1000) < np.where(first, 0.98, 0.8)
    found = hiding("eyes", seen, rng.random(1000) < 0.5, first, ~first)
    assert (found.closes, found.levels_down) == (True, True)
    assert hiding("eyes", seen, rng.random(1000) < 0.5, ~first, first).levels_down


def test_a_gap_that_turns_around_and_grows_does_not_close() -> None:
    first, seen, covered = np.arange(400) < 200, np.ones(400), np.ones(400)
    seen[200:208] = 0
    covered[:40] = 0
    found = hiding("mouth", seen, covered, first, ~first)
    assert (found.seen, found.covered) == (pytest.approx(0.04), pytest.approx(-0.2))
    assert (found.closes, found.opens) == (False, True)


def test_no_change_at_all_keeps_a_width() -> None:
    ones = np.ones(40)
    first = np.arange(40) < 20
    found = hiding("hair", ones, ones, first, ~first)
    assert found.change == 0
    assert 0.08 < found.high < 0.25
    assert found.low == -found.high


def test_intervals_cover_the_change_of_the_gap() -> None:
    """1,000 samples of two groups, 40 pictures each, in which covering moves few answers."""
    held, rng = 0, np.random.default_rng(1)
    first = np.arange(80) < 40
    for _ in range(1000):
        seen = rng.random(80) < 0.9
        moved = rng.random(80)
        covered = np.where(seen, moved < np.where(first, 0.97, 0.85), moved < 0.1)
        found = hiding("nose", seen, covered, first, ~first)
        truth = (0.9 * 0.97 + 0.01) - (0.9 * 0.85 + 0.01)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 1000 <= 0.985


def test_pictures_of_one_person_count_together() -> None:
    first, rng = np.repeat(np.arange(40) < 20, 5), np.random.default_rng(2)
    seen = np.ones(200)
    covered = np.repeat(rng.random(40) < np.where(np.arange(40) < 20, 0.6, 0.9), 5)
    rows = hiding("nose", seen, covered, first, ~first)
    people = hiding("nose", seen, covered, first, ~first, list(np.repeat(np.arange(40), 5)))
    assert people.high - people.low > 1.8 * (rows.high - rows.low)
    assert people.change == rows.change


def test_pictures_without_the_region_are_left_out() -> None:
    first = np.arange(10) < 5
    covered = np.ones(10)
    covered[0] = np.nan
    assert hiding("hair", np.ones(10), covered, first, ~first).pictures == 9
    covered[:5] = np.nan
    with pytest.raises(DataError, match="'hair'"):
        hiding("hair", np.ones(10), covered, first, ~first)
    with pytest.raises(DataError, match="yes or no"):
        hiding("hair", np.full(10, 0.5), np.ones(10), first, ~first)
    with pytest.raises(DataError, match="shapes"):
        hiding("hair", np.ones(10), np.ones(9), first, ~first)


def test_only_what_is_masked_is_painted_over() -> None:
    x = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 32, 48)
    masks[0, 4:8, 10:20] = 1
    masks[1, 0, 0] = 0.5
    made = cover(x, masks)
    assert (made[0, :, 4:8, 10:20] == 0).all()
    assert torch.allclose(made[1, :, 0, 0], x[1, :, 0, 0] / 2)
    kept = masks.unsqueeze(1).expand_as(x) == 0
    assert torch.equal(made[kept], x[kept])
    soft = cover(x, masks, "blur")
    inside = soft[0, :, 4:8, 10:20]
    assert 0 < inside.std() < 0.5 * x[0, :, 4:8, 10:20].std()
    assert torch.equal(soft[kept], x[kept])
    with pytest.raises(DataError, match="fill"):
        cover(x, masks, "black")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="masks"):
        cover(x, masks[:1])
