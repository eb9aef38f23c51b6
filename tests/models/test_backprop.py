"""Gradients down to the input: against autograd, against plain loops, and adding up to the score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from handed_back import assert_same, state_of
from nets import Untraceable, deep_head_net, gap_net
from whylight.models.backprop import (
    bias_gradients,
    guided_gradients,
    has_rectifiers,
    input_gradients,
    why_no_bias_gradients,
)

NETWORKS = {"linear head": gap_net, "deep head": deep_head_net, "untraceable": Untraceable}


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def score(logits: Tensor) -> Tensor:
    return logits[:, 1] - logits[:, 0] / 2


def trained(network: nn.Module) -> nn.Module:
    """Batch norms as after training, not the identity that a new network has."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for part, scale, shift in ((layer.running_mean, 0.2, 0), (layer.bias, 0.2, 0), (layer.weight, 0.2, 1)):
                    part.copy_(shift + scale * torch.randn(layer.num_features, generator=generator))
                layer.running_var.copy_(0.5 + torch.rand(layer.num_features, generator=generator))
    return network.eval()


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_input_gradients_are_autograds(make: Callable[[], nn.Module], x: Tensor) -> None:
    network = make().eval()
    leaf = x.clone().requires_grad_()
    score(network(leaf)).sum().backward()
    logits, gradient = input_gradients(network.requires_grad_(False), x, score)
    torch.testing.assert_close(gradient, leaf.grad)
    torch.testing.assert_close(logits, network(x))
    assert not logits.requires_grad


def test_a_score_that_ignores_the_picture(x: Tensor) -> None:
    for function in (input_gradients, guided_gradients):
        _, gradient = function(gap_net(), x, lambda logits: torch.ones(len(logits)))
        assert torch.equal(gradient, torch.zeros_like(x))
    assert all(not part.any() for part in bias_gradients(gap_net(), x, lambda logits: torch.ones(len(logits))))


class Rectifiers(nn.Module):
    """z → rectifier → times v, summed: a network of one line, so that guided gradients can be worked out by hand."""

    def __init__(self, rectify: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        z = 4 * x.flatten(1)
        v = torch.arange(-5.0, z.shape[1] - 5) % 7 - 3  # both signs, and zeros
        return (self.rectify(z) * v).sum(1, keepdim=True)


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda z: F.relu(z, inplace=True),
    "F.relu, by name": lambda z: F.relu(input=z, inplace=False),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda z: z.relu(),
    "Tensor.relu_": lambda z: z.relu_(),
}
CAPPED: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "F.relu6": F.relu6,
    "F.hardtanh": lambda z: F.hardtanh(z, 0.0, 6.0),
}


@pytest.mark.parametrize("name", [*PLAIN, *CAPPED])
def test_guided_by_hand(name: str, x: Tensor) -> None:
    rectify = {**PLAIN, **CAPPED}[name]
    top = 6.0 if name in CAPPED else float("inf")
    x = x[:1, :, :4, :4]
    logits, gradient = guided_gradients(Rectifiers(rectify), x, lambda logits: logits[:, 0])
    expected = []
    for i, value in enumerate(x.flatten().tolist()):
        v = (i - 5) % 7 - 3
        expected.append(4.0 * v if v > 0 and 0 < 4 * value < top else 0.0)
    assert gradient.flatten().tolist() == expected
    torch.testing.assert_close(logits, Rectifiers(rectify)(x))
    assert has_rectifiers(Rectifiers(rectify), x)


def test_guided_in_a_deep_network_by_hand(x: Tensor) -> None:
    """Two convolutions and a linear layer: the backward pass written out, with both conditions at both rectifiers."""
    network = gap_net()
    first, second, linear = network[0], network[2], network[6]
    with torch.no_grad():
        z1 = first(x)
        z2 = second(z1.relu())
        by_a2 = (linear.weight[1] / 64).reshape(1, -1, 1, 1).expand_as(z2)
        by_z2 = by_a2 * (by_a2 > 0) * (z2 > 0)
        by_a1 = F.conv_transpose2d(by_z2, second.weight, stride=2, padding=1, output_padding=1)
        by_z1 = by_a1 * (by_a1 > 0) * (z1 > 0)
        by_x = F.conv_transpose2d(by_z1, first.weight, stride=2, padding=1, output_padding=1)
    _, gradient = guided_gradients(network, x, lambda logits: logits[:, 1])
    torch.testing.assert_close(gradient, by_x)
    assert not torch.allclose(gradient, input_gradients(network, x, lambda logits: logits[:, 1])[1])


def test_the_score_is_not_guided(x: Tensor) -> None:
    """A rectifier in the caller's score function keeps its derivative."""

    def negative(logits: Tensor) -> Tensor:
        return -(logits[:, 0] + 10).relu()

    _, gradient = guided_gradients(gap_net(), x, negative)
    _, expected = guided_gradients(gap_net(), x, lambda logits: -logits[:, 0])
    torch.testing.assert_close(gradient, expected)
    assert gradient.any()


@pytest.mark.parametrize(
    ("network", "has"),
    [
        (gap_net(), True),
        (
            nn.Sequential(nn.Conv2d(3, 2, 8), nn.GELU(), nn.SiLU(), nn.Hardtanh(), nn.Flatten(), nn.Linear(1250, 2)),
            False,
        ),
        (Rectifiers(lambda z: z.clamp(min=0)), False),
    ],
)
def test_networks_without_rectifiers(network: nn.Module, has: bool, x: Tensor) -> None:
    assert has_rectifiers(network, x[:1]) is has


def test_rectifiers_in_a_fused_layer() -> None:
    """Without a graph, torch's encoder layer runs as one kernel in which no rectifier is seen."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.Flatten(2), nn.Flatten(), nn.Unflatten(1, (16, 8)), layer)
    network = nn.Sequential(network, nn.Flatten(), nn.Linear(128, 2)).requires_grad_(False)
    assert has_rectifiers(network, torch.randn(1, 3, 32, 32))


BIASED: dict[str, Callable[[], nn.Module]] = {
    "linear head": gap_net,
    "two linear layers": deep_head_net,
    "resnet18": lambda: trained(torchvision.models.resnet18(num_classes=3)),
    "timm resnet": lambda: trained(timm.create_model("test_resnet", num_classes=3)),
    "mobilenet_v2": lambda: trained(torchvision.models.mobilenet_v2(num_classes=3, width_mult=0.25)),
}


@pytest.mark.parametrize("name", BIASED)
def test_completeness(name: str, x: Tensor) -> None:
    """Σ x ⊙ ∂s/∂x + Σ b ⊙ ∂s/∂z = s, in double precision to six digits (the parts are float32), in single to four."""
    torch.manual_seed(0)
    network = BIASED[name]().requires_grad_(False)
    for dtype, digits in ((torch.float64, 1e-6), (torch.float32, 1e-4)):
        network, y = network.to(dtype), x.to(dtype)
        logits, gradient = input_gradients(network, y, score)
        parts = bias_gradients(network, y, score)
        assert all(part.ndim == 4 and part.dtype == torch.float32 for part in parts)
        total = (y * gradient).sum((1, 2, 3)) + sum(part.sum((1, 2, 3)) for part in parts)
        torch.testing.assert_close(total.double(), score(logits).double(), rtol=digits, atol=digits)
    assert why_no_bias_gradients(network, x[:1]) is None


def test_one_bias_by_hand(x: Tensor) -> None:
    """conv → batch norm → rectifier in place → sum: each bias times the gradient at its own output."""
    network = trained(
        nn.Sequential(nn.Conv2d(3, 2, 8, 8), nn.BatchNorm2d(2), nn.ReLU(True), nn.Flatten(), nn.Linear(32, 2))
    )
    conv, norm, linear = network[0], network[1], network[4]
    parts = bias_gradients(network, x, lambda logits: logits[:, 1])
    assert [tuple(part.shape) for part in parts] == [(2, 2, 4, 4), (2, 2, 4, 4), (2, 2, 1, 1)]
    network.requires_grad_(False)
    z = norm(conv(x))
    for n in range(2):
        for c in range(2):
            scale = float(norm.weight[c] / (norm.running_var[c] + norm.eps).sqrt())
            implicit = float(norm.bias[c]) - scale * float(norm.running_mean[c])
            for i in range(4):
                for j in range(4):
                    g = float(linear.weight[1, c * 16 + i * 4 + j]) * float(z[n, c, i, j] > 0)
                    assert float(parts[0][n, c, i, j]) == pytest.approx(float(conv.bias[c]) * scale * g, abs=1e-6)
                    assert float(parts[1][n, c, i, j]) == pytest.approx(implicit * g, abs=1e-6)
        assert parts[2][n, :, 0, 0].tolist() == [0.0, pytest.approx(float(linear.bias[1]))]


def test_functions_instead_of_layers_and_channels_last(x: Tensor) -> None:
    """Biases are seen where functions are called with them; those of linear layers on channels-last grids keep places."""

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.w, self.b = nn.Parameter(torch.randn(4, 3, 8, 8) / 10), nn.Parameter(torch.randn(4))
            self.mix, self.tokens, self.fc = nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            a = F.conv2d(x, self.w, bias=self.b, stride=8).relu_()  # (N, 4, 4, 4)
            a = self.mix(a.permute(0, 2, 3, 1)).relu_()  # (N, 4, 4, 5)
            return self.fc(self.tokens(a.flatten(1, 2)).relu_().mean(1))

    network = Functional()
    parts = bias_gradients(network, x, score)
    assert [tuple(part.shape[1:]) for part in parts] == [(4, 4, 4), (5, 4, 4), (6, 1, 1), (2, 1, 1)]
    assert why_no_bias_gradients(network, x[:1]) is None


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.LayerNorm([4, 4, 4]), nn.Flatten(), nn.Linear(64, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.GELU(), nn.Flatten(), nn.Linear(64, 2)),
        nn.Sequential(
            nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.Linear(64, 2)
        ),
    ],
    ids=["layer norm", "GELU", "batch statistics"],
)
def test_networks_that_are_not_complete_say_so(network: nn.Module, x: Tensor) -> None:
    reason = why_no_bias_gradients(network, x[:1])
    assert reason is not None
    assert "Sequential does more than convolutions" in reason
    assert "add up to" in reason


def every(network: nn.Module, x: Tensor, score: Callable[[Tensor], Tensor]) -> list[Tensor]:
    has_rectifiers(network, x[:1])
    why_no_bias_gradients(network, x[:1])
    found: list[Tensor] = [input_gradients(network, x, score)[1], guided_gradients(network, x, score)[1]]
    return [*found, *bias_gradients(network, x, score)]


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_handed_back(make: Callable[[], nn.Module], error: type[BaseException] | None, x: Tensor) -> None:
    network, original = make().train(), x.clone()
    next(iter(network.parameters())).requires_grad_(False)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    before = state_of(network)

    def fail(logits: Tensor) -> Tensor:
        raise KeyboardInterrupt

    if error is None:
        every(network, x, score)
    else:
        for function in (input_gradients, guided_gradients, bias_gradients):
            with pytest.raises(error):
                function(network, x, fail)
    assert_same(before, network)
    assert torch.equal(x, original)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_under_any_autograd_mode(make: Callable[[], nn.Module], mode: Callable[[], Any], x: Tensor) -> None:
    network = make()
    expected = every(network, x, score)
    with mode():
        found = every(network, x.clone(), score)
    for one, other in zip(found, expected, strict=True):
        assert not one.is_inference()
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype, x: Tensor) -> None:
    network = gap_net()
    expected = every(network, x, score)
    for half, full in zip(every(network.to(dtype), x.to(dtype), score), expected, strict=True):
        assert half.dtype == torch.float32
        # At some places rounding decides whether a rectifier is open: the whole is compared, not each place.
        assert (half - full).norm() <= 0.1 * full.norm()


def test_checkpointing_does_not_show(x: Tensor) -> None:
    """A network that saves memory by running parts again in the backward, which would miss what was watched."""
    network = trained(timm.create_model("test_resnet", num_classes=3))
    expected = every(network, x, score)
    network.set_grad_checkpointing(True)
    for one, other in zip(every(network, x, score), expected, strict=True):
        torch.testing.assert_close(one, other)
    assert network.grad_checkpointing is True


def test_a_rectifier_that_saturates_adds_a_bias() -> None:
    """relu6(2·x + 1) with x = 4 is 6 whatever x is; with x = 1 it is 2 · 1 + 1."""
    conv = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([2.0, 0, 0]).reshape(1, 3, 1, 1))
        conv.bias.fill_(1.0)  # type: ignore[union-attr]
    network = nn.Sequential(conv, nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.ones(1, 3, 1, 2)
    x[..., 1] = 4
    _, by_input = input_gradients(network, x, lambda logits: logits[:, 0])
    torch.testing.assert_close((x * by_input).sum(1), torch.tensor([[[1.0, 0.0]]]))
    explicit, saturated = bias_gradients(network, x, lambda logits: logits[:, 0])
    torch.testing.assert_close(explicit, torch.tensor([[[[0.5, 0.0]]]]))
    torch.testing.assert_close(saturated, torch.tensor([[[[0.0, 3.0]]]]))  # together 4.5, the mean of 3 and 6


def test_mobilenet_that_saturates_is_complete() -> None:
    torch.manual_seed(0)
    network = torchvision.models.mobilenet_v2(width_mult=0.25, num_classes=5).eval()
    with torch.no_grad():
        network.features[0][0].weight.mul_(40)  # so that many numbers reach 6
    assert why_no_bias_gradients(network, torch.randn(1, 3, 64, 64)) is None
