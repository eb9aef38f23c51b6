"""Augmented Grad-CAM as a whole: on a network that can be calculated by hand, and through the engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

import whylight
from whylight import engine, methods
from whylight.errors import MethodError
from whylight.methods.augmented_gradcam import augmented_gradcam
from whylight.methods.parts.resampling import Box, Operator, draw, warp
from whylight.methods.parts.superresolution import superresolve

OPTIONS: dict[str, Any] = {"copies": 24, "rotation": 20.0, "shift": 0.1, "scale": 1.1, "tolerance": 1e-5}


class Seen:
    """Stands for a network whose activations are the means of 8 × 8 pixels and whose gradients differ by picture."""

    def __init__(self) -> None:
        self.largest = 0
        self.total = 0

    def __call__(self, x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self.largest, self.total = max(self.largest, len(x)), self.total + len(x)
        a = avg_pool2d(x, 8)  # (M, 3, h, w)
        return a, (1 + pictures).reshape(-1, 1, 1, 1) * torch.ones_like(a)


def pictures(n: int = 2) -> Tensor:
    """(n, 3, 32, 40), in squares of 8 pixels: finer noise would average out within the cells."""
    squares = torch.rand((n, 3, 4, 5), generator=torch.Generator().manual_seed(0)) ** 3
    return squares.repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_it_solves_for_the_gradcam_maps_of_all_copies() -> None:
    x, seen = pictures(), Seen()
    found = augmented_gradcam(x, seen, **OPTIONS)
    transforms = draw(24, Box(20, 0.1, 1.1, True), 0)
    g = torch.stack(
        [
            torch.stack([((1 + n) * avg_pool2d(copy[n], 8).sum(0)).relu() for copy in warp(x, transforms, range(24))])
            for n in range(2)
        ]
    )  # (2, 24, 4, 5)
    operator = Operator(transforms, (32, 40), (4, 5))
    expected = superresolve(g, operator, tv=0.1, ridge=1.0, tolerance=1e-5)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-3, atol=1e-3)
    assert found.values.shape == (2, 32, 40)
    assert [one["copies"] for one in found.details] == [24, 24]
    assert all(one["converged"] and one["gap"] <= 1e-5 and one["iterations"] > 0 for one in found.details)
    assert seen.total == 48


def test_only_a_few_copies_are_held_at_once() -> None:
    seen = Seen()
    augmented_gradcam(pictures(3), seen, **{**OPTIONS, "copies": 200})
    assert seen.total == 600
    assert seen.largest <= 32


def test_pictures_do_not_depend_on_their_batch() -> None:
    x = pictures(18)
    both = augmented_gradcam(x, Seen(), **OPTIONS).values
    last = augmented_gradcam(x[17:], lambda copies, of: Seen()(copies, of + 17), **OPTIONS).values
    torch.testing.assert_close(both[17:], last, rtol=1e-3, atol=1e-2)


def test_a_mirrored_picture_gives_the_mirrored_map() -> None:
    x = pictures(1)
    straight = augmented_gradcam(x, Seen(), **OPTIONS).values
    mirrored = augmented_gradcam(x.flip(3), Seen(), **OPTIONS).values
    torch.testing.assert_close(mirrored.flip(2), straight, rtol=1e-3, atol=1e-3)
    assert (mirrored - straight).abs().max() > 0.05


def test_no_evidence_gives_zeros() -> None:
    found = augmented_gradcam(-pictures(), Seen(), **OPTIONS)
    assert found.values.eq(0).all()
    assert all(one["converged"] for one in found.details)


def test_equal_seeds_give_equal_maps() -> None:
    x = pictures(1)
    first, again = (augmented_gradcam(x, Seen(), **OPTIONS).values for _ in range(2))
    other = augmented_gradcam(x, Seen(), **OPTIONS, seed=1).values
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("copies", 0),
        ("copies", 7),
        ("rotation", -1.0),
        ("shift", 1.0),
        ("scale", 0.9),
        ("tv", -0.1),
        ("ridge", 0.0),
        ("tolerance", 0.0),
        ("seed", -1),
    ],
)
def test_options_out_of_range(option: str, value: Any) -> None:
    with pytest.raises(MethodError, match=option):
        augmented_gradcam(pictures(1), Seen(), **{**OPTIONS, option: value})


class Bright(nn.Module):
    """Logits: how bright the picture is, and its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, 8, 8, bias=False)
        self.fc = nn.Linear(2, 2, bias=False)
        nn.init.constant_(self.features.weight, 1 / 192)
        self.fc.weight.data = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).relu().mean((2, 3)))


def test_through_the_engine_a_bright_square_is_found_where_it_is() -> None:
    model = whylight.wrap(Bright().eval(), size=64, layer="features")
    x = torch.zeros((1, 3, 64, 64))
    x[:, :, 20:26, 37:43] = 1  # its middle is at (22.5, 39.5)
    method = methods.get("augmented-gradcam", copies=60, tv=0.02, ridge=0.02)
    h = engine.maps(model, x, [method], [0])[0, 0, 0]
    assert h.shape == (64, 64)
    hot, at = (h - 0.5 * h.max()).relu(), torch.arange(64.0)
    assert abs((hot.sum(1) * at).sum() / hot.sum() - 22.5) < 1
    assert abs((hot.sum(0) * at).sum() / hot.sum() - 39.5) < 1
    assert engine.maps(model, x, [method], [1]).eq(0).all(), "nothing speaks for darkness"
