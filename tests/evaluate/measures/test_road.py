"""Noisy linear imputation against a dense solution, and ROAD against plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scoring import PlainScore, weighted
from whylight.evaluate.measures import imputation
from whylight.evaluate.measures.imputation import NOISE, impute, noise
from whylight.evaluate.measures.ranking import ranks
from whylight.evaluate.measures.road import SHARES, road

NEIGHBOURS = [(di, dj, 1 / 6 if di == 0 or dj == 0 else 1 / 12) for di in (-1, 0, 1) for dj in (-1, 0, 1) if di or dj]


def dense(x: Tensor, removed: Tensor) -> Tensor:
    """Equation by equation: a removed pixel times the weights inside the picture is the weighted sum of its neighbours."""
    _, h, w = x.shape
    places = [(i, j) for i in range(h) for j in range(w) if removed[i, j]]
    number = {place: n for n, place in enumerate(places)}
    a, b = torch.zeros(len(places), len(places), dtype=torch.float64), torch.zeros(len(places), 3, dtype=torch.float64)
    for n, (i, j) in enumerate(places):
        for di, dj, weight in NEIGHBOURS:
            place = (i + di, j + dj)
            if 0 <= place[0] < h and 0 <= place[1] < w:
                a[n, n] += weight
                if place in number:
                    a[n, number[place]] -= weight
                else:
                    b[n] += weight * x[:, place[0], place[1]].double()
    filled = x.clone()
    for (i, j), values in zip(places, torch.linalg.solve(a, b), strict=True):
        filled[:, i, j] = values.float()
    return filled


def holes(kind: str, h: int, w: int) -> Tensor:
    dice = torch.rand((h, w), generator=torch.Generator().manual_seed(3))
    if kind == "scattered":
        return dice < 0.6
    if kind == "wide":  # all but a corner
        gone = torch.ones(h, w, dtype=torch.bool)
        gone[: h // 4, : w // 4] = False
        return gone
    if kind == "blocks":
        return torch.nn.functional.interpolate(dice[None, None, :5, :5], size=(h, w), mode="bilinear")[0, 0] < 0.5
    gone = torch.ones(h, w, dtype=torch.bool)  # one pixel left
    gone[h // 2, w // 3] = False
    return gone


@pytest.mark.parametrize("kind", ["scattered", "wide", "blocks", "one left"])
@pytest.mark.parametrize("size", [(24, 24), (19, 33)])
def test_the_solution_is_that_of_the_dense_system(kind: str, size: tuple[int, int]) -> None:
    x = (
        torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(0))
        + torch.tensor([5.0, 0.0, -2.0])[:, None, None]
    )
    gone = holes(kind, *size)
    found = impute(x, gone[None])
    torch.testing.assert_close(found[0], dense(x[0], gone), atol=NOISE, rtol=0)  # as it is: below the noise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imputation, "TOLERANCE", 1e-5)
        torch.testing.assert_close(impute(x, gone[None])[0], dense(x[0], gone), atol=1e-4, rtol=0)
    assert torch.equal(found[0][:, ~gone], x[0][:, ~gone])


def test_pictures_of_a_batch_do_not_mix() -> None:
    x = torch.randn((2, 3, 20, 20), generator=torch.Generator().manual_seed(0))
    gone = torch.stack([holes("blocks", 20, 20), holes("wide", 20, 20)])
    both = impute(x, gone)
    for one in (0, 1):
        assert torch.equal(both[one], impute(x[one : one + 1], gone[one : one + 1])[0])


def test_what_is_smooth_is_found_again() -> None:
    """A plane is the weighted mean of its own neighbours, so a hole inside it is filled with it."""
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    plane = (0.1 * rows - 0.03 * columns).expand(1, 3, 40, 40)
    gone = torch.zeros(1, 40, 40, dtype=torch.bool)
    gone[0, 10:30, 5:35] = True
    torch.testing.assert_close(impute(plane, gone), plane, atol=5e-3, rtol=0)


def test_nothing_removed_and_a_constant_picture() -> None:
    x = torch.full((1, 3, 9, 9), 2.0)
    assert torch.equal(impute(x, torch.zeros(1, 9, 9, dtype=torch.bool)), x)
    torch.testing.assert_close(impute(x, holes("wide", 9, 9)[None]), x)


def test_noise_is_small_and_the_same_each_time() -> None:
    found = noise((3, 50, 50))
    assert float(found.std()) == pytest.approx(NOISE, rel=0.05)
    assert torch.equal(found, noise((3, 50, 50)))


def test_scores_are_those_of_plain_loops() -> None:
    x = torch.randn((2, 3, 10, 10), generator=torch.Generator().manual_seed(0))
    heat = torch.rand((3, 10, 10), generator=torch.Generator().manual_seed(1))
    weights = torch.randn((2, 3, 10, 10), generator=torch.Generator().manual_seed(2))
    of = torch.tensor([1, 0, 1])
    found = road(PlainScore(weighted(weights)), x, heat, of)
    place, added = ranks(heat), noise((3, 10, 10))
    for m in range(3):
        for column, share in enumerate(SHARES):
            count = round(100 * share)
            for order, gone in (("morf", place[m] < count), ("lerf", place[m] >= 100 - count)):
                filled = dense(x[of[m]], gone) + added * gone
                expected = float((filled * weights[of[m]]).sum())
                assert float(getattr(found, order)[m, column]) == pytest.approx(expected, abs=0.05)
    torch.testing.assert_close(found.combined, (found.lerf - found.morf).mean(1) / 2)


def test_a_map_of_the_score_beats_its_opposite() -> None:
    """The score is the mean of one quarter of a noisy picture."""
    x = torch.zeros((1, 3, 16, 16))
    x[:, :, :8, :8] = 1 + torch.rand((8, 8), generator=torch.Generator().manual_seed(0))
    quarter = torch.zeros(16, 16)
    quarter[:8, :8] = 1
    score = PlainScore(lambda one, picture: float((one.mean(0) * quarter).sum() / 64))
    found = road(score, x, torch.stack([quarter, -quarter]), torch.tensor([0, 0]))
    assert float(found.combined[0]) > 0.1
    assert float(found.combined[1]) == pytest.approx(-float(found.combined[0]), abs=0.02)
