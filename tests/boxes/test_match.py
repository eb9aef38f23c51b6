"""Found boxes against drawn ones, with numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.boxes.match import average_precision, best_threshold, overlaps, right


def test_overlaps_by_hand_and_by_counting_pixels() -> None:
    dice = np.random.default_rng(0)
    a, b = (np.sort(dice.integers(0, 12, (5, 2, 2)), axis=1).reshape(5, 4).astype(float) for _ in range(2))
    expected = np.zeros((5, 5))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            masks = []
            for x0, y0, x1, y1 in (one.astype(int), other.astype(int)):
                masks.append(np.zeros((12, 12), bool))
                masks[-1][y0:y1, x0:x1] = True
            either = (masks[0] | masks[1]).sum()
            expected[i, j] = (masks[0] & masks[1]).sum() / either if either else 0
    np.testing.assert_allclose(overlaps(a, b), expected)
    assert expected.max() > 0


def test_each_drawn_box_is_found_once() -> None:
    wanted = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    found = np.array(
        [
            [0.0, 0, 10, 8],  # 0.8: right
            [0, 0, 10, 10],  # better, but it comes second
            [20, 0, 30, 5],  # exactly 0.5: right
            [21, 0, 30, 4],  # too small, and taken
        ]
    )
    assert right(found, wanted).tolist() == [True, False, True, False]
    assert right(found, wanted, iou=0.75).tolist() == [True, False, False, False]
    assert right(np.zeros((0, 4)), wanted).tolist() == []
    assert right(found, np.zeros((0, 4))).tolist() == [False] * 4


def test_average_precision_by_hand() -> None:
    # Recall 1/4 at precision 1, 2/4 and 3/4 at the best later precision 3/5, the fourth is never found.
    scores, hits = [0.9, 0.8, 0.7, 0.6, 0.5], [True, False, False, True, True]
    assert average_precision(scores, hits, 4) == pytest.approx((1 + 3 / 5 + 3 / 5) / 4)
    assert average_precision([0.5, 0.9], [True, True], 2) == 1
    assert average_precision([], [], 3) == 0


def test_the_threshold_with_the_best_f1() -> None:
    scores, hits = [0.3, 0.9, 0.8, 0.6, 0.5], [False, True, False, True, True]
    # In order 0.9 0.8 0.6 0.5 0.3; F1 with four to find: 2/5, 2/6, 4/7, 6/8, 6/9.
    assert best_threshold(scores, hits, 4) == pytest.approx(0.4)
    assert best_threshold([0.8], [True], 1) == pytest.approx(0.4)
    assert best_threshold([0.8], [False], 1) == 0.5
    assert best_threshold([], [], 1) == 0.5
