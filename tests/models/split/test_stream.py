"""The automatic layer is chosen by what layers compute: the same function, however its parts are wrapped, has the same map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import whylight
from nets import gap_net
from whylight.models.split.stream import is_stream


class LoRA(nn.Module):
    """A layer with a low-rank addition that is zero, as it is before training."""

    def __init__(self, base: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.base = base
        if isinstance(base, nn.Linear):
            self.down: nn.Module = nn.Linear(base.in_features, 2, bias=False)
            self.up: nn.Module = nn.Linear(2, base.out_features, bias=False)
        else:
            self.down = nn.Conv2d(base.in_channels, 2, base.kernel_size, base.stride, base.padding, bias=False)
            self.up = nn.Conv2d(2, base.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 0.5 * self.up(self.down(self.dropout(x)))


class Scaled(nn.Module):
    """A wrapper that hands on the output in another tensor."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(base)

    def forward(self, x: Tensor) -> Tensor:
        return 1.0 * self.inner(x)


def normed(base: nn.Module) -> nn.Module:
    return parametrizations.weight_norm(base)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "lora": LoRA,  # type: ignore[dict-item]
    "weight norm": normed,
    "container": lambda base: nn.Sequential(base),
    "scaled": Scaled,
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vit": lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=3),
    "vit, own forward": lambda: Renamed(timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=3)),
    "torchvision vit": lambda: torchvision.models.VisionTransformer(64, 16, 2, 3, 24, 48, num_classes=3),
    "swin": lambda: torchvision.models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=3),
    "resnet": lambda: torchvision.models.resnet18(num_classes=3),
    "vgg": lambda: torchvision.models.vgg11(num_classes=3),
    "squeezenet": lambda: torchvision.models.squeezenet1_1(num_classes=3),
}


class Renamed(nn.Module):
    """The same network without the methods by which timm's say where their head begins."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def wrapped(network: nn.Module, wrap: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Every linear layer and convolution but the first, wrapped."""
    names = [name for name, part in network.named_modules() if type(part) in (nn.Linear, nn.Conv2d)]
    for name in names[1:]:
        around, _, own = name.rpartition(".")
        parent = network.get_submodule(around)
        # These take their projections' weights alone.
        if not isinstance(parent, nn.MultiheadAttention | torchvision.models.swin_transformer.ShiftedWindowAttention):
            setattr(parent, own, wrap(getattr(parent, own)))
    return network


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.long if name in ("vgg", "resnet") else ()) for name in NETWORKS]
)
def test_wrappers_do_not_move_the_layer(family: str, wrapper: str) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    found = []
    for wrap in (None, WRAPPERS[wrapper]):
        torch.manual_seed(0)
        network = NETWORKS[family]()
        for value in network.parameters():
            if value.ndim > 1:
                nn.init.normal_(value, std=0.1)
        network = network if wrap is None else wrapped(network, wrap)
        found.append(whylight.wrap(network.eval(), size=64))
    plain, other = found
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(other.logits(x), plain.logits(x), rtol=1e-3, atol=1e-4)
    assert other.grid == plain.grid
    assert other.channels == plain.channels
    one, two = (whylight.explain(model, picture, method="gradcam", target=1).map for model in found)
    torch.testing.assert_close(one, two, rtol=1e-2, atol=1e-3 * float(one.abs().max()))


def test_what_layers_compute() -> None:
    tokens = torch.randn(1, 9, 8)

    class Root(nn.Module):
        """RMS norm written out."""

        def forward(self, x: Tensor) -> Tensor:
            return x * x.pow(2).mean(-1, keepdim=True).rsqrt()

    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x.transpose(1, 2).reshape(x.shape)

    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    linear = nn.Linear(8, 8)
    streams = [nn.LayerNorm(8), Root(), block, nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))]
    within = [
        linear,
        nn.Sequential(linear),
        LoRA(linear),
        normed(nn.Linear(8, 8)),
        nn.GELU(),
        nn.Sequential(nn.ReLU()),
        Doubled(),
    ]
    assert all(is_stream(part.eval(), (tokens,), {}) for part in streams)
    assert not any(is_stream(part.eval(), (tokens,), {}) for part in within)


class Chunked(nn.Module):
    """A wrapper that runs its network on some inputs at a time, to save memory."""

    def __init__(self, network: nn.Module, some: int) -> None:
        super().__init__()
        self.network, self.some = network, some

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.network(part) for part in x.split(self.some)])


@pytest.mark.parametrize("some", [1, 2, 3])
@pytest.mark.parametrize("method", ["gradcam", "cam", "layercam", "scorecam", "gradcam++", "saliency"])
def test_chunking_wrappers(some: int, method: str) -> None:
    network = gap_net().eval()
    pictures = list(np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8))
    plain, chunked = (whylight.wrap(one, size=32) for one in (network, Chunked(network, some)))
    assert chunked.why_not(method) is None
    x = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(chunked.logits(x), plain.logits(x))
    asked = {"method": method, "target": 1, "batch_size": 5, "precision": "fp32"}
    expected, found = (whylight.explain(model, pictures, **asked) for model in (plain, chunked))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b.map, a.map, rtol=1e-3, atol=1e-3 * float(a.map.abs().max()))
