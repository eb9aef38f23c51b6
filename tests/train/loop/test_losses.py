"""The local loss against plain loops, and what it must not see."""

from __future__ import annotations

import math

import pytest
import torch

from whylight.train.loop.losses import HARDEST, NEEDED, class_weights, local_loss
from whylight.train.scores import Scores, best_scale, expected_calibration_error


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


def by_loops(cells: torch.Tensor, label: torch.Tensor, where: torch.Tensor, background: int) -> float:
    n, classes, h, w = cells.shape
    total = 0.0
    for i in range(n):
        silent, own = [], []
        for r in range(h):
            for c in range(w):
                z = [float(cells[i, k, r, c]) for k in range(classes)]
                other = math.log(sum(math.exp(z[k]) for k in range(classes) if k != background)) - z[background]
                rows = slice(r * where.shape[1] // h, (r + 1) * where.shape[1] // h)
                columns = slice(c * where.shape[2] // w, (c + 1) * where.shape[2] // w)
                block = where[i, rows, columns]
                if block.max() == 0:
                    silent.append(softplus(other))
                if block.mean() > 0.5:
                    own.append(z[int(label[i])] - z[background])
        hardest = sorted([*silent, *[0.0] * (h * w - len(silent))], reverse=True)[: max(1, int(HARDEST * h * w))]
        total += (sum(silent) / max(1, len(silent)) + sum(hardest) / len(hardest)) / 2
        if label[i] != background and own:
            best = sorted(own, reverse=True)[: max(1, int(NEEDED * len(own)))]
            total += sum(softplus(-z) for z in best) / len(best)
    return total / n


@pytest.mark.parametrize("classes", [2, 4])
def test_local_loss_equals_its_definition(classes: int) -> None:
    generator = torch.Generator().manual_seed(5)
    cells = torch.randn(6, classes, 4, 5, generator=generator) * 2
    label = torch.tensor([0, 1, 0, 1, 0, 1])
    where = torch.zeros(6, 16, 20)
    where[0] = 1  # a whole picture
    where[2, 4:13, 5:18] = 1  # a paste that cuts through cells
    where[4, 0:16, 0:9] = 1
    assert local_loss(cells, label, where, 1).item() == pytest.approx(by_loops(cells, label, where, 1), rel=1e-5)


def test_unknown_cells_get_no_gradient_and_background_cells_do() -> None:
    cells = torch.zeros(1, 2, 4, 4, requires_grad=True)
    where = torch.zeros(1, 32, 32)
    where[0, :16, :16] = 1
    local_loss(cells, torch.tensor([0]), where, 1).backward()
    assert cells.grad is not None
    moved = cells.grad[0, 0] != 0
    assert moved[2:].all()
    assert moved[:2, 2:].all()
    assert moved[:2, :2].sum() == 1  # the best 15 % of four cells: one


def test_class_weights_even_out() -> None:
    weights = class_weights([10, 30])
    assert (weights * torch.tensor([10.0, 30.0])).tolist() == pytest.approx([20.0, 20.0])


def test_calibration_error_by_hand() -> None:
    confidence = torch.tensor([0.95, 0.95, 0.95, 0.95, 0.6, 0.6])
    right = torch.tensor([True, True, True, False, True, False])
    assert expected_calibration_error(confidence, right) == pytest.approx((4 * 0.2 + 2 * 0.1) / 6)


def test_scores_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 1.0]])
    scores = Scores.of(logits, torch.tensor([0, 0, 0, 1]))
    assert scores.accuracy == pytest.approx(0.75)
    assert scores.recall == pytest.approx((2 / 3, 1.0))
    assert scores.balanced_accuracy == pytest.approx(5 / 6)


def test_best_scale_undoes_a_wrong_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20000, 2, generator=generator) * 2
    label = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert best_scale(logits * 4, label) == pytest.approx(0.25, rel=0.1)
