"""What must hold exactly on a head of global average pooling and one linear layer, through the engine."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import whylight
from nets import OneConv, deep_head_net, gap_net
from whylight import engine, methods
from whylight.models.model import Model

TARGET = 1


@pytest.fixture
def model() -> Model:
    return whylight.wrap(gap_net(), size=32)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((3, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def run(model: Model, x: Tensor, name: str) -> Tensor:
    return engine.maps(model, x, [name], [TARGET])[0, 0]


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_gradcam_before_relu_is_cam_over_places(model: Model, x: Tensor) -> None:
    h, w = model.grid
    close(run(model, x, "gradcam"), (run(model, x, "cam") / (h * w)).relu())


def test_hirescam_is_gradcam_before_relu(model: Model, x: Tensor) -> None:
    close(run(model, x, "hirescam").relu(), run(model, x, "gradcam"))


def test_sum_of_hirescam_is_logit_minus_bias(model: Model, x: Tensor) -> None:
    assert model.linear is not None
    close(run(model, x, "hirescam").sum((1, 2)), model.logits(x)[:, TARGET] - model.linear.bias[TARGET])


def test_xgradcam_weights_are_gradcam_weights(model: Model, x: Tensor) -> None:
    close(run(model, x, "xgradcam"), run(model, x, "gradcam"))


def test_ablation_weight_times_score_is_weight_times_mean(model: Model, x: Tensor) -> None:
    assert model.linear is not None
    a = model.features(x)
    s = model.logits(x)[:, TARGET]
    weights = model.linear.weight[TARGET] * a.mean((2, 3)) / s.abs().unsqueeze(1)
    close(run(model, x, "ablationcam"), torch.einsum("nk,nkhw->nhw", weights, a).relu())


@pytest.mark.parametrize(
    "name", ["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam"]
)
def test_closed_forms_equal_autograd(model: Model, x: Tensor, name: str) -> None:
    """The same network without its closed form: the head runs, and autograd works the gradients out."""
    closed = run(model, x, name)
    model.linear = None
    close(run(model, x, name), closed)


@pytest.mark.parametrize("name", ["gradcam", "layercam", "ablationcam", "cam"])
def test_function_target_equals_class_target(model: Model, x: Tensor, name: str) -> None:
    as_function = engine.maps(model, x, [name], [lambda logits: logits[:, TARGET]])[0, 0]
    close(as_function, run(model, x, name))


def test_difference_of_two_logits(model: Model, x: Tensor) -> None:
    both = engine.maps(model, x, ["cam"], [0, 2, lambda logits: logits[:, 0] - logits[:, 2]])[0]
    close(both[2], both[0] - both[1])


def test_gradients_are_those_of_the_whole_network(x: Tensor) -> None:
    """Against autograd through the whole network, with the layer's output caught by hand."""
    network = deep_head_net().eval()
    a = network[1](network[0](x)).detach().requires_grad_()
    logits = network[2:](a.clone())
    (g,) = torch.autograd.grad(logits[:, TARGET].sum(), a)
    model = whylight.wrap(network, size=32)
    assert model.linear is None
    close(run(model, x, "hirescam"), (g * a).sum(1).detach())
    close(run(model, x, "gradcam"), F.relu((g.mean((2, 3), keepdim=True) * a).sum(1)).detach())


@pytest.mark.parametrize("shift", [-50.0, 50.0])
def test_ablation_keeps_its_sign(model: Model, x: Tensor, shift: float) -> None:
    """With a linear head its weights are HiRes-CAM's but for a factor, whatever the sign of the score."""
    other = copy.deepcopy(model.module)
    with torch.no_grad():
        next(part for part in reversed(list(other.modules())) if isinstance(part, torch.nn.Linear)).bias += shift
    moved = whylight.wrap(other, preprocessing=model.preprocessing)
    found, hires = (run(moved, x, name).flatten() for name in ("ablationcam", "hirescam"))
    assert torch.corrcoef(torch.stack([found, hires]))[0, 1] > 0.7


def test_ablation_runs_the_head_and_not_the_batch(x: Tensor) -> None:
    """Weights by hand, one channel at a time; and a picture's map does not depend on its neighbours in the batch."""
    network = deep_head_net().eval()
    model = whylight.wrap(network, size=32)
    maps = run(model, x, "ablationcam")
    for n in range(len(x)):
        a = model.features(x[n : n + 1])
        s = model.head(a)[0, TARGET]
        weights = []
        for k in range(a.shape[1]):
            without = a.clone()
            without[:, k] = 0
            weights.append((s - network[2:](without)[0, TARGET]) / s.abs())
        close(maps[n], torch.einsum("k,khw->hw", torch.stack(weights), a[0]).relu().detach())
        close(run(model, x[n : n + 1], "ablationcam")[0], maps[n])


def test_captum_published_values() -> None:
    """captum's own expectations for Grad-CAM on this network (tests/attr/layer/test_grad_cam.py), target 0."""
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    for layer, expected in {"conv1": [[11.25, 13.5], [20.25, 22.5]], "relu1": [[0.0, 4.0], [28.0, 32.5]]}.items():
        model = whylight.wrap(OneConv(), layer=layer, size=4)
        a, g = _evidence(model, x)
        before_relu = methods.cam(a, g.mean((2, 3)))[0]
        torch.testing.assert_close(before_relu, torch.tensor(expected), rtol=0, atol=1e-4)
        torch.testing.assert_close(engine.maps(model, x, ["gradcam"], [0])[0, 0, 0], torch.tensor(expected).relu())


def _evidence(model: Model, x: Tensor) -> tuple[Tensor, Tensor]:
    seen: dict[str, Tensor] = {}

    @methods.register("spy", units="")
    def spy(activations: Tensor, gradients: Tensor) -> Tensor:
        seen.update(a=activations, g=gradients)
        return activations.sum(1)

    try:
        engine.maps(model, x, ["spy"], [0])
    finally:
        methods.unregister("spy")
    return seen["a"], seen["g"]
