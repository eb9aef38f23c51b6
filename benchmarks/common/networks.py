"""The networks the benchmarks run: their speed does not depend on what they learned, so they need no download."""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn

TARGET = 281  # any class; naming one spares every library the search for the highest


def build(name: str) -> nn.Module:
    """A torchvision network in eval mode, with the same random weights every time.

    Batch norm is set to the statistics of its input, so that activations have the size they have in a trained network
    and do not fade into tiny, slow numbers.
    """
    torch.manual_seed(0)
    module: nn.Module = getattr(torchvision.models, name)(weights=None)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    usual = [part.momentum for part in norms]
    for part in norms:
        part.momentum = None  # a plain average over the batches seen
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(pictures(8))
    for part, momentum in zip(norms, usual, strict=True):
        part.momentum = momentum
    return module.eval().requires_grad_(True)


def pictures(count: int, size: int = 224) -> Tensor:
    """Normalised noise with some structure, (count, 3, size, size), in the default memory layout."""
    coarse = torch.randn(count, 3, 14, 14, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def last_layer(module: nn.Module) -> nn.Module:
    """What every library's own manual names as the layer to explain."""
    if isinstance(module, torchvision.models.ResNet):
        return module.layer4[-1]
    return module.features[-1]  # type: ignore[index, union-attr, return-value]
