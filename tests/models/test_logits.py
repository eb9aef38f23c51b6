"""What a classifier returns, and what it does to its logits at the end: the logit before it is what is explained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import whylight
from whylight.errors import ModelError

GREY = {"size": 64, "mean": (0, 0, 0), "std": (1, 1, 1)}


class Both(NamedTuple):
    """What some networks return."""

    scores: Tensor
    embedding: Tensor


class Net(nn.Module):
    """A small network whose last step can be chosen."""

    def __init__(self, classes: int, end: Callable[[Tensor], Any], factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(8, classes)
        self.end, self.factor = end, factor

    def raw(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.factor * self.fc(self.body(x).mean((2, 3)))

    def forward(self, x: Tensor) -> Any:
        return self.end(self.raw(x))


@pytest.fixture
def x() -> Tensor:
    return torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(1))


ENDS = {
    "module": nn.Softmax(1),
    "function": lambda z: F.softmax(z, dim=-1),
    "method": lambda z: z.softmax(1),
    "then reshaped": lambda z: z.softmax(1).view(len(z), -1).float(),
    "log": nn.LogSoftmax(1),
    "in a dict": lambda z: {"logits": z.softmax(1)},
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(
    "factor", [pytest.param(1.0, id="plain", marks=pytest.mark.long), pytest.param(1e4, id="saturated")]
)
def test_what_went_into_a_softmax_is_explained(end: Callable[[Tensor], Any], factor: float, x: Tensor) -> None:
    net = Net(3, end, factor).eval()
    plain = whylight.explain(whylight.wrap(Net(3, nn.Identity(), factor).eval(), **GREY), x)
    model = whylight.wrap(net, **GREY)
    ex = whylight.explain(model, x)
    assert ex.score == pytest.approx(float(net.raw(x[None]).detach()[0, ex.target]), rel=1e-5)
    assert ex.probability == pytest.approx(float(net.raw(x[None]).detach().softmax(1)[0, ex.target]), rel=1e-5)
    torch.testing.assert_close(ex.map, plain.map)
    assert not ex.is_blank
    assert "softmax" in ex.details["ending"]
    assert "softmax" in repr(model)
    assert repr(model).startswith("Model(Net")
    rise = [
        whylight.explain(one, x, method="rise", precision="fp32").map for one in (model, whylight.wrap(net, **GREY))
    ]
    torch.testing.assert_close(*rise)


def test_a_softmax_of_ones_own_making_is_turned_back(x: Tensor) -> None:
    net = Net(3, lambda z: z.exp() / z.exp().sum(1, keepdim=True)).eval()
    ex = whylight.explain(whylight.wrap(net, **GREY), x)
    assert ex.probability == pytest.approx(float(net(x[None]).detach()[0, ex.target]), rel=1e-5)


def test_a_script_that_ends_in_softmax(x: Tensor) -> None:
    part = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), nn.Softmax(1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer versions say that tracing will go
        net = torch.jit.trace(part.eval(), x[None], check_trace=False)
    model = whylight.wrap_callable(net, **GREY)
    ex = whylight.explain(model, x, method="occlusion")
    assert ex.probability == pytest.approx(float(net(x[None]).detach()[0, ex.target]), rel=1e-4)


@pytest.mark.parametrize(
    "end", [nn.Sigmoid(), torch.sigmoid, lambda z: z.sigmoid()], ids=["module", "function", "method"]
)
def test_sigmoids_are_taken_off(end: Callable[[Tensor], Any], x: Tensor) -> None:
    net = Net(3, end, 100.0).eval()
    model = whylight.wrap(net, **GREY)
    assert model.multilabel
    ex = whylight.explain(model, x)
    assert ex.score == pytest.approx(float(net.raw(x[None]).detach()[0, ex.target]), rel=1e-5)
    assert ex.probability == pytest.approx(float(net(x[None]).detach()[0, ex.target]), rel=1e-5)


def test_raw_scores_are_left_alone(x: Tensor) -> None:
    """Two logits that happen to lie between 0 and 1 are no probabilities."""
    net = Net(2, lambda z: 0.5 + 0.01 * z).eval()
    model = whylight.wrap(net, **GREY)
    assert model.module is net
    assert model.ending == ""
    said = whylight.wrap(net, **GREY, ends_in="sigmoid")
    ex = whylight.explain(said, x)
    assert ex.probability == pytest.approx(float(net(x[None]).detach()[0, ex.target]), rel=1e-5)
    with pytest.raises(ModelError, match="ends_in: expected one of auto, logits, softmax"):
        whylight.wrap(net, **GREY, ends_in="tanh")


@pytest.mark.parametrize(
    "end", [nn.Identity(), nn.Sigmoid(), lambda z: z[:, 0], lambda z: z[:, 0].sigmoid(), lambda z: {"out": z}]
)
@pytest.mark.parametrize("factor", [60.0, -60.0])
def test_one_logit_is_a_sigmoid_with_two_answers(end: Callable[[Tensor], Any], factor: float, x: Tensor) -> None:
    net = Net(1, end, factor).eval()
    model = whylight.wrap(net, **GREY, classes=["no", "yes"])
    z = float(net.raw(x[None]).detach())
    ex = whylight.explain(model, x)
    assert ex.label == ("yes" if z > 0 else "no")
    assert ex.score == pytest.approx(abs(z), rel=1e-5)
    assert ex.probability == pytest.approx(1 / (1 + pow(2.718281828459045, -abs(z))), rel=1e-4)
    yes, no = (whylight.explain(model, x, target=name) for name in ("yes", "no"))
    assert yes.score == pytest.approx(z, rel=1e-5)
    assert no.score == pytest.approx(-z, rel=1e-5)
    assert yes.probability + no.probability == pytest.approx(1)
    torch.testing.assert_close(yes.map, -no.map) if yes.map.min() < 0 else None
    assert not whylight.explain(model, x, method="rise").is_blank
    assert whylight.wrap(net, **GREY, classes=["cat"]).classes == ("not cat", "cat")
    with pytest.raises(ModelError, match="3 names were given, but Net has 2"):
        whylight.wrap(net, **GREY, classes=["a", "b", "c"])


def test_one_channel_of_a_segmentation(x: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 1, 1)).eval()
    model = whylight.wrap(whylight.segmenter(network), layer="network.1", classes=["ground", "road"], **GREY)
    ex = whylight.explain(model, x, target="road")
    assert ex.score == pytest.approx(float(network(x[None]).detach().mean()), rel=1e-4)
    assert ex.probability == pytest.approx(float(network(x[None]).detach().mean().sigmoid()), rel=1e-4)


def test_one_score_of_a_black_box(x: Tensor) -> None:
    model = whylight.wrap_callable(lambda x: 20 * x.mean((1, 2, 3))[:, None] - 12, classes=["no", "yes"], size=64)
    ex = whylight.explain(model, x, method="occlusion", target="no")
    z = 20 * float(x.mean()) - 12
    assert ex.score == pytest.approx(-z, rel=1e-4)
    assert ex.probability == pytest.approx(1 / (1 + 2.718281828459045**z), rel=1e-4)


OUTPUTS: dict[str, tuple[Callable[[Tensor], Any], Any]] = {
    "a dict": (lambda z: {"logits": z}, None),
    "a dict with features": (lambda z: {"features": z.new_zeros(len(z), 5, 2, 2), "out": z}, None),
    "a tuple of one": (lambda z: (z,), None),
    "a list": (lambda z: [z], None),
    "with a map beside it": (lambda z: (z, z.new_zeros(len(z), 8, 4, 4)), None),
    "with an embedding of another length": (lambda z: (z.new_zeros(len(z), 16), z), None),
    "auxiliary first, said": (lambda z: (z * 2, z), 1),
    "a key": (lambda z: {"a": z, "b": z * 2}, "a"),
    "an attribute": (lambda z: Both(z, z), "scores"),
    "a function": (lambda z: {"x": {"y": z}}, lambda found: found["x"]["y"]),
    "behind a convolution": (lambda z: z[:, :, None, None], None),
}


@pytest.mark.parametrize(("end", "output"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_of_many_forms(end: Callable[[Tensor], Any], output: Any, x: Tensor) -> None:
    net = Net(3, end).eval()
    ex = whylight.explain(whylight.wrap(net, **GREY, classes=["a", "b", "c"], output=output), x)
    assert ex.score == pytest.approx(float(net.raw(x[None]).detach()[0, ex.target]), rel=1e-5)
    plain = whylight.explain(whylight.wrap(Net(3, nn.Identity()).eval(), **GREY), x)
    torch.testing.assert_close(ex.map, plain.map)


def test_what_is_not_clear_is_listed() -> None:
    with pytest.raises(
        ModelError, match=r"several could be its logits: say which with output=.*0: \(1, 3\), 1: \(1, 3\)"
    ):
        whylight.wrap(Net(3, lambda z: (z, z + 1)), **GREY)
    with pytest.raises(ModelError, match=r"output='c': Net returns no such part. It returns 'a': \(1, 3\), 'b': str"):
        whylight.wrap(Net(3, lambda z: {"a": z, "b": "text"}), **GREY, output="c")
    with pytest.raises(ModelError, match=r"none has the shape \(N, C\)"):
        whylight.wrap(Net(3, lambda z: (z[:, :, None, None].expand(-1, -1, 4, 4),)), **GREY)
    with pytest.raises(ModelError, match="returned NoneType"):
        whylight.wrap(Net(3, lambda z: None), **GREY)


def test_a_layer_keeps_the_name_that_its_owner_knows(x: Tensor) -> None:
    net = Net(3, nn.Softmax(1)).eval()
    for layer in ("body.0", net.body[0]):
        assert whylight.wrap(net, layer=layer, **GREY).grid == (64, 64)
