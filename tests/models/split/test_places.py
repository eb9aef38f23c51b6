"""Cells lie where the layers that made them put them: poolings that drop a remainder, convolutions that do not pad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

import whylight
from whylight import methods
from whylight.cells import WHOLE
from whylight.methods.wrappers.layers import layers
from whylight.methods.wrappers.refine import refine
from whylight.methods.wrappers.spread import spread
from whylight.methods.wrappers.tta import tta

K: dict[str, Any] = {"mean": (0, 0, 0), "std": (1, 1, 1)}


@pytest.mark.parametrize(
    ("make", "size", "first", "stride"),
    [
        pytest.param(
            torchvision.models.vgg11, 250, 16, 32, marks=pytest.mark.long
        ),  # 250 → 125 → 62 → 31 → 15 → 7, each a half of what fits
        pytest.param(torchvision.models.vgg11, 224, 16, 32, marks=pytest.mark.long),
        (
            torchvision.models.squeezenet1_1,
            224,
            15.5,
            16,
        ),  # windows of 3 by 2 without padding: 1 + 2 + 4 + 8 pixels in, and a half
        (torchvision.models.alexnet, 224, 31.5, 32),  # 11 by 4, padded by 2; then three poolings of 3 by 2
        (torchvision.models.resnet18, 224, 16, 32),
        (torchvision.models.resnet18, 250, 13, 32),  # even sides are halved, 125 and 63 are not: 0.5 + 0 + 0 + 4 + 8
        (lambda: timm.create_model("tf_efficientnet_b0"), 250, 13, 32),  # padded as it runs
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=224), 224, 8, 16),
        (lambda: timm.create_model("convnext_atto"), 250, 16, 32),  # patches that cut the rest off
    ],
)
def test_places_by_hand(make: Any, size: int, first: float, stride: float) -> None:
    model = whylight.wrap(make().eval(), size=size)
    h, w = model.grid
    top, left, bottom, right = model.span((size, size), (h, w))
    assert (top, bottom) == (left, right)
    assert size * top + stride / 2 == pytest.approx(first)
    assert (bottom - top) * size / h == pytest.approx(stride)
    if size % h == 0:
        assert model.span((size, size), (h, w)) == WHOLE


class Dots(nn.Module):
    """Sees where the picture is bright: averages over 2 by 2, so many times, which drop what does not fill them."""

    def __init__(self, times: int, kind: str) -> None:
        super().__init__()
        pool = {"max": nn.MaxPool2d(2), "mean": nn.AvgPool2d(2), "conv": nn.Conv2d(2, 2, 2, 2, groups=2, bias=False)}[
            kind
        ]
        if isinstance(pool, nn.Conv2d):
            nn.init.constant_(pool.weight, 0.25)
        self.kind, self.times = kind, times
        self.first = nn.Conv2d(3, 2, 1, bias=False)
        nn.init.constant_(self.first.weight, 1 / 3)
        self.pool, self.last = pool, nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.last.weight.copy_(torch.eye(2)[:, :, None, None])
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        for _ in range(self.times):
            a = F.max_pool2d(a, 2) if self.kind == "function" else self.pool(a)
        return self.fc(self.last(a).mean((2, 3)))


def bright(size: int, y: int, x: int, side: int = 8) -> Tensor:
    picture = torch.zeros(3, size, size)
    picture[:, y : y + side, x : x + side] = 1
    return picture


def centre(ex: whylight.Explanation) -> tuple[float, float]:
    """Of a map's weight over the picture, (y, x) in pixels."""
    heat = ex.heatmap().double()
    along = torch.arange(heat.shape[0], dtype=torch.float64) + 0.5
    return float((heat.sum(1) * along).sum() / heat.sum()), float((heat.sum(0) * along).sum() / heat.sum())


@pytest.mark.parametrize("kind", ["max", "mean", "conv", "function"])
@pytest.mark.parametrize("cell", [(1, 3), (3, 5), (5, 1)])
def test_a_bright_cell_is_shown_where_it_is(kind: str, cell: tuple[int, int]) -> None:
    model = whylight.wrap(Dots(5, kind if kind != "function" else "max").eval(), layer="last", size=250, **K)
    y, x = (32 * place + 12 for place in cell)
    for method in ("gradcam", "cam", "hirescam", "layercam"):
        ex = whylight.explain(model, bright(250, y, x), method=method, target=0)
        assert ex.map.shape == (7, 7)
        assert ex.peak == pytest.approx((32 * cell[1] + 16, 32 * cell[0] + 16), abs=0.5)
        assert centre(ex) == pytest.approx((32 * cell[0] + 16, 32 * cell[1] + 16), abs=0.5)
        assert ex.to_dict()["span"] == [0, 0, 224 / 250, 224 / 250]


@pytest.mark.parametrize("scales", [(1.2,), (0.75, 1.0, 1.25), (1.0,)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("at", [(40, 120), (150, 76)])
def test_copies_are_laid_back_where_they_are(scales: tuple[float, ...], flip: bool, at: tuple[int, int]) -> None:
    """The middle of each copy's bright cell, in pixels of the picture; their mean is where the map's weight lies."""
    size, side, cell = 250, 8, 16
    model = whylight.wrap(Dots(4, "mean").eval(), layer="last", size=size, **K)
    ex = whylight.explain(model, bright(size, *at, side), method=tta("gradcam", flip=flip, scales=scales), target=0)
    found = centre(ex)
    wanted, weights = [], []
    for scale in scales:
        scaled = round(size * scale)
        picture = F.interpolate(bright(size, *at, side)[None], size=(scaled, scaled), mode="bilinear", antialias=True)[
            0
        ]
        for mirrored in (False, True) if flip else (False,):
            one = picture.flip(2) if mirrored else picture
            grid = F.avg_pool2d(one[:1], cell)[0]
            grid = grid / grid.max()
            along = (cell * torch.arange(grid.shape[0]) + cell / 2) / scaled * size
            x = float((grid.sum(0) * along).sum() / grid.sum())
            weights.append(float(grid.sum()) * (cell / scaled) ** 2)
            wanted.append((float((grid.sum(1) * along).sum() / grid.sum()), size - x if mirrored else x))
    assert found == pytest.approx(tuple(np.average(wanted, axis=0, weights=weights)), abs=0.5)


@pytest.mark.parametrize(
    "method",
    [
        layers("gradcam", ["last"]),
        refine("gradcam"),
        spread("gradcam"),
        methods.get("augmented-gradcam", copies=40),
        methods.get("guided-gradcam"),
    ],
    ids=lambda method: method.name,
)
def test_what_is_made_of_maps_keeps_their_places(method: Any) -> None:
    network = Dots(4, "mean").eval()
    network.pool = nn.Sequential(nn.AvgPool2d(2), nn.ReLU())
    model = whylight.wrap(network, layer="last", size=250, **K)
    picture = bright(250, 16 * 9 + 4, 16 * 12 + 4)
    ex = whylight.explain(model, picture, method=method, target=0)
    if method.name.startswith("spread"):  # which lights up what looks alike, too
        assert ex.peak == pytest.approx((16 * 12 + 8, 16 * 9 + 8), abs=250 / 30 / 2)
    else:
        assert centre(ex) == pytest.approx((16 * 9 + 8, 16 * 12 + 8), abs=1.0)


def test_score_cam_hides_what_its_channels_do_not_see() -> None:
    """One channel sees the bright cell: its mask lets that cell's places through, and the score behind it is the cell's own."""
    network = Dots(4, "mean").eval()
    model = whylight.wrap(network, layer="last", size=250, **K)
    picture = bright(250, 16 * 12 + 4, 16 * 13 + 4)
    seen: list[Tensor] = []
    forward = model.fast("fp32")

    class Watching:
        precision = "fp32"

        def __call__(self, x: Tensor) -> Tensor:
            seen.extend(x)
            return forward(x)

    model._fast["fp32"] = Watching()  # type: ignore[assignment]
    whylight.explain(model, picture, method="scorecam", target=0, precision="fp32")
    let_through = [one for one in seen if one.any()]
    assert let_through
    for one in let_through:  # the whole dot, which lies in the cell's middle
        assert float(one.sum() / picture.sum()) > 0.8
