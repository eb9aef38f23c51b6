"""What the box head is to give for drawn boxes, and how far it is from that."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from whylight.models.boxhead import BoxHead, Size, boxes_of, deltas_of

BoxLoss = Literal["giou", "smooth-l1"]

SPREAD = 8.0  # a box's side over the standard deviation of its scores
NARROWEST = 1 / 3  # of a cell: the least standard deviation
NEAR = 0.3  # cells whose score should reach this learn the box
FOCUS = 2.0  # the power of the quality focal loss
BEND = 1 / 9  # where smooth L1 turns from a square into a line, in units of the deltas
WEIGHT = {"giou": 2.0, "smooth-l1": 1.0}  # of the boxes, next to the scores


def wanted(boxes: Tensor, channels: Tensor, count: int, size: Size, grid: Size) -> Tensor:
    """What the box head is to give for one picture.

    The score of a cell falls with its distance from the nearest object's centre like a Gaussian whose width follows the
    object's (as in TTFNet, Liu et al., AAAI 2020); the cell that holds the centre has 1. A cell's box is that of the object with
    the highest score there, of equal ones the smaller.

    Args:
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the input.
        channels: (n,) the number of each box's class among those that have boxes.
        count: how many classes have boxes.
        size: (height, width) of the input. `grid`: of the box head's grid.

    Returns:
        (count + 5, h, w): a score for each class, the box (4) in pixels, and how much the box counts there (1).
    """
    h, w = grid
    result = torch.zeros(count + 5, h, w)
    result[-3:-1] = 1.0  # boxes that do not count are valid ones all the same
    if len(boxes) == 0:
        return result
    down, across = size[0] / h, size[1] / w
    boxes = boxes.double()
    order = (boxes[:, 2:] - boxes[:, :2]).prod(1).argsort(descending=True, stable=True)
    best = torch.zeros(h, w, dtype=torch.float64)
    for box, channel in zip(boxes[order], channels[order].tolist(), strict=True):  # a later, smaller one wins a draw
        score = _bump(box, h, w, down, across)
        result[channel] = torch.maximum(result[channel], score.float())
        nearer = (score >= best) & (score >= NEAR)
        best = torch.where(nearer, score, best)
        result[count:-1][:, nearer] = box.float()[:, None]
    result[-1] = best.float()
    return result


def _bump(box: Tensor, h: int, w: int, down: float, across: float) -> Tensor:
    x0, y0, x1, y1 = box.tolist()
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    wide, high = max((x1 - x0) / SPREAD, NARROWEST * across), max((y1 - y0) / SPREAD, NARROWEST * down)
    x = (torch.arange(w, dtype=torch.float64) + 0.5) * across
    y = (torch.arange(h, dtype=torch.float64) + 0.5) * down
    score: Tensor = (-((y - cy) / high).square() / 2).exp()[:, None] * (-((x - cx) / wide).square() / 2).exp()[None, :]
    score[min(int(cy / down), h - 1), min(int(cx / across), w - 1)] = 1.0
    return score


def score_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """How far scores before the sigmoid are from wanted ones in [0, 1], both (N, C, h, w): a scalar, in nats an object.

    The quality focal loss (Li et al., Generalized Focal Loss, NeurIPS 2020): cross-entropy, weighed by the squared distance
    of the score, so that the very many cells with nothing in them do not drown the few with an object.
    """
    entropy = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    distance = (scores.sigmoid() - wanted).abs() ** FOCUS
    sums: Tensor = (distance * entropy).sum() / (wanted == 1).sum().clamp(min=1)
    return sums


def box_loss(deltas: Tensor, boxes: Tensor, weight: Tensor, size: Size, kind: BoxLoss) -> Tensor:
    """How far boxes are from drawn ones, a weighted mean over the cells.

    Args:
        deltas: the box head's, (N, 4, h, w).
        boxes: the drawn ones in pixels, (N, 4, h, w).
        weight: how much each cell counts, (N, h, w).
        size: (height, width) of the input.
        kind: `"giou"`: 1 − generalised intersection over union (Rezatofighi et al., CVPR 2019); `"smooth-l1"`: the sum of
            smooth absolute differences of x, y, width and height, as `models.boxes.deltas_of` writes them.
    """
    counts = weight > 0
    if kind == "giou":
        from torchvision.ops import generalized_box_iou_loss

        given = boxes_of(deltas, size).movedim(1, -1)[counts]
        loss = generalized_box_iou_loss(given, boxes.movedim(1, -1)[counts])
    else:
        given, drawn = (part.movedim(1, -1)[counts] for part in (deltas, deltas_of(boxes, size)))
        loss = F.smooth_l1_loss(given, drawn, beta=BEND, reduction="none").sum(-1)
    sums: Tensor = (loss * weight[counts]).sum() / weight.sum().clamp(min=1e-6)
    return sums


def total(head: BoxHead, out: Tensor, target: Tensor, size: Size, kind: BoxLoss) -> Tensor:
    """The whole loss of what a box head gave, (N, C + 4, h, w), against `wanted` pictures (N, C + 5, h, w)."""
    scores, deltas = head.split(out)
    count = scores.shape[1]
    near = box_loss(deltas, target[:, count:-1], target[:, -1], size, kind)
    return score_loss(scores, target[:, :count]) + WEIGHT[kind] * near
