"""Deletion and insertion against plain loops, and where the answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from scoring import PlainScore, weighted
from whylight.errors import DataError
from whylight.evaluate.measures.deletion import Protocol, area, blurred, curves
from whylight.evaluate.measures.ranking import enlarge, is_flat, ranks

H, W = 6, 5


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, H, W), generator=torch.Generator().manual_seed(0))


def maps(count: int, seed: int = 1) -> Tensor:
    return torch.rand((count, H, W), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("steps", "fill"), [(7, "mean"), (30, "blur"), (1, "mean"), (4, "mean")])
def test_curves_are_those_of_plain_loops(x: Tensor, steps: int, fill: str) -> None:
    """Pixel by pixel: at step s, the hottest ⌈…⌉ s/steps of the pixels are gone, or there."""
    protocol = Protocol(steps=steps, deletion=fill, blur=3, sigma=1.0)
    weights = torch.randn((2, 3, H, W), generator=torch.Generator().manual_seed(2))
    score = PlainScore(weighted(weights))
    heat, of = maps(3), torch.tensor([0, 1, 1])
    found = curves(score, x, heat, of, protocol)
    soft = blurred(x, 3, 1.0)
    for m in range(3):
        picture, order = x[of[m]], sorted(range(H * W), key=lambda p, m=m: -float(heat[m].flatten()[p]))
        empty = torch.zeros_like(picture) if fill == "mean" else soft[of[m]]
        for step in range(steps + 1):
            gone = order[: math.ceil(step * H * W / steps)] if step else []
            deleted, inserted = picture.clone(), soft[of[m]].clone()
            for pixel in gone:
                i, j = divmod(pixel, W)
                deleted[:, i, j] = empty[:, i, j]
                inserted[:, i, j] = picture[:, i, j]
            assert float(found.deletion[m, step]) == pytest.approx(float((deleted * weights[of[m]]).sum()), abs=1e-4)
            assert float(found.insertion[m, step]) == pytest.approx(float((inserted * weights[of[m]]).sum()), abs=1e-4)
    assert score.ran == 2 * 3 + 3 * 2 * (steps - 1)  # ends once for each picture, whatever the number of maps


def test_chunks_change_nothing(x: Tensor) -> None:
    weights = torch.randn((2, 3, H, W), generator=torch.Generator().manual_seed(2))
    heat, of = maps(4), torch.tensor([0, 0, 1, 1])
    one, all_at_once = (
        curves(PlainScore(weighted(weights), chunk), x, heat, of, Protocol(steps=5)) for chunk in (1, 1000)
    )
    torch.testing.assert_close(one.deletion, all_at_once.deletion)
    torch.testing.assert_close(one.insertion, all_at_once.insertion)


def test_the_true_map_of_a_sum_has_the_best_areas() -> None:
    """The score is the sum of the picture's pixels: nothing deletes faster, or inserts sooner, than the order of the pixels."""
    x = torch.rand((1, 3, H, W), generator=torch.Generator().manual_seed(0))
    score = PlainScore(lambda one, picture: float(one.sum()))
    protocol = Protocol(steps=H * W, insertion="mean")
    best = x.sum(1)
    heat = torch.cat([best, -best, maps(20)])
    found = curves(score, x, heat, torch.zeros(22, dtype=torch.long), protocol)
    deletion, insertion = area(found.deletion), area(found.insertion)
    assert int(deletion.argmin()) == int(insertion.argmax()) == 0
    assert int(deletion.argmax()) == int(insertion.argmin()) == 1
    # Deleting hot first and inserting cold first are the same pictures, from the other end.
    torch.testing.assert_close(found.deletion[0], found.insertion[1].flip(0))
    torch.testing.assert_close(deletion + insertion, torch.full((22,), float(x.sum())), atol=1e-3, rtol=0)


def test_areas_by_hand() -> None:
    assert area(torch.tensor([[1.0, 0.0]])).item() == 0.5
    assert area(torch.tensor([[0.8, 0.4, 0.0, 0.0, 0.0]])).item() == pytest.approx((0.6 + 0.2) / 4)
    assert area(torch.ones(1, 29)).item() == pytest.approx(1)


def test_equal_pixels_favour_no_side() -> None:
    heat = torch.zeros(1, 40, 40)
    places = ranks(heat)[0].double()
    assert sorted(places.flatten().tolist()) == list(range(1600))
    halves = [places[:20], places[20:], places[:, :20], places[:, 20:]]
    assert all(
        abs(float(half.mean()) - 799.5) < 40 for half in halves
    )  # 4 standard deviations; by number it would be 400 off
    assert torch.equal(ranks(heat), ranks(torch.full((1, 40, 40), 3.0)))
    heat[0, 7, 9] = 1
    assert int(ranks(heat)[0, 7, 9]) == 0


def test_ranks_of_a_map_do_not_depend_on_the_others() -> None:
    heat = maps(3).round(decimals=1)
    assert torch.equal(ranks(heat)[1], ranks(heat[1:2])[0])
    order = ranks(heat)[2].flatten()
    values = heat[2].flatten()[order.argsort()]
    assert bool((values[:-1] >= values[1:]).all())


def test_enlarging_keeps_half_pixel_centres() -> None:
    (wide,) = enlarge([torch.tensor([[0.0, 1.0]])], (1, 4))
    torch.testing.assert_close(wide, torch.tensor([[0.0, 0.25, 0.75, 1.0]]))


def test_flat_maps_are_told() -> None:
    assert is_flat(torch.stack([torch.ones(H, W), maps(1)[0], torch.zeros(H, W)])).tolist() == [True, False, True]


def test_blur_against_plain_loops(x: Tensor) -> None:
    side, sigma = 5, 1.3
    found = blurred(x, side, sigma)
    along = [math.exp(-((k - 2) ** 2) / (2 * sigma**2)) for k in range(side)]
    for i, j in ((0, 0), (3, 2), (5, 4)):
        total = 0.0
        for a in range(side):
            for b in range(side):
                row, column = min(max(i + a - 2, 0), H - 1), min(max(j + b - 2, 0), W - 1)
                total += along[a] * along[b] * float(x[1, 2, row, column])
        assert float(found[1, 2, i, j]) == pytest.approx(total / sum(along) ** 2, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"blur": 4}, "blur: expected an odd side"),
        ({"sigma": 0}, "a sigma above 0"),
        ({"deletion": "black"}, "deletion: expected 'mean' or 'blur', got 'black'"),
    ],
)
def test_a_protocol_that_cannot_be(options: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Protocol(**options)  # type: ignore[arg-type]
