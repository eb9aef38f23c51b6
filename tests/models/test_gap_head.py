"""Heads of other kinds give way to global average pooling and one linear layer, and come back from a file so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import whylight
from whylight.images.preprocess import Preprocess
from whylight.models.gap_head import give_gap_head
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import ModelSpec, load_weights, save_weights
from whylight.train import TrainConfig
from whylight.train.start import start

HIDDEN = [
    "torchvision/mobilenet_v3_small",
    "test_vit.r160_in1k",
    "mobilenetv3_small_100",
    "efficientvit_b0",
    *(
        pytest.param(name, marks=pytest.mark.long)
        for name in ("torchvision/vgg11", "torchvision/alexnet", "vgg11", "ghostnet_100", "convnext_atto")
    ),
]


@pytest.mark.parametrize("arch", HIDDEN)
def test_class_activation_maps_have_their_closed_form(arch: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    side = 160 if "vit" in arch else 96
    plain = build(arch, classes=3)
    assert whylight.wrap(plain, size=side).linear is None
    assert give_gap_head(plain, side)
    model = whylight.wrap(plain, size=side)
    assert model.linear is not None
    x = torch.randn(1, 3, side, side)
    grid = model.features(x)
    torch.testing.assert_close(
        grid.mean((2, 3)) @ model.linear.weight.T + model.linear.bias, model.logits(x), rtol=1e-3, atol=1e-4
    )

    spec = ModelSpec(arch, ("a", "b", "c"), Preprocess(size=(side, side)), options={"gap_head": True})
    save_weights(tmp_path / "model.safetensors", plain, spec)
    again, _ = load_weights(tmp_path / "model.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(again(x), plain.eval()(x))


@pytest.mark.parametrize("arch", ["torchvision/mobilenet_v2", "resnet18", "torchvision/densenet121"])
def test_what_has_such_a_head_or_cannot_get_one_is_left_alone(arch: str) -> None:
    module = build(arch, classes=3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert not give_gap_head(module, 96)
    assert module.state_dict().keys() == before.keys()
    assert module(torch.zeros(1, 3, 96, 96)).shape == (1, 3)


def test_training_says_what_it_does_to_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(arch: str, head: str = "gap") -> tuple[ModelSpec, list[str]]:
        said: list[str] = []
        config = TrainConfig(str(tmp_path), str(tmp_path), arch, scratch=True, size=96, head=head)  # type: ignore[arg-type]
        return start(config, ("a", "b"), said.append)[1], said

    spec, said = begin("torchvision/alexnet")
    assert spec.options == {"gap_head": True}
    assert "its head is replaced by global average pooling and one linear layer" in said[0]
    assert begin("torchvision/alexnet", "own")[0].options == {}
    assert begin("torchvision/mobilenet_v2") == (begin("torchvision/mobilenet_v2", "own")[0], [])
    monkeypatch.setattr("whylight.train.start.give_gap_head", lambda *arguments: False)  # as of one that is not known
    spec, said = begin("torchvision/alexnet")
    assert spec.options == {}
    assert "keeps its head" in said[0]
