"""The network in training: which parts are trained, and its reading at each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import ModelError, TrainError
from whylight.models.boxhead import BoxHead, Size
from whylight.models.split.find import Found, find_split
from whylight.models.split.linear import find_linear_head
from whylight.models.surgery import classifier_of

_NORMS = (nn.modules.batchnorm._BatchNorm,)
METHOD = "forward_features"  # what a network that says itself where its head begins is split at
RELU = " + relu"  # what `split.GraphSplit` adds to the name of a layer that it cuts after the rectifier behind


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


def last_frozen(module: nn.Module) -> str | None:
    """The block behind which everything that is trained lies, by its name; None where the first block is trained already."""
    frozen: str | None = None
    for name, part in blocks(module):
        if any(p.requires_grad for p in part.parameters()):
            return frozen
        frozen = name
    return frozen


def train_mode(module: nn.Module, *, freeze_bn: bool) -> None:
    """Training mode, but for batch norms that are frozen: on request, or because their block is."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, _NORMS) and (freeze_bn or not any(p.requires_grad for p in layer.parameters())):
            layer.eval()


class GridReader:
    """Runs a network and hands out its last grid beside its logits, both with gradients.

    Args:
        module: the network.
        found: where `find_split` cut it.
        need: the setting that needs the grid, for messages.

    Raises:
        ModelError: if the last grid cannot be read in training.
    """

    def __init__(self, module: nn.Module, found: Found, need: str) -> None:
        self.module, self._layout = module, found.layout
        self._layer = found.split.layer.removesuffix(RELU)
        self._past_relu = found.split.layer.endswith(RELU)
        if self._layer != METHOD and self._layer not in dict(module.named_modules()):
            raise ModelError(
                f"{need}: the last grid of {type(module).__name__} ({self._layer}) cannot be read in training"
            )

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) → logits (N, C) and the grid (N, K, h, w), as `Model.features` gives it."""
        if self._layer == METHOD:
            raw = self.module.forward_features(x)  # type: ignore[operator]
            logits = self.module.forward_head(raw)  # type: ignore[operator]
        else:
            caught: list[Tensor] = []
            part = self.module.get_submodule(self._layer)
            handle = part.register_forward_hook(lambda part, inputs, output: caught.append(output))
            try:
                logits = self.module(x)
            finally:
                handle.remove()
            raw = F.relu(caught[0]) if self._past_relu else caught[0]
        return cast(Tensor, logits), self._layout.to_grid(raw, (x.shape[2], x.shape[3]))


def cut(module: nn.Module, size: int) -> Found:
    """Where a network is cut, on its device, for square inputs of `size` pixels; it is put in evaluation mode."""
    module.eval()
    probe = torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    return find_split(module, probe.to(next(module.parameters()).device))


class Reader:
    """Runs a network whose head is global average pooling and one linear layer, and reads the head at every cell too.

    Raises:
        ModelError: if the head is anything else.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        found = cut(module, size)
        with torch.no_grad():
            linear = find_linear_head(module, lambda a: found.split.decode(a, ()), found.grid)
        if linear is None:
            raise ModelError(
                f"local: {type(module).__name__} does not end in global average pooling and one linear layer, so its "
                "classifier cannot be read cell by cell. Train without local"
            )
        self._read = GridReader(module, found, "local")
        self.classifier = classifier_of(module)[1]
        self.grid = (found.grid.shape[2], found.grid.shape[3])

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N,3,H,W) → logits (N, C), and the same read at each cell (N, C, h, w)."""
        logits, grid = self._read(x)
        weight = self.classifier.weight.flatten(1)[:, :, None, None]
        return logits, F.conv2d(grid, weight, self.classifier.bias)


class WithBoxes(nn.Module):
    """A classifier and the box head beside it: as a network it is the classifier, `both` asks the two.

    Args:
        network: the classifier.
        size: side of its input.
        make: makes the head for a grid like the one given, (1, K, h, w).

    Attributes:
        grid: (height, width) of what the box head gives.
    """

    def __init__(self, network: nn.Module, size: int, make: Callable[[Tensor], BoxHead]) -> None:
        super().__init__()
        found = cut(network, size)
        self._read = GridReader(network, found, "boxes")
        self.network = network
        self.box_head = make(found.grid)
        with torch.no_grad():
            height, width = self.box_head(found.grid).shape[2:]
        self.grid: Size = (height, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → logits (N, C)."""
        return cast(Tensor, self.network(x))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) → logits (N, C), and what the box head gives (N, C' + 4, h', w')."""
        logits, grid = self._read(x)
        return logits, self.box_head(grid)
