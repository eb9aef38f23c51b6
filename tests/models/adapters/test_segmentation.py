"""Segmentation networks as classifiers of a region: the mean by hand, and the methods on top."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import whylight
from handed_back import assert_same, state_of
from whylight import engine
from whylight.errors import ModelError
from whylight.models.adapters.segmentation import segmenter

X = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(0))


def maps_net(classes: int = 4, output: str = "tensor") -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.backbone = nn.Sequential(nn.Conv2d(3, 6, 2, 2), nn.ReLU(inplace=True))
            self.classifier = nn.Conv2d(6, classes, 1)

        def forward(self, x: Tensor) -> Any:
            maps = self.classifier(self.backbone(x))  # (N, classes, 8, 8)
            if output == "mapping":
                return {"out": maps, "aux": -maps}
            return type("Output", (), {"logits": maps})() if output == "object" else maps

    return Net().eval().requires_grad_(False)


def test_the_mean_where_each_class_wins_by_hand() -> None:
    network = maps_net(classes=8)
    maps, found = network(X), segmenter(network)(X)
    never = 0
    for n in range(2):
        for c in range(8):
            places = [(i, j) for i in range(8) for j in range(8)]
            won = [(i, j) for i, j in places if max(range(8), key=lambda d: float(maps[n, d, i, j])) == c]
            never += not won
            values = [float(maps[n, c, i, j]) for i, j in won or places]
            assert float(found[n, c]) == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert never > 0, "a class that wins nowhere was to be among them"


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_the_mean_over_a_region_by_hand(kind: str) -> None:
    network = maps_net()
    region = torch.zeros(8, 8, dtype=torch.bool)
    region[2:5, 1:7] = True
    expected = network(X)[:, :, 2:5, 1:7].mean((2, 3))
    torch.testing.assert_close(segmenter(network, region if kind == "tensor" else region.numpy())(X), expected)


def test_a_region_of_the_inputs_size_counts_by_its_share() -> None:
    """A mask of 16 × 16 over maps of 8 × 8: cells weigh by how much of them is in it, and a single pixel does not get lost."""
    network = maps_net()
    maps = network(X)
    region = torch.zeros(16, 16, dtype=torch.bool)
    region[4:6, 4:6] = True  # all of the cell (2, 2)
    region[6, 4] = True  # a quarter of the cell (3, 2)
    expected = (maps[:, :, 2, 2] + maps[:, :, 3, 2] / 4) / 1.25
    torch.testing.assert_close(segmenter(network, region)(X), expected)
    pixel = torch.zeros(16, 16, dtype=torch.bool)
    pixel[15, 0] = True
    torch.testing.assert_close(segmenter(network, pixel)(X), maps[:, :, 7, 0])


@pytest.mark.parametrize("output", ["mapping", "object"])
def test_what_networks_return(output: str) -> None:
    torch.testing.assert_close(segmenter(maps_net(output=output))(X), segmenter(maps_net())(X))


def test_half_precision_does_not_overflow() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1)).requires_grad_(False)
    network[0].bias.fill_(100)
    assert segmenter(network.half())(torch.zeros(1, 3, 64, 64, dtype=torch.float16)).tolist() == [[100.0, 100.0]]


@pytest.mark.parametrize(
    ("region", "says"),
    [
        (np.zeros((4, 4), bool), "the mask is empty"),
        (np.ones((4, 4)), r"a boolean mask \(H, W\), got torch.float64 of shape \(4, 4\)"),
        (torch.ones(1, 4, 4, dtype=torch.bool), r"got torch.bool of shape \(1, 4, 4\)"),
    ],
)
def test_regions_that_are_none(region: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        segmenter(maps_net(), region)


@pytest.mark.parametrize("network", [nn.Flatten(), nn.Sequential(nn.Conv2d(3, 2, 1), nn.Unflatten(1, (1, 2)))])
def test_networks_that_return_no_maps(network: nn.Module) -> None:
    with pytest.raises(ModelError, match=r"must return logit maps of shape \(N, C, h, w\); this one returned a tensor"):
        segmenter(network)(X)


@pytest.mark.parametrize("region", [None, torch.eye(16, dtype=torch.bool)], ids=["where it wins", "a region"])
def test_methods(region: Tensor | None) -> None:
    """With a linear classifier behind the layer, hirescam is A times the class's weights over the region."""
    network = maps_net()
    before = state_of(network)
    adapter = segmenter(network, region)
    assert adapter.default_layer == "network.backbone.1"
    model = whylight.wrap(adapter, layer=adapter.default_layer, classes=["a", "b", "c", "d"], size=16)
    assert model.split_kind.startswith("exact")
    torch.testing.assert_close(model.logits(X), adapter(X))
    hires = engine.maps(model, X, ["hirescam"], [2])[0, 0]
    bias = float(network.classifier.bias[2])
    torch.testing.assert_close(hires.sum((1, 2)) + bias, adapter(X)[:, 2])
    if region is not None:
        a, weight = model.features(X), network.classifier.weight[2].flatten()
        share = torch.eye(8)
        torch.testing.assert_close(hires, torch.einsum("nkhw,k->nhw", a, weight) * share / share.sum())
    for method in ("gradcam", "ablationcam", "eigencam"):
        assert engine.maps(model, X, [method], [2]).isfinite().all()
    torch.testing.assert_close(model.fast("fp32")(X), adapter(X), rtol=1e-4, atol=1e-5)
    assert_same(before, network)


def test_torchvision() -> None:
    torch.manual_seed(0)
    make = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large
    adapter = segmenter(make(weights=None, weights_backbone=None, num_classes=3).eval())
    model = whylight.wrap(adapter, layer=adapter.default_layer, size=64)
    assert model.split_kind.startswith("exact")
    x = torch.randn(1, 3, 64, 64)
    hires = engine.maps(model, x, ["hirescam"], [0, 1, 2])
    assert hires.isfinite().all()
    assert hires.any()
