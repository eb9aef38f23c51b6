"""What a batch size promises: no forward takes more inputs, whatever a method makes of a picture; and none runs twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import whylight
from nets import Untraceable, gap_net
from whylight import methods
from whylight.evaluate import data as labelled
from whylight.evaluate.faithfulness import Setup, faithfulness
from whylight.jobs.store import Store
from whylight.methods.wrappers.smooth import smooth
from whylight.methods.wrappers.tta import tta

SLOW = {"rise": {"masks": 40, "tolerance": 0.0}, "occlusion": {"patch": 8, "stride": 8}, "scorecam": {}}


def counting(network: nn.Module) -> tuple[nn.Module, list[int]]:
    """The network with a note of how many inputs each forward of its first convolution takes, copies of it included."""
    seen: list[int] = []
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    forward = first._conv_forward

    class Counted(type(first)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return forward(x.float(), first.weight, first.bias)

    first.__class__ = Counted
    return network.eval(), seen


class Pooled(nn.Module):
    """Global average pooling and a linear layer, behind control flow on values, which cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, a: Tensor) -> Tensor:
        return self.fc(a.mean((2, 3)) if a.mean() < 1e6 else a.mean((2, 3)) / 2)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8))


def options(name: str) -> dict[str, Any]:
    return SLOW.get(name, {})


@pytest.mark.parametrize("name", methods.names())
def test_no_forward_takes_more(name: str, pictures: list[np.ndarray]) -> None:
    attends = name in ("legrad", "rollout")
    torch.manual_seed(0)
    vit = VisionTransformer(img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=3)
    network, seen = counting(vit if attends else Untraceable())
    model = whylight.wrap(network, size=32)
    if model.why_not(name) is not None:
        model, network = whylight.wrap(nn.Sequential(*gap_net()), size=32), gap_net()
        network, seen = counting(network)
        model = whylight.wrap(network, size=32)
    seen.clear()
    whylight.explain(model, pictures, method=methods.get(name, **options(name)), target=1, batch_size=2)
    assert max(seen) <= 2


@pytest.mark.parametrize("wrapper", [lambda m: smooth(m), lambda m: tta(m, flip=True, scales=(0.75, 1.0))])
def test_nor_with_a_wrapper(wrapper: Any, pictures: list[np.ndarray]) -> None:
    network, seen = counting(gap_net())
    model = whylight.wrap(network, size=32)
    seen.clear()
    whylight.explain(model, pictures, method=wrapper(methods.get("gradcam")), target=1, batch_size=2)
    assert max(seen) <= 2


def test_nor_at_several_layers(pictures: list[np.ndarray]) -> None:
    network, seen = counting(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), Pooled()))
    model = whylight.wrap(network, size=32)
    seen.clear()
    whylight.explain(model, pictures, layers=["0", "2"], method="gradcam", target=1, batch_size=2)
    assert max(seen) <= 2


def test_nor_where_maps_are_measured(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    network, seen = counting(gap_net())
    model = whylight.wrap(network, size=32)
    found = labelled.read(tmp_path, label="1", classes=model.classes)
    setup = Setup({"gradcam": methods.get("gradcam")}, measures=("insertion", "sensitivity"))
    seen.clear()
    with Store(tmp_path / "out", "faithfulness", setup.settings()) as store:
        faithfulness(model, found, setup, store, batch_size=2)
    assert max(seen) <= 2


@pytest.mark.parametrize("name", ["gradcam", "cam", "layercam", "hirescam", "eigencam"])
def test_hooks_cost_one_forward(name: str, pictures: list[np.ndarray]) -> None:
    """A split by hooks runs the whole network to decode; with average pooling and a linear layer behind it that is not needed."""
    network, seen = counting(nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), Pooled()))
    model = whylight.wrap(network, size=32)
    assert model.split_kind.startswith("hooks")
    assert model.linear is not None
    seen.clear()
    whylight.explain(model, pictures, method=name, target=1, batch_size=3)
    model.logits(torch.zeros(4, 3, 32, 32))
    assert seen == [3, 4]
