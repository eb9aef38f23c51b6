"""Networks for the fast copy, and what they say themselves."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from whylight.models.fast.copy import Fast


def inputs(count: int, side: int = 64, seed: int = 1) -> Tensor:
    return torch.randn((count, 3, side, side), generator=torch.Generator().manual_seed(seed))


def fast(module: nn.Module, precision: Literal["auto", "fp32", "bf16"] = "fp32", side: int = 64) -> Fast:
    return Fast(module, inputs(1, side, 0).to(memory_format=torch.channels_last), precision=precision)


def own(module: nn.Module, x: Tensor) -> Tensor:
    """The network's logits in evaluation mode, from a copy, so that the network is not touched."""
    with torch.no_grad():
        return copy.deepcopy(module).eval()(x)


def lively(module: nn.Module) -> nn.Module:
    """Batch norms with statistics and weights that do something, so that a wrong fold shows."""
    dice = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(torch.randn(part.num_features, generator=dice) * 0.2)  # type: ignore[union-attr]
            part.running_var.copy_(0.5 + torch.rand(part.num_features, generator=dice))  # type: ignore[union-attr]
            with torch.no_grad():
                part.weight.copy_(0.8 + 0.4 * torch.rand(part.num_features, generator=dice))
                part.bias.copy_(torch.randn(part.num_features, generator=dice) * 0.1)
    return module
