"""The network in training: which parts are trained, and its reading at each cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import ModelError, TrainError
from whylight.models.adapt import classifier_of
from whylight.models.find import find_split
from whylight.models.linear import find_linear_head

_NORMS = (nn.modules.batchnorm._BatchNorm,)


def blocks(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The parts of a network in order, one level below its stages: features.0, features.1, … or layer1.0, layer1.1, …."""

    def walk(part: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
        for name, child in part.named_children():
            if not any(True for _ in child.parameters()):
                continue
            if type(child) in (nn.Sequential, nn.ModuleList):
                yield from walk(child, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", child

    return list(walk(module, ""))


def freeze(module: nn.Module, last: int) -> None:
    """Train the classifier and the `last` blocks before it, nothing else."""
    head, classifier = classifier_of(module)
    body = [(name, part) for name, part in blocks(module) if not any(p is classifier.weight for p in part.parameters())]
    if last > len(body):
        raise TrainError(f"unfreeze: {type(module).__name__} has {len(body)} blocks besides {head}, not {last}")
    module.requires_grad_(False)
    classifier.requires_grad_(True)
    for _, part in body[len(body) - last :]:
        part.requires_grad_(True)


def train_mode(module: nn.Module, *, freeze_bn: bool) -> None:
    """Training mode, but for batch norms that are frozen: on request, or because their block is."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, _NORMS) and (freeze_bn or not any(p.requires_grad for p in layer.parameters())):
            layer.eval()


class Reader:
    """Runs a network whose head is global average pooling and one linear layer, and reads the head at every cell too.

    Raises:
        ModelError: if the head is anything else.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        module.eval()
        probe = torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(0))
        found = find_split(module, probe.to(next(module.parameters()).device))
        with torch.no_grad():
            linear = find_linear_head(module, lambda a: found.split.decode(a, ()), found.grid)
        if linear is None:
            raise ModelError(
                f"local: {type(module).__name__} does not end in global average pooling and one linear layer, so its "
                "classifier cannot be read cell by cell. Train without local"
            )
        self.module = module
        self.layer = found.split.layer
        self.classifier = classifier_of(module)[1]
        self.grid = (found.grid.shape[2], found.grid.shape[3])
        if self.layer != "forward_features" and self.layer not in dict(module.named_modules()):
            raise ModelError(
                f"local: the last grid of {type(module).__name__} ({self.layer}) cannot be read in training"
            )

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N,3,H,W) → logits (N, C), and the same read at each cell (N, C, h, w)."""
        if self.layer == "forward_features":
            grid = self.module.forward_features(x)  # type: ignore[operator]
            logits = self.module.forward_head(grid)  # type: ignore[operator]
        else:
            caught: list[Tensor] = []
            part = self.module.get_submodule(self.layer)
            handle = part.register_forward_hook(lambda part, inputs, output: caught.append(output))
            try:
                logits = self.module(x)
            finally:
                handle.remove()
            grid = caught[0]
        weight = self.classifier.weight.flatten(1)[:, :, None, None]
        return cast(Tensor, logits), F.conv2d(grid, weight, self.classifier.bias)
