"""Which parts are trained, and the reading at each cell."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from whylight.errors import ModelError, TrainError
from whylight.models.zoo.architectures import build
from whylight.train.network import Reader, blocks, freeze, train_mode


def test_blocks_of_known_networks() -> None:
    assert [name for name, _ in blocks(build("torchvision/mobilenet_v2", classes=2))] == [
        *(f"features.{k}" for k in range(19)),
        "classifier.1",
    ]
    assert [name for name, _ in blocks(build("resnet18", classes=2))][-3:] == ["layer4.0", "layer4.1", "fc"]


def test_unfreeze_trains_the_last_blocks_and_the_classifier() -> None:
    module = build("resnet18", classes=2)
    freeze(module, 1)
    trained = {
        name.split(".")[0] + "." + name.split(".")[1] for name, p in module.named_parameters() if p.requires_grad
    }
    assert trained == {"layer4.1", "fc.weight", "fc.bias"}
    train_mode(module, freeze_bn=False)
    assert not module.bn1.training  # type: ignore[union-attr]
    assert module.layer4[1].bn1.training  # type: ignore[index, union-attr]
    train_mode(module, freeze_bn=True)
    assert not any(m.training for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    with pytest.raises(TrainError, match="blocks besides fc, not 99"):
        freeze(module, 99)


@pytest.mark.parametrize("arch", ["torchvision/mobilenet_v2", "test_resnet.r160_in1k"])
def test_cells_average_to_the_logits(arch: str) -> None:
    module = build(arch, classes=3)
    read = Reader(module, 64)
    x = torch.randn(2, 3, 64, 64)
    logits, cells = read(x)
    assert cells.shape == (2, 3, *read.grid)
    assert torch.allclose(cells.mean((2, 3)), logits, atol=1e-4)
    assert torch.allclose(module(x), logits, atol=1e-5)
    assert not module._forward_hooks


def test_a_head_that_is_not_pooling_and_one_layer_is_refused() -> None:
    with pytest.raises(ModelError, match="does not end in global average pooling"):
        Reader(build("torchvision/alexnet", classes=2), 64)
