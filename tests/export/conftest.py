"""Small networks with random weights, and photographs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import whylight
from whylight.images.preprocess import Preprocess

for _needed in ("onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(_needed, reason="the extra export is not installed")


class Tiny(torch.nn.Module):
    """Two convolutions, average pooling, a linear layer with a bias."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 12, 5, stride=4, padding=2)
        self.second = torch.nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.head = torch.nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def tiny() -> Any:
    torch.manual_seed(1)
    return whylight.wrap(
        Tiny(5).eval(),
        classes=["a", "b", "c", "d", "e"],
        preprocessing=Preprocess(size=(64, 64), mode="crop", crop_pct=0.875),
    )
