"""What a run starts from: dropout where it was asked for, and what a model file of ours brings along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from whylight.errors import TrainError
from whylight.images.preprocess import Preprocess
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import ModelSpec, load_weights, save_weights
from whylight.train import TrainConfig, train
from whylight.train.start import set_dropout, start

Make = Callable[..., TrainConfig]
CLASSES = ("disc", "empty")


@pytest.mark.parametrize("arch", ["test_resnet.r160_in1k", "test_vit", "torchvision/mobilenet_v2"])
def test_dropout_is_drawn_in_training_and_only_then(settings: Make, arch: str) -> None:
    size = 160 if arch == "test_vit" else 32
    module, spec = start(settings(arch=arch, dropout=0.5, size=size), CLASSES)
    x = torch.randn(8, 3, size, size)
    with torch.no_grad():
        assert torch.equal(module(x), module(x))
        for layer in module.modules():  # so that nothing but dropout differs between two runs
            layer.train(not isinstance(layer, nn.BatchNorm2d))
        assert not torch.equal(module(x), module(x))
    assert "drop_rate" not in spec.options


def test_dropout_elsewhere_is_left_alone() -> None:
    module = build("torchvision/vgg11", classes=2)
    set_dropout(module, 0.25)
    rates = [layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.5, 0.25]


def test_dropout_of_a_timm_transformer_stays_out_of_its_blocks(settings: Make) -> None:
    module, _ = start(settings(arch="test_vit", dropout=0.5, size=160), CLASSES)
    rates = {name: layer.p for name, layer in module.named_modules() if isinstance(layer, nn.Dropout) and layer.p > 0}
    assert rates == {"head_drop": 0.5}


@pytest.mark.parametrize("arch", ["torchvision/resnet18", pytest.param("torchvision/vit_b_32", marks=pytest.mark.long)])
def test_no_dropout_before_the_classifier(settings: Make, arch: str) -> None:
    with pytest.raises(TrainError, match="none right before its classifier"):
        start(settings(arch=arch, dropout=0.5, size=224), CLASSES)


@pytest.fixture
def folded(tmp_path: Path) -> tuple[Path, nn.Module]:
    """A run folder with a folded model of its own mean, std and filter."""
    spec = ModelSpec(
        "torchvision/mobilenet_v2",
        CLASSES,
        Preprocess(size=(64, 96), mode="crop", crop_pct=0.9, interpolation="bicubic", mean=(0.1, 0.2, 0.3)),
        output_stride=16,
        options={"fold_batch_norm": True},
    )
    torch.manual_seed(3)
    module = spec.build()
    save_weights(tmp_path / "before" / "model.safetensors", module, spec)
    return tmp_path / "before", module


@pytest.mark.parametrize("fold_bn", [True, False])
def test_a_folded_model_of_ours_starts_a_training(
    settings: Make, folded: tuple[Path, nn.Module], fold_bn: bool
) -> None:
    remarks: list[str] = []
    config = settings(
        arch="torchvision/mobilenet_v2", scratch=False, weights=str(folded[0]), fold_bn=fold_bn, dropout=0.1
    )
    module, spec = start(config, CLASSES, remarks.append)
    before = folded[1].state_dict()
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())
    assert spec.output_stride == 16
    assert spec.options == {"fold_batch_norm": True}
    assert spec.preprocess == Preprocess(size=(32, 32), interpolation="bicubic", mean=(0.1, 0.2, 0.3))
    assert "output stride 16" in remarks[0]
    assert ("folded batch norm" in remarks[0]) is not fold_bn


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_other_classes_get_a_new_classifier(
    settings: Make, folded: tuple[Path, nn.Module], classes: tuple[str, ...]
) -> None:
    remarks: list[str] = []
    module, _ = start(
        settings(arch="torchvision/mobilenet_v2", scratch=False, weights=str(folded[0])), classes, remarks.append
    )
    before = folded[1].state_dict()
    other = [
        name
        for name, value in module.state_dict().items()
        if value.shape != before[name].shape or not torch.equal(value, before[name])
    ]
    assert "classifier.1.weight" in other
    assert set(other) <= {"classifier.1.weight", "classifier.1.bias"}
    assert "classifier is replaced" in remarks[0]


def test_another_architecture_is_refused(settings: Make, folded: tuple[Path, nn.Module]) -> None:
    with pytest.raises(
        TrainError, match="is a torchvision/mobilenet_v2, not a resnet18: say --arch torchvision/mobilenet_v2"
    ):
        start(settings(arch="resnet18", scratch=False, weights=str(folded[0])), CLASSES)


def test_a_run_starts_from_a_run(settings: Make, folded: tuple[Path, nn.Module]) -> None:
    config = settings(
        arch="torchvision/mobilenet_v2", scratch=False, weights=str(folded[0] / "model.safetensors"), epochs=1
    )
    train(config)
    _, spec = load_weights(config.out)
    assert spec.options == {"fold_batch_norm": True}
    assert spec.preprocess.mean == (0.1, 0.2, 0.3)


@pytest.mark.long
def test_input_is_normalised_as_the_network_was_published(settings: Make) -> None:
    import timm

    published = timm.get_pretrained_cfg("vit_tiny_patch16_224")
    assert published is not None
    _, spec = start(settings(arch="vit_tiny_patch16_224", size=224), CLASSES)
    assert spec.preprocess.mean == tuple(published.mean) != Preprocess().mean
    assert spec.preprocess.interpolation == published.interpolation == "bicubic"
    assert (spec.preprocess.mode, spec.preprocess.crop_pct) == ("squash", 1.0)
