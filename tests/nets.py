"""Small networks whose every number can be worked out, for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def gap_net(channels: int = 6, classes: int = 3, seed: int = 0) -> nn.Sequential:
    """Two convolutions, global average pooling, one linear layer: 3×32×32 → a 8×8 grid."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def deep_head_net(seed: int = 0) -> nn.Sequential:
    """A head that is not linear in the mean: pooling to 4×4, two linear layers, with in-place rectifiers and dropout."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=4, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(6 * 16, 10),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(10, 3),
    )


class Untraceable(nn.Module):
    """Control flow on values, which torch.fx cannot follow; an in-place rectifier behind the layer."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Conv2d(3, 6, 3, stride=4, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        a = self.body(x)
        if a.mean() > 1e6:
            return a.mean((2, 3))[:, :3]
        return self.head(a.relu_().amax((2, 3)) + a.mean((2, 3)) ** 2)


class OneConv(nn.Module):
    """The network of captum's published Grad-CAM test values: one convolution of ones on one channel, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.relu1 = nn.ReLU()
        self.fc1 = nn.Linear(8, 4)
        with torch.no_grad():
            self.conv1.weight.fill_(1)
            self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
            self.fc1.weight[:, :5] = 1
            self.fc1.weight[:, 5:] = -1
            self.fc1.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc1(self.relu1(self.conv1(x[:, :1])).flatten(1)).relu()
