"""The layers that can be looked at, as K × h × w however the network lays them out."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

import whylight
from whylight.models.layers import spatial_layers


class ChannelsLast(nn.Module):
    """Patches, then a norm that wants channels last, then the classifier: 3×64×32 → 16×8."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, stride=4)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_channels_last_is_shown_channels_first() -> None:
    model = whylight.wrap(ChannelsLast(), size=(64, 32))
    assert spatial_layers(model) == {"patches": (12, 16, 8), "norm": (12, 16, 8)}


def test_tokens_are_shown_without_those_that_have_no_place() -> None:
    network = timm.create_model("test_vit", num_classes=2, img_size=(64, 32), reg_tokens=3).train()
    layers = spatial_layers(whylight.wrap(network, size=(64, 32)))
    assert layers["patch_embed"] == layers["blocks.0"] == layers["norm"] == (64, 4, 2)
    assert "head" not in layers
    assert network.training
    assert not any(part._forward_hooks for part in network.modules())


def test_a_convolutional_network() -> None:
    layers = spatial_layers(
        whylight.wrap(nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=8)
    )
    assert layers == {"0": (5, 6, 6)}
    assert torch.is_grad_enabled()
