"""Curves over thresholds, held against plain counts."""

from __future__ import annotations

import pytest
import torch

from whylight.experiment.curves import SHARES, macro_precision, macro_roc


def drawn(noise: float, steps: float, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Sixty pictures; probabilities in so few steps that many are equal."""
    dice = torch.Generator().manual_seed(1)
    label = torch.arange(60) % classes
    score = torch.nn.functional.one_hot(label, classes) + noise * torch.rand(60, classes, generator=dice)
    return ((score / (1 + noise) * steps).round() / steps).double(), label


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1000), (4.0, 1000), (4.0, 6), (9.0, 2), (9.0, 0.25)])
def test_the_area_is_the_share_of_pairs_in_order(noise: float, steps: float) -> None:
    probability, label = drawn(noise, steps)
    areas = []
    for c in range(3):
        pairs = [(float(p), float(n)) for p in probability[label == c, c] for n in probability[label != c, c]]
        areas.append(sum((p > n) + 0.5 * (p == n) for p, n in pairs) / len(pairs))
    found = float(torch.trapezoid(macro_roc(probability, label), SHARES))
    assert found == pytest.approx(sum(areas) / 3, abs=5e-4)


def test_precision_at_each_recall_is_the_best_that_a_threshold_gives() -> None:
    probability, label = drawn(4.0, 20)
    found = macro_precision(probability, label)
    for place in (0, 500, 1001, 1500, 2000):
        best = []
        for c in range(3):
            values = []
            for threshold in probability[:, c].unique():
                taken = probability[:, c] >= threshold
                right = int((taken & (label == c)).sum())
                if right / 20 >= float(SHARES[place]) - 1e-9:
                    values.append(right / int(taken.sum()))
            best.append(max(values))
        assert float(found[place]) == pytest.approx(sum(best) / 3, abs=1e-6)  # torchmetrics counts in float32
