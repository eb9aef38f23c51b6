"""Overlaps and boxes against numbers worked out by hand, and those of wsolevaluation's own tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whylight.evaluate.boxes import THRESHOLDS, accuracy, hits, iou, overlaps, parts
from whylight.localize import largest_boxes

# The score maps of wsolevaluation's tests (evaluation_test.py), and the boxes it gives at 0, 0.2, 0.4, 0.6 and 0.8 of the maximum.
ONE_HILL = [[0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.4, 0.4, 0.4, 0.6], [0.0, 0.4, 1.0, 0.8, 0.6], [0.0, 0.4, 0.4, 0.4, 0.6]]
ONE_HILL_BOXES = [[1, 1, 4, 3], [1, 1, 4, 3], [2, 1, 4, 3], [2, 2, 4, 3], [2, 2, 3, 3]]
HILLS = [[0.4, 0.0, 0.2, 0.2, 0.2], [0.4, 0.4, 0.0, 0.4, 0.0], [0.0, 0.0, 0.0, 0.4, 0.0], [1.0, 0.6, 0.8, 0.2, 0.2]]
HILLS_BOXES = [[0, 0, 4, 3], [0, 0, 2, 2], [0, 3, 3, 3], [2, 3, 3, 3], [0, 3, 1, 3]]
SHARES = [0.0, 0.2, 0.4, 0.6, 0.8]
ABOVE = 0.01  # theirs are the places above the threshold, ours those at it, too


def theirs(boxes: np.ndarray, rows: int, columns: int) -> list[list[float]]:
    """Half-open boxes as wsolevaluation writes them: the first pixel outside, cut at the picture's last pixel."""
    return np.minimum(boxes, [columns - 1, rows - 1, columns - 1, rows - 1]).tolist()


def test_iou_inclusive_has_wsolevaluations_numbers() -> None:
    assert (iou(np.zeros((3, 4)), np.zeros((5, 4)), inclusive=True) == np.ones((3, 5))).all()
    pair = [[1, 1, 3, 3], [4, 4, 5, 5]]
    assert (iou(pair, pair, inclusive=True) == np.eye(2)).all()
    assert iou([[1, 2, 5, 6]], [[3, 1, 4, 5]], inclusive=True).item() == pytest.approx(8 / 27)


def test_iou_half_open_by_hand() -> None:
    assert iou([[1, 2, 5, 6]], [[3, 1, 4, 5]]).item() == pytest.approx(3 / (16 + 4 - 3))
    assert iou([[0, 0, 10, 10]], [[10, 0, 20, 10], [5, 5, 15, 15], [2.5, 0, 7.5, 10]]).tolist() == [[0, 25 / 175, 0.5]]
    assert iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0]]  # no area, no overlap
    assert iou([[np.nan] * 4], [[0, 0, 2, 2]]).tolist() == [[0]]


def test_boxes_of_one_hill_are_wsolevaluations() -> None:
    heat = torch.tensor(ONE_HILL)
    assert theirs(largest_boxes(heat, [share + ABOVE for share in SHARES]), 4, 5) == ONE_HILL_BOXES
    # As its boxes end at the first pixel outside, except at the rim, so do ours; half-open, the rim is no exception.
    assert largest_boxes(heat, [ABOVE]).tolist() == [[1, 1, 5, 4]]


def test_boxes_of_several_hills_hold_wsolevaluations() -> None:
    heat = np.array(HILLS, dtype=np.float32)
    for share, expected in zip(SHARES, HILLS_BOXES, strict=True):
        assert expected in theirs(parts(heat, share + ABOVE), 4, 5)
    # The largest part is ours by pixels, theirs by what the outline encloses: at 0.2, five pixels in a bow, or three in a corner.
    largest = theirs(largest_boxes(torch.tensor(HILLS), [share + ABOVE for share in SHARES]), 4, 5)
    assert [largest[at] == HILLS_BOXES[at] for at in range(5)] == [True, False, True, False, True]
    assert largest[1] == [0, 1, 4, 3]
    assert largest[3] == [0, 3, 1, 3]  # two single pixels: the first here, the last there


def test_overlaps_by_plain_loops() -> None:
    rng = np.random.default_rng(0)
    heat = rng.random((9, 11)).astype(np.float32)
    heat /= heat.max()
    boxes = [(1.0, 2.0, 6.5, 7.0), (4.0, 0.0, 11.0, 5.0)]
    largest, every = overlaps(heat, boxes)
    for column in range(0, 100, 7):
        hot = heat >= THRESHOLDS[column]
        found = flood(hot)
        best = [max(one_iou(around(part), box) for box in boxes) for part in found]
        assert every[column] == int(10_000 * max(best) + 1e-6)
        sizes = [len(part) for part in found]
        assert largest[column] in {int(10_000 * best[at] + 1e-6) for at in range(len(found)) if sizes[at] == max(sizes)}


def test_an_overlap_just_below_a_half_is_no_half() -> None:
    heat = np.zeros((1, 200_000), np.float32)
    heat[0, :99_999] = 1
    largest, _ = overlaps(heat, [(0, 0, 199_999, 1)])  # 0.499998
    assert not hits(largest, 0.5).any()
    exact, _ = overlaps(np.ones((1, 100), np.float32), [(0, 0, 70, 1)])  # 0.7 cannot be written exactly
    assert hits(exact, 0.7).all()


def test_nothing_overlaps_nothing() -> None:
    largest, every = overlaps(np.zeros((4, 4), np.float32), [(0, 0, 4, 4)])
    assert not largest.any()
    assert not every.any()


def test_accuracy_of_chosen_pictures() -> None:
    right = np.array([[True, False], [True, True], [False, False]])
    assert accuracy(right).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert accuracy(right, np.array([1, 1, 2])).tolist() == pytest.approx([2 / 3, 2 / 3])


def flood(hot: np.ndarray) -> list[list[tuple[int, int]]]:
    left, found = {(int(r), int(c)) for r, c in np.argwhere(hot)}, []
    while left:
        part, edge = [], [left.pop()]
        while edge:
            row, column = edge.pop()
            part.append((row, column))
            near = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(part)
    return found


def around(part: list[tuple[int, int]]) -> tuple[float, float, float, float]:
    rows, columns = zip(*part, strict=True)
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def one_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
