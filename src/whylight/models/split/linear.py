"""Find out whether a head is global average pooling followed by one linear layer: then maps have closed forms."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearHead:
    """logits = weight · mean(A) + bias, read from the live classifier each time, so that further training is seen.

    Args:
        classifier: the linear layer, or None where the pooled channels are the logits themselves.
        channels: number of channels K.
    """

    def __init__(self, classifier: nn.Linear | nn.Conv2d | None, channels: int) -> None:
        self._classifier = classifier
        self._channels = channels

    @property
    def weight(self) -> Tensor:
        """(C, K) float32, without gradient."""
        if self._classifier is None:
            return torch.eye(self._channels)
        return self._classifier.weight.detach().flatten(1).float()

    @property
    def bias(self) -> Tensor:
        """(C,) float32, without gradient."""
        if self._classifier is None or self._classifier.bias is None:
            weight = self.weight
            return weight.new_zeros(weight.shape[0])
        return self._classifier.bias.detach().float()


def find_linear_head(module: nn.Module, head: Callable[[Tensor], Tensor], grid: Tensor) -> LinearHead | None:
    """Return the head's linear form if it has one, else None.

    The claim is tested, not read off a name: on random grids, negative values and all, the last layer must be handed the mean
    over places, and what it gives must be the logits. A rectifier, a norm, or another pooling in between fails the test.

    Args:
        module: the whole network; a linear layer (or 1×1 convolution) from K channels to the C logits is a candidate.
        head: (N, K, h, w) → logits (N, C).
        grid: activations of some picture, (1, K, h, w), for shape, type and device.
    """
    channels = grid.shape[1]
    probe = torch.randn((2, *grid.shape[1:]), generator=torch.Generator().manual_seed(0)).to(grid)
    pooled = probe.float().mean((2, 3))
    tolerance = 1e-4 if grid.dtype == torch.float32 else 2e-2

    def close(a: Tensor, b: Tensor) -> bool:
        return a.shape == b.shape and torch.allclose(
            a.float(), b, rtol=tolerance, atol=tolerance * float(b.abs().max())
        )

    candidates = [part for part in module.modules() if _maps_channels(part, channels)]
    passed: list[tuple[nn.Module, Tensor]] = []
    with ExitStack() as hooks:
        for part in candidates:
            hooks.enter_context(part.register_forward_pre_hook(lambda part, inputs: passed.append((part, inputs[0]))))
        logits = head(probe)
    # The input is looked at too, not the logits alone: the weights of a new head are often zero, and zero agrees with anything.
    for part, given in reversed(passed):
        linear = LinearHead(cast("nn.Linear | nn.Conv2d", part), channels)
        expected = F.linear(pooled, linear.weight.to(pooled), linear.bias.to(pooled))
        if close(given.flatten(1), pooled) and close(logits, expected):
            return linear
    return LinearHead(None, channels) if close(logits, pooled) else None


def _maps_channels(part: nn.Module, channels: int) -> bool:
    if isinstance(part, nn.Conv2d):
        return part.kernel_size == (1, 1) and part.in_channels == channels and part.groups == 1
    return isinstance(part, nn.Linear) and part.in_features == channels
