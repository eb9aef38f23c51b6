"""The network comes back exactly as it was given, whatever happens, and works in whatever state it comes."""

from __future__ import annotations

import gc
import resource
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import whylight
from handed_back import assert_same, state_of
from nets import Untraceable, deep_head_net, gap_net
from whylight import engine, methods

NETWORKS = {"closed form": gap_net, "deep head": deep_head_net, "hooks": Untraceable}
EVERY = ["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam"]


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request: pytest.FixtureRequest) -> nn.Module:
    """A network in a mixed state: training, but for one part; one parameter frozen; gradients lying about."""
    network: nn.Module = request.param()
    network.train()
    next(iter(network.children())).eval()
    next(iter(network.parameters())).requires_grad_(False)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    return network


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def test_after_success(network: nn.Module, x: Tensor) -> None:
    before = state_of(network)
    model = whylight.wrap(network, size=32)
    assert_same(before, network)
    maps = engine.maps(model, x, EVERY, [0, 2])
    assert maps.shape == (len(EVERY), 2, 2, *model.grid)
    assert maps.isfinite().all()
    model.predict(x)
    model.head(model.features(x))
    assert_same(before, network)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place", ["target", "method", "network"])
def test_after_an_exception(network: nn.Module, x: Tensor, error: type[BaseException], place: str) -> None:
    model = whylight.wrap(network, size=32)
    before = state_of(network)

    def fail(*args: Any) -> Tensor:
        raise error("on purpose")

    @methods.register("failing", units="")
    def failing(activations: Tensor, gradients: Tensor) -> Tensor:
        return fail()

    last = list(network.children())[-1]
    handle = last.register_forward_hook(fail) if place == "network" else None
    try:
        with pytest.raises(error):
            engine.maps(model, x, ["failing" if place == "method" else "gradcam"], [fail if place == "target" else 0])
    finally:
        methods.unregister("failing")
        if handle is not None:
            handle.remove()
    assert_same(before, network)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_under_any_autograd_mode(network: nn.Module, x: Tensor, mode: Callable[[], Any]) -> None:
    model = whylight.wrap(network, size=32)
    expected = engine.maps(model, x, EVERY, [0])
    with mode():
        enabled = torch.is_grad_enabled()
        inside = engine.maps(model, x.clone(), EVERY, [0])  # the clone is an inference tensor under inference_mode
        assert torch.is_grad_enabled() == enabled
    torch.testing.assert_close(inside, expected)
    assert torch.is_grad_enabled()


def test_frozen_network(network: nn.Module, x: Tensor) -> None:
    expected = engine.maps(whylight.wrap(network, size=32), x, EVERY, [0])
    network.requires_grad_(False)
    torch.testing.assert_close(engine.maps(whylight.wrap(network, size=32), x, EVERY, [0]), expected)
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(network: nn.Module, x: Tensor, dtype: torch.dtype) -> None:
    expected = engine.maps(whylight.wrap(network, size=32), x, ["gradcam", "layercam"], [0])
    maps = engine.maps(whylight.wrap(network.to(dtype), size=32), x, ["gradcam", "layercam"], [0])
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps, expected, rtol=0.1, atol=0.05 * float(expected.max()))


def test_two_threads_share_a_network(network: nn.Module) -> None:
    model = whylight.wrap(network, size=32)
    inputs = [torch.randn((1, 3, 32, 32), generator=torch.Generator().manual_seed(seed)) for seed in range(20)]
    expected = [engine.maps(model, x, ["gradcam"], [0]) for x in inputs]
    before = state_of(network)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: engine.maps(model, x, ["gradcam"], [0]), inputs * 5))
    for got, wanted in zip(found, expected * 5, strict=True):
        torch.testing.assert_close(got, wanted)
    assert_same(before, network)


def test_the_picture_is_not_written_to(network: nn.Module, x: Tensor) -> None:
    model, before = whylight.wrap(network, size=32), x.clone()
    engine.maps(model, x, EVERY, [0])
    assert torch.equal(x, before)


def test_further_training_is_seen(x: Tensor) -> None:
    """The closed form reads the live weights."""
    network = gap_net()
    model = whylight.wrap(network, size=32)
    before = engine.maps(model, x, ["cam"], [0])
    with torch.no_grad():
        network[-1].weight.mul_(2)
    torch.testing.assert_close(engine.maps(model, x, ["cam"], [0]), before * 2)


@pytest.mark.long
@pytest.mark.parametrize(
    "make",
    [pytest.param(make, id=name) for name, make in NETWORKS.items()],
)
def test_memory_stays_flat(make: Callable[[], nn.Module], x: Tensor) -> None:
    """500 explanations in a row leave neither tensors nor Python objects behind."""
    model = whylight.wrap(make(), size=32)
    picture = model.preprocessing.restore(x[0])

    def explain(times: int) -> None:
        for _ in range(times):
            whylight.explain(model, picture, methods=["gradcam", "layercam"], targets=[None, 1])

    explain(100)
    gc.collect()
    resident = resident_bytes()
    tensors = sum(1 for thing in gc.get_objects() if type(thing) is Tensor)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    explain(500)
    gc.collect()
    grown_outside = resident_bytes() - resident
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    assert sum(1 for thing in gc.get_objects() if type(thing) is Tensor) <= tensors
    assert grown < 200_000, f"{grown} bytes of Python objects stayed after 500 explanations"
    # Autograd graphs and tensors' storage live outside Python. One forgotten picture an explanation would be 10 MB.
    assert grown_outside < 8_000_000, f"the process grew by {grown_outside} bytes in 500 explanations"


def resident_bytes() -> int:
    """Memory of this process, 0 where the system does not tell (then only Python's own objects are counted)."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.exists() else 0
