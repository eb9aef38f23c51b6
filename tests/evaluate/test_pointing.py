"""The pointing games against plain loops over pixels, with the rule of TorchRay's code."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.evaluate.pointing import cover, energy, peak, points_at, points_at_mask


def torchray(mask: np.ndarray, point: tuple[int, int], tolerance: int) -> bool:
    """Whether a pixel of the mask lies in the open disc around the point."""
    rows, columns = mask.shape
    near = [
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if (row - point[1]) ** 2 + (column - point[0]) ** 2 < tolerance**2
    ]
    return any(mask[place] for place in near)


@pytest.mark.parametrize("seed", range(20))
def test_near_a_box_as_torchray_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x0, y0 = rng.integers(0, 50, 2).tolist()
    box = (x0, y0, x0 + int(rng.integers(1, 30)), y0 + int(rng.integers(1, 30)))
    mask = cover([box], (80, 90))
    for _ in range(5):
        point = (int(rng.integers(90)), int(rng.integers(80)))
        expected = torchray(mask, point, 15)
        assert points_at(point, [box], 15) == expected
        assert points_at_mask(point, mask, 15) == expected
        assert points_at(point, [box], 0) == bool(mask[point[1], point[0]])


def test_fifteen_pixels_are_too_far_and_a_little_less_is_not() -> None:
    box = [(20, 20, 30, 30)]  # its pixels are 20 … 29
    assert not points_at((44, 25), box, 15)  # 15 from pixel 29
    assert points_at((43, 25), box, 15)
    assert not points_at((38, 41), box, 15)  # 9 and 12: as the crow flies 15
    assert points_at((38, 40), box, 15)
    assert points_at((29, 29), box, 0)
    assert not points_at((30, 29), box, 0)


def test_any_box_counts() -> None:
    assert points_at((5, 5), [(50, 50, 60, 60), (0, 0, 10, 10)], 0)


def test_a_box_between_pixels_holds_those_whose_centre_it_holds() -> None:
    assert cover([(0.6, 0.4, 2.5, 1.5)], (3, 4)).astype(int).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert cover([(1.6, 1.6, 1.9, 1.9)], (3, 4)).sum() == 1  # thinner than a pixel: the nearest one


def test_energy_by_hand() -> None:
    heat = np.array([[0.0, 0.5, 1.0], [0.25, 0.25, -3.0]], np.float32)
    assert energy(heat, cover([(1, 0, 3, 1)], (2, 3))) == pytest.approx(1.5 / 2.0)
    assert energy(heat, cover([(0, 0, 2, 1), (1, 0, 2, 2)], (2, 3))) == pytest.approx(
        0.75 / 2.0
    )  # what two hold counts once
    assert energy(np.zeros((2, 3), np.float32), np.ones((2, 3), bool)) == 0


def test_the_peak_is_the_first_of_the_hottest() -> None:
    heat = np.zeros((3, 4), np.float32)
    assert peak(heat) is None
    heat[1, 2] = heat[2, 0] = 0.7
    assert peak(heat) == (2, 1)
