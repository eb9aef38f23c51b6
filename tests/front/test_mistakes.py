"""Plain mistakes at the front door get a sentence of ours, and what only looks like one works."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import whylight
from whylight.errors import WhylightError

GREY: dict[str, Any] = {"size": 64, "mean": (0, 0, 0), "std": (1, 1, 1)}
X = torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(0))


def net(classes: int = 3, channels: int = 3, head: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    body = [nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(8, classes), *([] if head is None else [head])).eval()


class Raises(nn.Module):
    """A network with a fault of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.conv, self.error = nn.Conv2d(3, 4, 3), error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


MODEL = whylight.wrap(net(), **GREY)
MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "explain a network": (lambda: whylight.explain(net(), X), "Sequential is a network .* wrap it first"),  # type: ignore[arg-type]
    "explain each of a network": (lambda: list(whylight.explain_each(net(), [X])), "wrap it first"),  # type: ignore[arg-type]
    "locate with a network": (lambda: whylight.locate(net(), X), "wrap it first"),  # type: ignore[arg-type]
    "explain a name": (lambda: whylight.explain("face", X), "expected one from whylight.load"),  # type: ignore[arg-type]
    "layers for a layer": (lambda: whylight.wrap(net(), layer=["0"], **GREY), "layer: expected one submodule"),  # type: ignore[arg-type]
    "a number for a layer": (lambda: whylight.wrap(net(), layer=0, **GREY), "layer: expected one submodule"),  # type: ignore[arg-type]
    "shapes that differ": (
        lambda: whylight.explain(MODEL, [X, X[:, :32]]),
        r"one shape, not \(3, 64, 64\) and \(3, 32, 64\)",
    ),
    "no pictures": (lambda: whylight.explain(MODEL, None), "pictures: expected paths"),  # type: ignore[arg-type]
    "a number for pictures": (lambda: whylight.explain(MODEL, 5), "pictures: expected paths"),  # type: ignore[arg-type]
    "NaN in the input": (
        lambda: whylight.explain(MODEL, X * float("nan")),
        "it is the input that does, not the network",
    ),
    "infinity in the input": (lambda: whylight.explain(MODEL, X / 0, method="rise"), "it is the input that does"),
    "weights that are nowhere": (lambda: whylight.wrap(net().to("meta"), **GREY), "on the meta device"),
    "a size in words": (lambda: whylight.wrap(net(), size="64"), "size: expected a side"),  # type: ignore[arg-type]
    "three sizes": (lambda: whylight.wrap(net(), size=(3, 64, 64)), "size: expected a side"),  # type: ignore[arg-type]
    "a number of classes": (lambda: whylight.wrap(net(), classes=3, **GREY), "classes: expected a list of names"),  # type: ignore[arg-type]
    "letters for classes": (lambda: whylight.wrap(net(), classes="abc", **GREY), "classes: expected a list of names"),
    "one mean": (lambda: whylight.wrap(net(), size=64, mean=0.5), "mean: expected three numbers"),  # type: ignore[arg-type]
    "volumes": (lambda: whylight.wrap(nn.Sequential(nn.Conv3d(1, 2, 3)), **GREY), "takes volumes"),
    "sequences": (lambda: whylight.wrap(nn.Sequential(nn.Conv1d(1, 2, 3)), **GREY), "takes sequences"),
    "one channel": (lambda: whylight.wrap(net(channels=1), **GREY), "takes 1 channels, and pictures have 3"),
    "thirteen channels": (lambda: whylight.wrap(net(channels=13), **GREY), "takes 13 channels"),
    "a script": (lambda: whylight.wrap(torch.jit.script(net()), **GREY), "wrap_callable"),
}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("make", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(WhylightError, match=said):
        make()


@pytest.mark.parametrize(
    "error", [KeyError("a"), AttributeError("b"), IndexError("c"), ZeroDivisionError("d"), Exception("e")]
)
def test_a_network_that_fails_is_named(error: Exception) -> None:
    with pytest.raises(WhylightError, match=f"Raises does not run on an input of shape .*{type(error).__name__}: "):
        whylight.wrap(Raises(error), **GREY)


def test_wrapped_under_autocast() -> None:
    with torch.autocast("cpu"):
        model = whylight.wrap(net(), **GREY)
        found = whylight.explain(model, X)
    torch.testing.assert_close(found.map, whylight.explain(MODEL, X).map)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_model_can_be_copied_and_pickled(name: str) -> None:
    model = whylight.load(name, pretrained=False, device="cpu")
    pixels = np.full((40, 50, 3), 90, np.uint8)
    pixels[10:20, 10:20] = 200
    expected = whylight.explain(model, pixels)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(whylight.explain(twin, pixels).map, expected.map)


def test_a_networks_own_train_and_eval_are_not_called() -> None:
    class Own(nn.Sequential):
        def train(self, mode: bool = True) -> Own:
            raise AssertionError("train was called")

        def eval(self) -> Own:
            raise AssertionError("eval was called")

    model = whylight.wrap(Own(*net()), **GREY)
    assert whylight.explain(model, X).verify().sentence


@pytest.mark.parametrize("where", ["whole", "in place", "inside"])
def test_compiled_networks(where: str) -> None:
    network: nn.Module = net()
    if where == "whole":
        network = torch.compile(network, backend="eager")  # type: ignore[assignment]
    elif where == "in place":
        network.compile(backend="eager")
    else:
        network = nn.Sequential(torch.compile(net()[:2], backend="eager"), *net()[2:])  # type: ignore[arg-type]
    found = whylight.explain(whylight.wrap(network, **GREY), X)
    torch.testing.assert_close(found.map, whylight.explain(MODEL, X).map)


class NoNaN(nn.Module):
    """A head through which no NaN passes, or which refuses one."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, z: Tensor) -> Tensor:
        if self.how == "nan_to_num":
            return z.nan_to_num()
        if self.how == "where":
            return torch.where(z > -100, z, 0.0)
        if z.isnan().any():
            raise RuntimeError("NaN")
        return z


@pytest.mark.parametrize("how", ["nan_to_num", "where", "refuses"])
def test_heads_through_which_no_nan_passes(how: str) -> None:
    found = whylight.explain(whylight.wrap(net(head=NoNaN(how)), **GREY), X)
    torch.testing.assert_close(found.map, whylight.explain(MODEL, X).map)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch, about its own future
def test_quantised_networks() -> None:
    quantised = torch.ao.quantization.quantize_dynamic(net(), {nn.Linear})
    found = whylight.explain(whylight.wrap(quantised, **GREY), X, method="occlusion")
    assert found.score == pytest.approx(float(quantised(X[None])[0, found.target].detach()), rel=1e-4)
    assert not found.is_blank
