"""Boxes from maps: what is connected, what counts as hot, and which boxes stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from whylight.errors import WhylightError
from whylight.localize import Box, boxes_of, largest_boxes, overlap, suppress


def heat(*parts: tuple[slice, slice, float], size: tuple[int, int] = (20, 30)) -> torch.Tensor:
    found = torch.zeros(size)
    for rows, columns, value in parts:
        found[rows, columns] = value
    return found


def test_each_part_is_a_box_and_the_hottest_comes_first() -> None:
    found = boxes_of(heat((slice(2, 5), slice(3, 9), 0.6), (slice(10, 18), slice(20, 22), 1.0)), 0.5)
    assert found == [Box(20, 10, 22, 18, 1.0), Box(3, 2, 9, 5, pytest.approx(0.6))]


def test_the_threshold_is_a_share_of_the_maximum_and_includes_it() -> None:
    values = heat((slice(0, 4), slice(0, 4), 0.8), (slice(0, 4), slice(4, 6), 0.4))
    assert boxes_of(values, 0.5) == [Box(0, 0, 6, 4, 1.0)]
    assert boxes_of(values, 0.51) == [Box(0, 0, 4, 4, 1.0)]


def test_cells_that_touch_at_a_corner_are_one_part() -> None:
    values = torch.eye(5)
    assert boxes_of(values) == [Box(0, 0, 5, 5, 1.0)]


def test_the_largest_part_need_not_be_the_hottest() -> None:
    values = heat((slice(0, 10), slice(0, 10), 0.5), (slice(15, 17), slice(20, 22), 1.0))
    assert boxes_of(values, 0.4, largest=True) == [Box(0, 0, 10, 10, 0.5)]


def test_no_evidence_is_no_box() -> None:
    assert boxes_of(torch.zeros(5, 5)) == []
    assert np.isnan(largest_boxes(torch.zeros(5, 5), [0.2, 0.5])).all()


def test_a_part_much_smaller_than_the_largest_is_a_speck() -> None:
    two_pixels, one_pixel = (slice(15, 17), slice(20, 21), 0.9), (slice(19, 20), slice(0, 1), 1.0)
    values = heat((slice(0, 10), slice(0, 20), 1.0), two_pixels, one_pixel)  # beside 200
    assert boxes_of(values, 0.5) == [Box(0, 0, 20, 10, 1.0), Box(20, 15, 21, 17, pytest.approx(0.9))]
    assert boxes_of(values, 0.5, least=0.011) == [Box(0, 0, 20, 10, 1.0)]
    assert len(boxes_of(values, 0.5, least=0)) == 3


def test_a_constant_map_is_one_box_over_everything() -> None:
    """For a closer view that lies in one object, that is right; where it is a whole picture's, `Explanation.boxes` has none."""
    assert boxes_of(torch.full((4, 6), 0.3)) == [Box(0, 0, 6, 4, 1.0)]


def test_one_pixel() -> None:
    assert boxes_of(torch.ones(1, 1)) == [Box(0, 0, 1, 1, 1.0)]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_named(threshold: float) -> None:
    with pytest.raises(WhylightError, match=r"threshold: expected a share of the maximum in \(0, 1\]"):
        boxes_of(torch.ones(2, 2), threshold)


def test_an_overlap_out_of_range_is_named() -> None:
    with pytest.raises(WhylightError, match=r"iou: expected an overlap in \[0, 1\], got 2"):
        boxes_of(torch.ones(2, 2), iou=2)


@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_a_least_share_out_of_range_is_named(least: float) -> None:
    with pytest.raises(WhylightError, match=r"least: expected a share of the largest part in \[0, 1\]"):
        boxes_of(torch.ones(2, 2), least=least)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # half-open boxes that only touch
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),
        ((3, 3, 3, 3), (3, 3, 3, 3), 0.0),
    ],
)
def test_intersection_over_union(a: tuple[int, ...], b: tuple[int, ...], expected: float) -> None:
    assert overlap(a, b) == pytest.approx(expected)
    assert overlap(b, a) == pytest.approx(expected)


def test_suppression_is_by_the_best_box_that_stays() -> None:
    # b overlaps a and is dropped; c overlaps b only, so it stays.
    a, b, c = Box(0, 0, 10, 10, 0.9), Box(4, 0, 14, 10, 0.8), Box(8, 0, 18, 10, 0.7)
    assert suppress([c, b, a], iou=0.3) == [a, c]
    assert suppress([c, b, a], iou=1) == [a, b, c]


def test_a_box_within_a_better_one_is_dropped_and_one_around_it_is_not() -> None:
    large, small = Box(0, 0, 20, 20, 0.9), Box(18, 2, 22, 6, 0.8)  # half of the small one lies within: 8 of 16 pixels
    within = Box(17, 2, 21, 6, 0.8)  # 12 of 16
    most = Box(16, 2, 21, 6, 0.8)  # 16 of 20: 0.8
    assert suppress([large, small], iou=0.5) == [large, small]
    assert suppress([large, within], iou=0.5) == [large, within]
    assert suppress([large, most], iou=0.5) == [large]
    assert suppress([large, within], iou=0.5, inside=0.75) == [large]
    assert suppress([large, most], iou=1) == [large, most]
    better = most._replace(score=1.0)
    assert suppress([large, better], iou=0.5) == [better, large]


def test_a_part_inside_the_box_of_another_is_dropped_where_they_overlap_enough() -> None:
    ring = heat((slice(0, 20), slice(0, 20), 0.9), size=(20, 20))
    ring[1:19, 1:19] = 0
    ring[3:17, 3:17] = 1.0  # IoU of the two boxes: 196 / 400
    assert len(boxes_of(ring, 0.5, iou=0.5)) == 2
    assert boxes_of(ring, 0.5, iou=0.4) == [Box(3, 3, 17, 17, 1.0)]


def test_largest_boxes_are_those_of_boxes_of() -> None:
    values = torch.rand((17, 23), generator=torch.Generator().manual_seed(3))
    values = torch.nn.functional.interpolate(values[None, None, ::4, ::4], size=(40, 50), mode="bilinear")[0, 0]
    shares = [0.3, 0.5, 0.7, 0.9]
    found = largest_boxes(values, shares)
    for share, row in zip(shares, found, strict=True):
        assert tuple(row) == boxes_of(values, share, largest=True)[0][:4]
