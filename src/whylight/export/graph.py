"""The graph that is exported: resize, normalise, network, and the class activation maps beside the logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import ModelError
from whylight.export.resize import Prepare
from whylight.models.adapters.logits import name_of
from whylight.models.model import Model
from whylight.models.split.hooks import HookSplit


class Graph(nn.Module):
    """(N, H, W, 3) uint8 → logits (N, C) and maps (N, C, h, w), both float32.

    The map of a class is the sum of the last activations by the class's weights, Σₖ w꜀ₖ Aₖ: its mean over all places, with the
    bias, is the logit. Source: Zhou, Khosla, Lapedriza, Oliva and Torralba, Learning deep features for discriminative localization,
    CVPR 2016.

    Raises:
        ModelError: where the network's head is not global average pooling and one linear layer.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        if model.linear is None:
            raise ModelError(
                f"{name_of(model.module)}: has no head of global average pooling and one linear layer after {model.layer!r}, so "
                "that its maps are no product of what it computes; `whylight train` gives a network such a head"
            )
        if isinstance(model.split, HookSplit):
            raise ModelError(
                f"{name_of(model.module)}: its forward cannot be traced, so that it cannot be written as a graph"
            )
        if model.bands != 3:
            raise ModelError(f"{name_of(model.module)}: takes {model.bands} channels, and pictures have 3")
        self.prepare = Prepare(model.preprocessing)
        self._encode, self._to_grid = model.split.encode, model.layout.to_grid
        self.network = model.module  # so that its weights are the graph's
        weight, bias = model.linear.weight, model.linear.bias
        self.register_buffer("weight", weight[:, :, None, None].clone())
        self.register_buffer("bias", bias.clone())

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures of one size."""
        x = self.prepare(pictures)
        raw, _ = self._encode(x)
        grid = self._to_grid(raw, (x.shape[2], x.shape[3]))
        maps = F.conv2d(grid, self.weight)  # type: ignore[arg-type]
        return maps.mean((2, 3)) + self.bias, maps  # type: ignore[operator]


def sample(model: Model) -> Tensor:
    """Two pictures, of another size than the network's input: (2, H, W, 3) uint8."""
    height, width = model.preprocessing.size
    made = torch.randint(0, 256, (2, height + 17, width + 40, 3), generator=torch.Generator().manual_seed(0))
    return made.to(torch.uint8)
