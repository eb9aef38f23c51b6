"""The split is found, exact, and has the right grid, on torchvision's families and transformers of all makes; see test_zoo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import whylight
from whylight import engine

SIZE = 64
ON_THE_GRID = ("cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam")
FAMILIES: dict[str, tuple[Callable[[], nn.Module], int, tuple[int, int], bool]] = {
    # name: (network, input size, grid, whether the head is global average pooling + linear)
    "timm ViT": (lambda: _vit(), SIZE, (4, 4), False),
    "timm ViT with registers": (lambda: _vit(reg_tokens=4), SIZE, (4, 4), False),
    "timm ViT, mean of tokens": (lambda: _vit(global_pool="avg", class_token=False), SIZE, (4, 4), False),
    "torchvision ResNet": (lambda: torchvision.models.resnet18(num_classes=5), SIZE, (2, 2), True),
    "torchvision MobileNetV2": (lambda: torchvision.models.mobilenet_v2(num_classes=5), SIZE, (2, 2), True),
    "torchvision SqueezeNet": (lambda: torchvision.models.squeezenet1_1(num_classes=5), SIZE, (3, 3), True),
    "torchvision VGG": (lambda: torchvision.models.vgg11(num_classes=5), SIZE, (2, 2), False),
    "torchvision DenseNet": (lambda: torchvision.models.densenet121(num_classes=5), SIZE, (2, 2), True),
    "torchvision EfficientNet": (lambda: torchvision.models.efficientnet_b0(num_classes=5), SIZE, (2, 2), True),
    "torchvision ConvNeXt": (lambda: torchvision.models.convnext_tiny(num_classes=5), SIZE, (2, 2), False),
    "torchvision ViT": (lambda: _torchvision_vit(), SIZE, (4, 4), False),
    "torchvision Swin": (lambda: torchvision.models.swin_t(num_classes=5), SIZE, (2, 2), True),
}


def _vit(**options: object) -> nn.Module:
    network = VisionTransformer(
        img_size=SIZE, patch_size=16, embed_dim=48, depth=2, num_heads=3, num_classes=5, **options
    )
    nn.init.normal_(network.head.weight, std=0.1)
    return network


def _torchvision_vit() -> nn.Module:
    return torchvision.models.VisionTransformer(SIZE, 16, 2, 3, 48, 96, num_classes=5)  # its new head is all zeros


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=pytest.mark.long if "VGG" in name else ()) for name in FAMILIES]
)
def test_family(family: str) -> None:
    torch.manual_seed(0)
    make, size, grid, linear = FAMILIES[family]
    network = make().eval()
    model = whylight.wrap(network, size=size)
    x = torch.randn(2, 3, size, size)

    assert model.grid == grid
    assert (model.linear is not None) == linear
    assert model.split_kind.startswith("exact")
    with torch.no_grad():
        expected = network(x)
    a = model.features(x)
    assert a.shape == (2, model.channels, *grid)
    torch.testing.assert_close(model.head(a), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.logits(x), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model.predict(x), expected.softmax(1), rtol=1e-3, atol=1e-4)

    methods = [method for method in ON_THE_GRID if method in model.applicable_methods()]
    assert ("cam" in methods) == linear
    maps = engine.maps(model, x, methods, [3])
    assert maps.shape == (len(methods), 1, 2, *grid)
    assert maps.isfinite().all()
    if family != "torchvision ViT":  # whose new head is all zeros
        assert maps[methods.index("hirescam")].abs().max() > 0


@pytest.mark.parametrize("family", ["timm ViT with registers", "torchvision MobileNetV2"])
def test_gradients_equal_those_of_the_whole_network(family: str) -> None:
    """hirescam sums g ⊙ A; a finite difference along A through the whole head must agree."""
    torch.manual_seed(0)
    make, size, _, _ = FAMILIES[family]
    model = whylight.wrap(make().eval(), size=size)
    x = torch.randn(1, 3, size, size)
    a = model.features(x)
    with torch.no_grad():
        up, down = (model.head(a * (1 + step), like=a)[0, 2].double() for step in (1e-2, -1e-2))
    slope = float(up - down) / 2e-2
    hires = engine.maps(model, x, ["hirescam"], [2])
    assert float(hires.sum()) == pytest.approx(slope, rel=2e-2, abs=1e-4)
