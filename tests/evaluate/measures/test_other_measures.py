"""Average drop, infidelity, max-sensitivity, likeness of maps and baselines, against plain loops and known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scoring import PlainScore, weighted
from whylight.errors import DataError
from whylight.evaluate.baselines import BLOB, RANDOM, baseline, blob, random_map
from whylight.evaluate.measures import infidelity, sensitivity
from whylight.evaluate.measures.drop import drop
from whylight.evaluate.measures.similarity import spearman, ssim
from whylight.evaluate.measures.table import MEASURES, chosen

H, W = 12, 8


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_drop_by_hand() -> None:
    """Ten pixels of value 1; a score of their mean. Half shown: half is lost. All shown: nothing is."""
    x = torch.ones(1, 3, 2, 5)
    half = torch.zeros(2, 5)
    half[0] = 7.0  # relative to its maximum
    half[1] = -3.0  # what speaks against is not shown
    heat = torch.stack([half, torch.ones(2, 5), torch.zeros(2, 5), -torch.ones(2, 5)])
    found = drop(PlainScore(lambda one, picture: float(one.mean())), x, heat, torch.zeros(4, dtype=torch.long))
    assert found.drop.tolist() == pytest.approx([0.5, 0, 1, 1], abs=1e-6)
    assert found.increase.tolist() == [0, 0, 0, 0]
    rising = drop(PlainScore(lambda one, picture: 2 - float(one.mean())), x, heat, torch.zeros(4, dtype=torch.long))
    assert rising.drop.tolist() == [0, 0, 0, 0]
    assert rising.increase.tolist() == [1, 0, 1, 1]


def test_infidelity_of_the_true_map_is_zero() -> None:
    """A linear score changes by exactly the map w·x summed over what is hidden, whatever the map's scale."""
    x, weights = draw(2, 3, H, W), draw(2, 3, H, W, seed=1)
    true = (x * weights).sum(1)
    heat = torch.cat([true, -1e-3 * true, torch.zeros(1, H, W), draw(1, H, W, seed=2)])
    of = torch.tensor([0, 1, 0, 1, 0, 0])
    found = infidelity.infidelity(PlainScore(weighted(weights)), x, heat, of)
    assert found[:4].tolist() == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert float(found[4]) > float(found[5]) > 1e-3


def test_infidelity_against_plain_loops() -> None:
    x, heat, of = draw(2, 3, H, W), draw(3, H, W, seed=4) - 0.3, torch.tensor([1, 0, 1])

    def f(one: Tensor, picture: int) -> float:
        return float(one.square().sum()) * (picture + 1)

    found = infidelity.infidelity(PlainScore(f), x, heat, of)
    hidden = infidelity.squares((H, W))
    assert hidden.shape == (infidelity.SQUARES, H, W)
    assert hidden.sum((1, 2)).unique().tolist() == [(H // 4) * (W // 4)]
    for m in range(3):
        picture = int(of[m])
        claims, changes = [], []
        for square in hidden:
            claims.append(float(heat[m][square].sum()))
            changes.append(f(x[picture], picture) - f(x[picture] * ~square, picture))
        best = sum(a * b for a, b in zip(claims, changes, strict=True)) / sum(a * a for a in claims)
        expected = sum((best * a - b) ** 2 for a, b in zip(claims, changes, strict=True)) / len(claims)
        assert float(found[m]) == pytest.approx(expected, rel=1e-4)


def test_sensitivity_of_a_map_that_is_its_picture() -> None:
    x = draw(2, 3, H, W)
    noisy = sensitivity.noisy(x)
    assert noisy.shape == (2 * sensitivity.SAMPLES, 3, H, W)
    change = (noisy.reshape(2, sensitivity.SAMPLES, 3, H, W) - x.unsqueeze(1)).abs()
    assert float(change.max()) <= sensitivity.RADIUS + 1e-6
    assert float(change.mean()) == pytest.approx(sensitivity.RADIUS / 2, rel=0.05)
    found = sensitivity.sensitivity(lambda inputs, of: inputs[:, 0], x, x[:, 0])
    for n in range(2):
        far = [
            math.sqrt(float((noisy[n * sensitivity.SAMPLES + s, 0] - x[n, 0]).square().sum()))
            for s in range(sensitivity.SAMPLES)
        ]
        assert float(found[n]) == pytest.approx(max(far) / float(x[n, 0].norm()), rel=1e-4)
    still = sensitivity.sensitivity(lambda inputs, of: torch.zeros(len(inputs), 2, 2), x, torch.zeros(2, 2, 2))
    assert still.isnan().all()


def rank_correlation(a: Tensor, b: Tensor) -> float:
    def ranked(values: list[float]) -> list[float]:
        return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]

    one, two = ranked(a.flatten().tolist()), ranked(b.flatten().tolist())
    m1, m2 = sum(one) / len(one), sum(two) / len(two)
    top = sum((p - m1) * (q - m2) for p, q in zip(one, two, strict=True))
    return top / math.sqrt(sum((p - m1) ** 2 for p in one) * sum((q - m2) ** 2 for q in two))


def test_rank_correlation_against_plain_loops() -> None:
    a, b = draw(3, 7, 6).round(decimals=1), draw(3, 7, 6, seed=1).round(decimals=1)
    assert spearman(a, b).tolist() == pytest.approx(
        [rank_correlation(*pair) for pair in zip(a, b, strict=True)], abs=1e-6
    )
    assert spearman(a, a**3 + 5).tolist() == pytest.approx([1, 1, 1])
    assert spearman(a, -a).tolist() == pytest.approx([-1, -1, -1])
    assert spearman(a, torch.zeros_like(a)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [(10, 9), (5, 6)])
def test_structural_similarity_against_plain_loops(size: tuple[int, int]) -> None:
    a, b = draw(1, *size), draw(1, *size, seed=1)
    one, two = ((m - m.min()) / (m.max() - m.min()) for m in (a[0].double(), b[0].double()))
    h, w = min(7, size[0]), min(7, size[1])
    values = []
    for i in range(size[0] - h + 1):
        for j in range(size[1] - w + 1):
            p, q = one[i : i + h, j : j + w].flatten(), two[i : i + h, j : j + w].flatten()
            both = float(((p - p.mean()) * (q - q.mean())).sum()) / (len(p) - 1)
            mp, mq, vp, vq = float(p.mean()), float(q.mean()), float(p.var()), float(q.var())
            values.append((2 * mp * mq + 1e-4) * (2 * both + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    assert float(ssim(a, b)) == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert float(ssim(a, 3 * a + 1)) == pytest.approx(1)
    assert abs(float(ssim(a, torch.ones_like(a)))) < 0.05


def test_baselines_know_nothing_of_the_picture() -> None:
    hill = blob((40, 20))
    assert hill.shape == (40, 20)
    torch.testing.assert_close(hill, hill.flip(0, 1))
    assert divmod(int(hill.argmax()), 20) in {(i, j) for i in (19, 20) for j in (9, 10)}
    assert torch.equal(random_map("a.jpg"), random_map("a.jpg"))
    assert not torch.equal(random_map("a.jpg"), random_map("b.jpg"))
    assert not torch.equal(random_map("a.jpg"), random_map("a.jpg", seed=1))
    values = torch.stack([random_map(str(n)) for n in range(200)])
    assert values.shape == (200, 7, 7)
    assert float(values.mean()) == pytest.approx(0.5, abs=0.02)
    assert baseline(BLOB, "a", (5, 4)).shape == (5, 4)
    assert torch.equal(baseline(RANDOM, "a", (5, 4), 3), random_map("a", 3))


def test_measures_by_name() -> None:
    assert chosen(["road", "deletion", "insertion"]) == ("insertion", "deletion", "road")
    assert set(chosen(tuple(MEASURES))) == set(MEASURES)
    with pytest.raises(DataError, match="no measure is called 'delete'; choose among insertion, deletion"):
        chosen(["insertion", "delete"])
    with pytest.raises(DataError, match="no measure was named"):
        chosen([])
