"""What a box head should give, and how far it is from that: numbers made by hand, and plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from whylight.models.boxhead import BoxHead, BoxSpec, deltas_of
from whylight.train.boxes.loss import BEND, NEAR, box_loss, score_loss, total, wanted

SIZE, GRID = (32, 32), (4, 4)  # cells of 8 × 8 pixels


def test_a_small_box_teaches_one_cell() -> None:
    target = wanted(torch.tensor([[9.0, 9, 15, 15]]), torch.tensor([1]), 2, SIZE, GRID)
    assert target.shape == (2 + 5, 4, 4)
    assert target[0].max() == 0  # the other class
    assert target[1, 1, 1] == 1
    # The standard deviation is a third of a cell, so a cell further it is e^(-4.5).
    assert target[1, 1, 2].item() == pytest.approx(math.exp(-4.5))
    assert target[1, 2, 2].item() == pytest.approx(math.exp(-9))
    assert target[-1].nonzero().tolist() == [[1, 1]]
    assert target[2:6, 1, 1].tolist() == [9, 9, 15, 15]


def test_a_large_box_teaches_its_middle() -> None:
    target = wanted(torch.tensor([[0.0, 0, 32, 32]]), torch.tensor([0]), 1, SIZE, GRID)
    # The centre (16, 16) is where four cells meet; it belongs to the last. The standard deviation is 4 pixels: half a cell.
    near, far = math.exp(-0.5), math.exp(-4.5)
    assert target[0, 2, 2] == 1
    assert target[0, 1, 1].item() == pytest.approx(near * near)
    assert target[0, 1, 2].item() == pytest.approx(near * near)
    assert target[0, 0, 1].item() == pytest.approx(near * far)
    assert (target[-1] > 0).sum() == 4
    assert near * near >= NEAR > near * far


def test_of_two_boxes_around_one_point_the_smaller_is_learnt_there() -> None:
    boxes = torch.tensor([[8.0, 8, 16, 16], [2, 2, 22, 22]])
    for order in ([0, 1], [1, 0]):
        target = wanted(boxes[order], torch.tensor([0, 0]), 1, SIZE, GRID)
        assert target[1:5, 1, 1].tolist() == [8, 8, 16, 16]
        assert target[0, 1, 1] == 1


def test_a_picture_without_boxes_teaches_silence() -> None:
    target = wanted(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2, SIZE, GRID)
    assert target[:2].max() == 0
    assert target[-1].max() == 0
    assert deltas_of(target[None, 2:-1], SIZE).isfinite().all()


def test_score_loss_by_hand() -> None:
    wanted_scores = torch.tensor([[[[1.0, 0.0, 0.5]]]])
    scores = torch.tensor([[[[0.0, 0.0, 0.0]]]])  # one half each: two are off by a half, the third is right
    assert score_loss(scores, wanted_scores).item() == pytest.approx(2 * 0.25 * math.log(2))
    far = torch.tensor([[[[-2.0, 3.0, 1.0]]]])
    expected = 0.0
    for logit, aim in zip(far.flatten().tolist(), wanted_scores.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        expected += abs(p - aim) ** 2 * -(aim * math.log(p) + (1 - aim) * math.log(1 - p))
    assert score_loss(far, wanted_scores).item() == pytest.approx(expected, rel=1e-5)
    twice = score_loss(far.repeat(2, 1, 1, 1), wanted_scores.repeat(2, 1, 1, 1))
    assert twice.item() == pytest.approx(expected, rel=1e-5)  # for each object, not each picture


def at(cell: tuple[int, int], values: list[float], fill: float = 0.0) -> torch.Tensor:
    """One value for each of four channels in one cell, (1, 4, 4, 4)."""
    result = torch.full((1, 4, *GRID), fill)
    result[0, :, cell[0], cell[1]] = torch.tensor(values)
    return result


def test_giou_by_hand() -> None:
    drawn = at((1, 1), [8.0, 8, 16, 16])
    drawn[:, 2:] += (drawn[:, 2:] == 0) * 1.0
    given = drawn.clone()
    given[0, :, 1, 1] = torch.tensor([12.0, 8, 20, 16])  # IoU 32 / 96, hull of 96 without a gap
    weight = torch.zeros(1, *GRID)
    weight[0, 1, 1] = 1
    assert box_loss(deltas_of(given, SIZE), drawn, weight, SIZE, "giou").item() == pytest.approx(2 / 3, rel=1e-5)
    given[0, :, 1, 1] = torch.tensor([24.0, 8, 32, 16])  # apart: IoU 0, union 128 of a hull of 192
    assert box_loss(deltas_of(given, SIZE), drawn, weight, SIZE, "giou").item() == pytest.approx(4 / 3, rel=1e-5)


def test_smooth_l1_by_hand_and_weighted() -> None:
    drawn = at((1, 1), [8.0, 8, 16, 16])
    drawn[0, :, 2, 2] = torch.tensor([16.0, 16, 24, 24])
    drawn[:, 2:] += (drawn[:, 2:] == 0) * 1.0
    deltas = deltas_of(drawn, SIZE)
    deltas[0, :, 1, 1] += torch.tensor([0.05, -0.5, 0.0, 2.0])
    deltas[0, :, 2, 2] += torch.tensor([1.0, 0.0, 0.0, 0.0])
    deltas[0, :, 0, 0] += 7  # where nothing is to be learnt
    first = 0.5 * 0.05**2 / BEND + (0.5 - BEND / 2) + (2 - BEND / 2)
    second = 1 - BEND / 2
    weight = torch.zeros(1, *GRID)
    weight[0, 1, 1], weight[0, 2, 2] = 1, 0.5
    got = box_loss(deltas, drawn, weight, SIZE, "smooth-l1").item()
    assert got == pytest.approx((first + 0.5 * second) / 1.5, rel=1e-5)


@pytest.mark.parametrize("kind", ["giou", "smooth-l1"])
def test_the_perfect_head_has_no_loss(kind: str) -> None:
    head = BoxHead(BoxSpec((0, 1), 8))
    boxes = torch.tensor([[3.0, 3, 17, 13], [20, 18, 30, 31]])
    target = wanted(boxes, torch.tensor([0, 1]), 2, SIZE, GRID)[None]
    scores = target[:, :2].clamp(1e-6, 1 - 1e-6).logit()
    out = torch.cat([scores, deltas_of(target[:, 2:-1], SIZE)], dim=1)
    assert total(head, out, target, SIZE, kind).item() == pytest.approx(0, abs=1e-4)  # type: ignore[arg-type]
    worse = out.clone()
    worse[:, 2] += 0.5
    assert total(head, worse, target, SIZE, kind).item() > 0.1  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["giou", "smooth-l1"])
def test_a_batch_without_boxes_has_a_gradient_and_no_nan(kind: str) -> None:
    head = BoxHead(BoxSpec((0,), 8))
    target = wanted(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 1, SIZE, GRID)[None]
    out = torch.randn(1, 5, *GRID, requires_grad=True)
    loss = total(head, out, target, SIZE, kind)  # type: ignore[arg-type]
    loss.backward()
    assert out.grad is not None
    assert out.grad.isfinite().all()
