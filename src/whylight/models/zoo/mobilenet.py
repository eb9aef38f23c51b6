"""MobileNetV2 with batch norm folded away: the bundled models' network, built without importing torchvision.

Importing torchvision takes longer than explaining a picture does. Parameters are named as torchvision names them, so a file
of weights fits both networks.
"""

from __future__ import annotations

from torch import Tensor, nn

# Expansion, channels, repeats, stride of the first: table 2 of the paper.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class FoldedMobileNetV2(nn.Module):
    """Convolutions with biases in the place of convolution and batch norm; (N, 3, H, W) → logits (N, classes).

    Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018.
    """

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, stride=2)]
        channels = 32
        for expansion, out, repeats, stride in _STAGES:
            for i in range(repeats):
                layers.append(_InvertedResidual(channels, out, stride if i == 0 else 1, expansion))
                channels = out
        layers.append(_conv(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


class _InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; with a shortcut where the shape allows."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.shortcut = stride == 1 and channels == out
        wide = channels * expansion
        widen = [_conv(channels, wide, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(*widen, _conv(wide, wide, 3, stride=stride, groups=wide), nn.Conv2d(wide, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


def _conv(channels: int, out: int, side: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, side, stride, side // 2, groups=groups), nn.Identity(), nn.ReLU6(inplace=True)
    )
