"""Folded batch norm: the same numbers, and never yesterday's weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import whylight
from whylight.models.split.fold import ConvNorm
from whylight.models.split.graph import GraphSplit


class Net(nn.Module):
    """Two convolutions with batch norm, one of them strided and grouped, and a head that keeps autograd busy."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.fc = nn.Linear(8, 3)
        for norm in (self.stem[1], self.body[1]):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.body(self.stem(x)).mean((2, 3)))


X = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def split_of(network: Net) -> tuple[GraphSplit, whylight.Model]:
    model = whylight.wrap(network, size=32)
    assert isinstance(model.split, GraphSplit)
    return model.split, model


def test_it_is_folded_and_the_same() -> None:
    network = Net().eval()
    split, model = split_of(network)
    folded = [part for part in split._body.modules() if isinstance(part, ConvNorm)]
    assert len(folded) == 2
    assert all(part._weight is not None for part in folded)
    torch.testing.assert_close(model.logits(X), network(X).detach())
    assert isinstance(network.stem[1], nn.BatchNorm2d), "the network's own layers stay"


def step(network: Net) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    network(X).pow(2).sum().backward()
    optimizer.step()


def through_data(network: Net) -> None:
    network.body[0].weight.data.mul_(3)  # an average of weights is often written like this; no version counter sees it


def new_parameter(network: Net) -> None:
    network.stem[0].weight = nn.Parameter(torch.randn_like(network.stem[0].weight))


def other_state(network: Net) -> None:
    network.load_state_dict({name: value * 1.5 for name, value in network.state_dict().items()})


def statistics(network: Net) -> None:
    network.train()
    network(X * 4 + 1)
    network.eval()


def statistics_through_data(network: Net) -> None:
    network.stem[1].running_var.data.mul_(4)


@pytest.mark.parametrize(
    "change",
    [step, through_data, new_parameter, other_state, statistics, statistics_through_data],
    ids=lambda f: f.__name__,
)
def test_changed_weights_are_seen(change: Callable[[Net], None]) -> None:
    network = Net().eval()
    _, model = split_of(network)
    before = model.logits(X)
    change(network)
    torch.testing.assert_close(model.logits(X), network(X).detach())
    assert not torch.allclose(model.logits(X), before)


def test_half_precision_is_not_folded() -> None:
    network = Net().eval()
    _, model = split_of(network)
    network.bfloat16()
    torch.testing.assert_close(model.logits(X), network(X.bfloat16()).detach())


def test_hooks_on_the_layers_still_run() -> None:
    network = Net().eval()
    _, model = split_of(network)
    network.stem[0].register_forward_hook(lambda part, inputs, output: output * 2)
    torch.testing.assert_close(model.logits(X), network(X).detach())


def test_a_norm_with_another_reader_stays() -> None:
    """The convolution's own output is used too, so it cannot be folded away."""

    class Shared(Net):
        def forward(self, x: Tensor) -> Tensor:
            plain = self.stem[0](x)
            return self.fc((self.stem[1](plain) + plain).relu().mean((2, 3)))

    network = Shared().eval()
    split, model = split_of(network)
    assert not any(isinstance(part, ConvNorm) for part in split._body.modules())
    torch.testing.assert_close(model.logits(X), network(X).detach())
