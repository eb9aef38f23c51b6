"""A gradient that is cut off is no finding about the picture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import whylight
from whylight.errors import ModelError


class Cut(nn.Module):
    """A network with something between its convolutions and its head."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.fc, self.between = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)), between

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.between(self.body(x)).mean((2, 3)))


def without_grad(a: Tensor) -> Tensor:
    if bool(a.isnan().any()):  # a look at values, so that no trace is made, in which no_grad would be lost
        return a
    with torch.no_grad():
        return a * 1.0


CUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "detach": lambda a: a.detach(),
    "no_grad": without_grad,
    "round": lambda a: (a * 100).round() / 100,
    "NumPy": lambda a: torch.from_numpy(a.detach().numpy().copy()),
}


@pytest.mark.parametrize("between", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("method", ["gradcam", "layercam", "hirescam", "saliency", "integrated-gradients"])
def test_a_gradient_that_is_cut_off_is_said_to_be(between: Callable[[Tensor], Tensor], method: str) -> None:
    model = whylight.wrap(Cut(between).eval(), layer="body", size=32, mean=(0, 0, 0), std=(1, 1, 1))
    x = torch.rand((3, 32, 32), generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        ModelError, match=r"no gradient reaches (layer 'body'|the input) of Cut, although its logits depend on it"
    ):
        whylight.explain(model, x, method=method)
    assert not whylight.explain(model, x, method="eigencam").is_blank


def test_a_picture_that_shows_nothing_is_blank_and_no_error() -> None:
    """Where gradients can come back, a zero one is an answer."""
    net = Cut(lambda a: (a - 100).relu() + 0 * a).eval()
    model = whylight.wrap(net, layer="body", size=32, mean=(0, 0, 0), std=(1, 1, 1))
    assert whylight.explain(model, torch.zeros(3, 32, 32), method="gradcam").is_blank
