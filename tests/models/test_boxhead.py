"""The box head: what its numbers mean, and that a model file brings it along beside an untouched classifier."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import torch
from PIL import Image

import whylight
from nets import gap_net
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.boxhead import PREFIX, PRIOR, BoxHead, BoxSpec, boxes_of, deltas_of, pick
from whylight.models.model import Model
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import KEY, ModelSpec, load_box_head, load_weights, read_spec, save_weights
from whylight.train.network import WithBoxes

SIZE = (32, 64)  # an input whose 4 × 4 cells are 16 pixels wide and 8 high


def test_deltas_by_hand() -> None:
    boxes = torch.ones(4, 4, 4) * torch.tensor([0.0, 0, 1, 1])[:, None, None]
    boxes[:, 1, 2] = torch.tensor([32.0, 4, 48, 36])  # its centre (40, 20); the cell's is (40, 12)
    boxes[:, 0, 0] = torch.tensor([0.0, 0, 32, 4])  # its centre (16, 2); the cell's is (8, 4)
    deltas = deltas_of(boxes, SIZE)
    assert deltas[:, 1, 2].tolist() == pytest.approx([0, 1, 0, math.log(4)])
    assert deltas[:, 0, 0].tolist() == pytest.approx([0.5, -0.25, math.log(2), -math.log(2)])


def test_there_and_back() -> None:
    dice = torch.Generator().manual_seed(0)
    corners = torch.rand((3, 4, 5, 7), generator=dice, dtype=torch.float64) * 60
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] + 1e-3], dim=1)
    torch.testing.assert_close(boxes_of(deltas_of(boxes, SIZE), SIZE), boxes, rtol=1e-12, atol=1e-9)


def test_a_new_head_says_nothing_and_cannot_overflow() -> None:
    head = BoxHead(BoxSpec((0, 2), channels=6, parts=2))
    out = head(torch.randn(2, 6, 4, 4))
    assert out.shape == (2, 2 + 4, 8, 8)
    scores, deltas = head.split(out)
    assert scores.sigmoid().mean().item() == pytest.approx(PRIOR, rel=0.5)
    assert boxes_of(deltas * 1e6, SIZE).isfinite().all()


def test_pick_keeps_the_surest_and_far_ones() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 10]])
    scores = torch.tensor([0.6, 0.9, 0.7, 0.2])
    assert pick(boxes, scores, 0.5, 0.5).tolist() == [1, 2]
    assert pick(boxes, scores, 0.5, 0.95).tolist() == [1, 2, 0]
    assert pick(boxes, scores, 0.95, 0.5).tolist() == []


@pytest.mark.parametrize(
    ("arch", "size"),
    [
        ("test_resnet.r160_in1k", 64),
        ("torchvision/mobilenet_v2", 64),
        ("torchvision/densenet121", 64),
        ("test_vit", 160),
    ],
)
def test_what_is_trained_is_what_a_model_reads(arch: str, size: int) -> None:
    torch.manual_seed(0)
    network = build(arch, classes=2)
    both = WithBoxes(network, size, lambda grid: BoxHead(BoxSpec((0,), grid.shape[1]))).eval()
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        logits, out = both.both(x)
    model = Model(network, preprocessing=Preprocess(size=(size, size)), box_head=both.box_head)
    found = model.find_boxes(x)
    scores, deltas = both.box_head.split(out)
    assert out.shape[2:] == both.grid
    torch.testing.assert_close(found.logits, logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.scores[:, :, 0], scores.sigmoid().flatten(1), rtol=1e-3, atol=1e-4)
    assert found.scores[:, :, 1].max() == 0  # a class without boxes
    expected = boxes_of(deltas, (size, size)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found.boxes, expected, rtol=1e-3, atol=1e-2)
    assert not network._forward_hooks


def test_gradients_reach_the_backbone_and_both_heads() -> None:
    network = build("test_resnet.r160_in1k", classes=2)
    both = WithBoxes(network, 64, lambda grid: BoxHead(BoxSpec((0,), grid.shape[1])))
    logits, out = both.both(torch.randn(2, 3, 64, 64))
    (logits.sum() + out.sum()).backward()
    assert all(p.grad is not None for p in both.parameters())


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, BoxHead, ModelSpec]:
    """A model file with a box head."""
    torch.manual_seed(1)
    spec = ModelSpec("test_resnet.r160_in1k", ("thing", "nothing"), Preprocess(size=(64, 64)), output_stride=16)
    network = spec.build()
    head = BoxHead(BoxSpec((0,), network.num_features, hidden=16, threshold=0.3))  # type: ignore[arg-type]
    torch.nn.init.normal_(head.layers[-2].weight, std=0.5)  # type: ignore[arg-type]
    spec = replace(spec, boxes=head.spec)
    save_weights(tmp_path / "model.safetensors", network, spec, box_head=head)
    return tmp_path, head, spec


def test_a_file_brings_the_head_along(stored: tuple[Path, BoxHead, ModelSpec]) -> None:
    folder, head, spec = stored
    assert read_spec(folder) == spec
    again = load_box_head(folder, spec)
    assert again is not None
    assert again.spec == head.spec
    assert all(torch.equal(value, head.state_dict()[name]) for name, value in again.state_dict().items())
    module, _ = load_weights(folder)
    assert not any(name.startswith(PREFIX) for name in module.state_dict())

    model = whylight.load(folder, device="cpu")
    assert isinstance(model, Model)
    assert model.box_head is not None
    x = torch.randn(2, 3, 64, 64)
    found = model.find_boxes(x)
    with torch.no_grad():
        torch.testing.assert_close(found.logits, module(x))
    other = whylight.load(folder, device="cpu", layer="layer2")
    assert isinstance(other, Model)
    for elsewhere in (other, model.at("layer3")):  # explained at another layer, boxes are the same
        assert elsewhere.channels != model.channels
        torch.testing.assert_close(elsewhere.find_boxes(x).boxes, found.boxes, rtol=1e-3, atol=1e-2)


def test_explanations_are_those_of_the_classifier_alone(stored: tuple[Path, BoxHead, ModelSpec], photo: Path) -> None:
    folder, _, spec = stored
    model = whylight.load(folder, device="cpu")
    alone = Model(load_weights(folder)[0], classes=spec.classes, preprocessing=spec.preprocess)
    picture = Image.open(photo)
    for method in ("gradcam", "cam", "layercam"):
        maps = [whylight.explain(one, picture, method=method, target="thing").map for one in (model, alone)]
        torch.testing.assert_close(*maps)  # two readings of the file are two networks, which may round in two ways


def test_files_without_boxes_are_as_before(tmp_path: Path) -> None:
    spec = ModelSpec("test_resnet.r160_in1k", ("a", "b"), Preprocess(size=(64, 64)))
    save_weights(tmp_path / "m.safetensors", spec.build(), spec)
    with safetensors.safe_open(tmp_path / "m.safetensors", framework="pt") as file:
        fields = json.loads(file.metadata()[KEY])
    assert fields["format"] == 1
    assert "boxes" not in fields
    assert whylight.load(tmp_path / "m.safetensors", device="cpu").box_head is None


def test_models_without_boxes_say_so() -> None:
    model = whylight.wrap(gap_net(), size=32)
    assert model.box_head is None
    with pytest.raises(ModelError, match="was not trained with boxes: whylight train --boxes FILE"):
        model.find_boxes(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": []},
        {"classes": [2]},
        {"classes": [0, 0]},
        {"classes": "01"},
        {"channels": 10**9},
        {"hidden": 12},
        {"parts": 0},
        {"parts": "2"},
        {"threshold": 1.5},
        {"threshold": "high"},
        {"layers": 3},
    ],
)
def test_a_strangers_file_cannot_ask_for_anything(wrong: dict[str, object], tmp_path: Path) -> None:
    spec = ModelSpec("test_resnet.r160_in1k", ("a", "b"), Preprocess(), boxes=BoxSpec((0,), 8))
    fields = json.loads(spec.to_json())
    fields["boxes"] |= wrong
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={KEY: json.dumps(fields)})
    with pytest.raises(ModelError, match="metadata is damaged"):
        read_spec(tmp_path / "m.safetensors")


def test_weights_of_another_head_are_refused(stored: tuple[Path, BoxHead, ModelSpec]) -> None:
    folder, head, spec = stored
    wrong = replace(spec, boxes=replace(head.spec, hidden=32))
    with pytest.raises(ModelError, match="the weights of the box head do not fit"):
        load_box_head(folder, wrong)
