"""oneDNN's joint kernels give the network's own logits, or are not used."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from fastnets import fast, inputs, lively, own
from whylight.models.fast import pointwise


class Branches(nn.Module):
    """Additions of all kinds behind convolutions: of the input, of another convolution, of one number for each channel."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.d = nn.Conv2d(3, 3, 1)
        self.act = activation
        self.shift = nn.Parameter(torch.randn(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.a(x) + x)
        z = self.b(y)
        z += self.act(self.c(x))
        z = torch.relu(self.act(z) + self.d(y.mean((2, 3), keepdim=True)))
        return (z + self.shift + y).mean((2, 3))


@pytest.mark.parametrize(
    "activation",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.Hardtanh(-0.3, 0.2),
        nn.SiLU(),
        nn.Hardswish(),
        nn.GELU(),
        nn.GELU(approximate="tanh"),
        nn.LeakyReLU(0.3),
        nn.Sigmoid(),
        nn.Identity(),
    ],
    ids=str,
)
def test_joined_kernels(activation: nn.Module) -> None:
    torch.manual_seed(0)
    network = Branches(activation).eval()
    x = inputs(3, 16)
    run = fast(network, side=16)
    torch.testing.assert_close(run(x), own(network, x), rtol=1e-4, atol=1e-5)
    if pointwise.available():
        assert any(isinstance(part, pointwise.Pointwise) for part in run._network.modules()), "something was joined"  # type: ignore[union-attr]


def test_without_the_joint_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointwise, "available", lambda: False)
    network = lively(torchvision.models.resnet18(num_classes=5)).eval()
    run, x = fast(network), inputs(2)
    torch.testing.assert_close(run(x), own(network, x), rtol=1e-4, atol=1e-4)


def test_where_the_joint_kernels_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that computes something else is found out on the probe."""
    right = pointwise.Pointwise.forward
    monkeypatch.setattr(pointwise.Pointwise, "forward", lambda *args: right(*args) * 1.1)
    network = lively(torchvision.models.resnet18(num_classes=5)).eval()
    run, x = fast(network), inputs(2)
    torch.testing.assert_close(run(x), own(network, x), rtol=1e-4, atol=1e-4)
