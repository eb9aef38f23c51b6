"""The fast copy gives the network's own logits, and follows the network."""

from __future__ import annotations

import copy
import pickle
from typing import Literal

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import whylight
from fastnets import fast, inputs, lively, own
from nets import Untraceable, deep_head_net, gap_net
from whylight import engine, methods
from whylight.errors import ModelError
from whylight.models import device as module_under_test
from whylight.models.changes import Watch
from whylight.models.device import why_not_bf16
from whylight.models.fast.copy import Fast

NATIVE = not why_not_bf16(torch.device("cpu"))
needs_bf16 = pytest.mark.skipif(not NATIVE, reason="this processor does not compute in bfloat16")


NETWORKS = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=5),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(num_classes=5),
    "densenet": lambda: torchvision.models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=5),
    "squeezenet": lambda: torchvision.models.squeezenet1_1(num_classes=5),
    "efficientnet": lambda: timm.create_model("efficientnet_b0", num_classes=5),
    "vit": lambda: timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=64),
    "swin": lambda: timm.create_model("swin_tiny_patch4_window7_224", num_classes=5, img_size=64, depths=(1, 1, 1, 1)),
    "convnext": lambda: timm.create_model("convnext_atto", num_classes=5),
    "linear head": gap_net,
    "deep head": deep_head_net,
    "untraceable": Untraceable,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_same_logits(name: str) -> None:
    torch.manual_seed(0)
    network = lively(NETWORKS[name]()).eval()
    if name == "deep head":
        x = inputs(3, 32)
    else:
        x = inputs(3)
    run = fast(network, side=x.shape[-1])
    expected = own(network, x)
    found = run(x)
    assert run.precision == "fp32"
    assert found.dtype == torch.float32
    spread = (expected - expected.mean(1, keepdim=True)).abs().max()
    assert (found - expected).abs().max() <= 1e-4 * spread
    # Other batch sizes, and the memory order it may come in.
    torch.testing.assert_close(run(x[:1].contiguous()), found[:1], rtol=1e-3, atol=float(1e-4 * spread))


@needs_bf16
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit", "swin", "convnext", "efficientnet"])
def test_bf16_agrees(name: str) -> None:
    torch.manual_seed(0)
    network = lively(NETWORKS[name]()).eval()
    x = inputs(4)
    run = fast(network, "auto")
    expected, found = own(network, x), run(x)
    assert run.precision == "bf16", run.why
    assert not torch.equal(found, expected)
    spread = expected - expected.mean(1, keepdim=True)
    assert (found - expected).norm() <= 0.1 * spread.norm()


class Delicate(nn.Module):
    """A small difference of large numbers: float32 holds it, bfloat16 does not."""

    def __init__(self, *, only_far: bool) -> None:
        super().__init__()
        self.only_far = only_far
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3)) * self.scale
        lost = (mean + 1000) - 1000
        if self.only_far:  # harmless near zero, where the probe is
            lost = torch.where(mean.abs() > 1, lost, mean)
        return lost


@needs_bf16
def test_falls_back_where_bf16_is_too_coarse() -> None:
    run = fast(Delicate(only_far=False), "auto")
    x = inputs(3)
    torch.testing.assert_close(run(x), own(run._module, x))
    assert run.precision == "fp32"
    assert "spread" in run.why


@needs_bf16
def test_falls_back_on_the_first_batch_too() -> None:
    run = fast(Delicate(only_far=True), "auto")
    with torch.no_grad():
        run._make()
    assert run.precision == "bf16", "the probe does not show it"
    far = inputs(3) + torch.tensor([5.0, -7.3, 2.2]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(run(far), own(run._module, far))
    assert run.precision == "fp32"
    assert "spread" in run.why


@needs_bf16
def test_insisting_on_bf16() -> None:
    run = fast(Delicate(only_far=False), "bf16")
    assert run(inputs(2)).isfinite().all()
    assert run.precision == "bf16"


def test_a_processor_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "_processor_has_bf16", lambda: False)
    run = fast(gap_net(), "auto")
    run(inputs(1))
    assert run.precision == "fp32"
    assert "processor" in run.why
    with pytest.raises(ModelError, match="'bf16' cannot be had: this processor"):
        fast(gap_net(), "bf16")(inputs(1))


def test_insisting_on_fp32() -> None:
    run = fast(gap_net(), "fp32")
    run(inputs(1))
    assert (run.precision, run.why) == ("fp32", "asked for")


def test_unknown_precision() -> None:
    with pytest.raises(ModelError, match="precision 'fp16'"):
        Fast(gap_net(), inputs(1), precision="fp16")  # type: ignore[arg-type]


def test_nothing_is_copied_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "deepcopy", lambda *_: pytest.fail("copied"))
    fast(gap_net())


def test_the_network_is_left_as_it_was() -> None:
    network = torchvision.models.resnet18(num_classes=5).train()
    network.layer1.eval()
    flags = [part.training for part in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    strides = [p.stride() for p in network.parameters()]
    run = fast(network, "auto")
    run(inputs(2))
    assert [part.training for part in network.modules()] == flags
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert [p.stride() for p in network.parameters()] == strides
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())


def _train(network: nn.Module) -> None:
    for p in network.parameters():
        p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(5))
    torch.optim.SGD(network.parameters(), lr=0.1).step()


def _load(network: nn.Module) -> None:
    network.load_state_dict(lively(torchvision.models.resnet18(num_classes=5)).state_dict())


def _statistics(network: nn.Module) -> None:
    network.layer2[0].bn1.running_mean += 0.5  # type: ignore[union-attr, operator, index]


def _data(network: nn.Module) -> None:
    network.conv1.weight.data.mul_(2)  # type: ignore[union-attr, operator]


def _head(network: nn.Module) -> None:
    network.fc = nn.Linear(512, 5)


@pytest.mark.parametrize("change", [_train, _load, _statistics, _data, _head])
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_follows_the_network(change: object, precision: Literal["fp32", "auto"]) -> None:
    torch.manual_seed(0)
    network = lively(torchvision.models.resnet18(num_classes=5)).eval()
    x, run = inputs(2), fast(network, precision)
    first = run(x)
    change(network)  # type: ignore[operator]
    expected, found = own(network, x), run(x)
    spread = (expected - expected.mean(1, keepdim=True)).norm()
    assert (found - expected).norm() <= 0.1 * spread
    assert (found - first).norm() > 0.1 * spread, "the change shows"


def test_no_new_copy_without_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    network = gap_net()
    run, x = fast(network), inputs(2)
    run(x)
    monkeypatch.setattr(run, "_make", lambda: pytest.fail("made anew"))
    network.train()
    run(x)


def test_again_is_the_same_and_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    network = gap_net()
    run, x = fast(network), inputs(2)
    first = run.again(x)  # nothing was made so far, so it is
    torch.testing.assert_close(first, own(network, x), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(Watch, "changed", lambda self: pytest.fail("looked"))
    assert torch.equal(run.again(x), first)


def test_can_be_copied_and_pickled() -> None:
    network = gap_net()
    run, x = fast(network), inputs(2)
    first = run(x)
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        torch.testing.assert_close(other(x), first)
        assert other._module is not network
        _data_of(other._module)
        assert not torch.allclose(other(x), first), "it follows its own network"
    assert torch.equal(run(x), first)


def _data_of(network: nn.Module) -> None:
    for p in network.parameters():
        p.data.mul_(2)


def test_watch_sees_what_versions_do_not() -> None:
    network = gap_net()
    watch = Watch(network)
    watch.note()
    assert not watch.changed()
    network[0].weight.data[3, 0, 0, 0] += 1
    assert watch.changed()


class Uncopyable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = gap_net()

    def __deepcopy__(self, memo: object) -> Uncopyable:
        raise TypeError("holds a lock")

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_what_cannot_be_copied_runs_itself() -> None:
    network = Uncopyable().train()
    run, x = fast(network, "auto"), inputs(2)
    with torch.no_grad():
        expected = network.body.eval()(x)
    network.train()
    torch.testing.assert_close(run(x), expected)
    assert "cannot be copied (holds a lock)" in run.why
    assert network.training


def test_hooks_are_respected() -> None:
    network = gap_net().eval()
    run, x = fast(network, "auto"), inputs(2)
    plain = run(x)
    handle = network[0].register_forward_hook(lambda part, args, output: output * 2)
    torch.testing.assert_close(run(x), own_hooked := network(x).detach())
    assert not torch.allclose(own_hooked, plain)
    assert "hooks" in run.why
    handle.remove()
    torch.testing.assert_close(run(x), plain)


def test_double_precision_stays() -> None:
    network = gap_net().double()
    run = Fast(network, inputs(1).double())
    torch.testing.assert_close(run(inputs(2)), own(network, inputs(2).double()).float())
    assert run.precision == "float64"
    with pytest.raises(ModelError, match="float64"):
        Fast(network, inputs(1).double(), precision="bf16")(inputs(1))


@needs_bf16
@pytest.mark.parametrize("name", ["rise", "scorecam", "occlusion"])
def test_maps_in_bfloat16_are_those_in_float32(name: str) -> None:
    """Not the logits alone: what methods measure are small differences of large logits."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=5).eval()
    with torch.no_grad():
        network.fc.bias.fill_(20.0)  # bfloat16 has steps of 0.125 there
    model = whylight.wrap(network, size=64)
    x = torch.nn.functional.interpolate(torch.randn(1, 3, 6, 6), size=(64, 64), mode="bilinear")
    method = methods.get(name, **({"masks": 200} if name == "rise" else {}))
    fp32, bf16 = (engine.maps(model, x, [method], [1], precision=kind).flatten() for kind in ("fp32", "bf16"))
    assert not torch.equal(fp32, bf16)
    assert float(torch.corrcoef(torch.stack([fp32, bf16]))[0, 1]) > 0.995


def test_a_network_that_changes_its_type_is_copied_anew() -> None:
    network = gap_net()
    quick = Fast(network, torch.zeros(1, 3, 32, 32))
    x = torch.randn(2, 3, 32, 32)
    before = quick(x)
    network.to(torch.float64)
    torch.testing.assert_close(quick(x), before, rtol=1e-3, atol=1e-3)
    assert quick.precision == "float64"
