"""Networks that take other than one picture of three channels, and encoders that run several times in one forward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import whylight
from whylight.errors import ImageError, ModelError

K = {"size": 64, "mean": (0, 0, 0), "std": (1, 1, 1)}


def encoder(channels: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=4), nn.ReLU())


class Siamese(nn.Module):
    """A query against a bound reference: what is alike to it, class by class."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.enc, self.first, self.fc = encoder(), first, nn.Linear(8, 3)
        self.register_buffer("reference", torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5)))

    def forward(self, x: Tensor) -> Tensor:
        reference = self.reference.expand_as(x)
        if self.first:
            a, b = self.enc(x), self.enc(reference)
        else:
            b, a = self.enc(reference), self.enc(x)
        return self.fc(a.mean((2, 3)) * b.mean((2, 3)))


class Alone(nn.Module):
    """The same with the reference's features worked out beforehand."""

    def __init__(self, whole: Siamese) -> None:
        super().__init__()
        self.enc, self.fc = whole.enc, whole.fc
        with torch.no_grad():
            self.register_buffer("features", whole.enc(whole.reference).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.enc(x).mean((2, 3)) * self.features)


class Twice(nn.Module):
    """Two views of one picture, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.fc = encoder(), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat([self.enc(x).mean((2, 3)), self.enc(x.flip(2)).mean((2, 3))], 1))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layer", [None, "enc", "enc.3"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("method", ["gradcam", "hirescam", "scorecam"])
def test_the_map_is_of_the_picture_not_of_the_reference(first: bool, layer: str | None, method: str, x: Tensor) -> None:
    network = Siamese(first=first).eval()
    expected = whylight.explain(whylight.wrap(Alone(network).eval(), layer="enc", **K), x, method=method, target=1)
    found = whylight.explain(whylight.wrap(network, layer=layer, **K), x, method=method, target=1)
    torch.testing.assert_close(found.map, expected.map, rtol=1e-3, atol=1e-5)


def test_which_of_two_views_is_asked(x: Tensor) -> None:
    network = Twice().eval()
    with pytest.raises(ModelError, match=r"layer 'enc' runs 2 times .* side by side: say which with run=, one of 0, 1"):
        whylight.wrap(network, layer="enc", **K)
    maps = []
    for run in (0, 1):
        model = whylight.wrap(network, layer="enc", run=run, **K)
        a = model.features(x[None])
        with torch.no_grad():
            torch.testing.assert_close(a, network.enc(x[None] if run == 0 else x[None].flip(2)))
        maps.append(whylight.explain(model, x, method="gradcam", target=1).map)
    assert not torch.allclose(*maps)
    with pytest.raises(ModelError, match=r"run=2: layer 'enc' runs 2 times"):
        whylight.wrap(network, layer="enc", run=2, **K)
    with pytest.raises(ModelError, match="name the layer"):
        whylight.wrap(network, run=1, **K)


def test_of_a_shared_rectifier_the_last_run_counts(x: Tensor) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=4), nn.ReLU()
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.relu(self.b(self.relu(self.a(x)))).mean((2, 3)))

    assert whylight.wrap(Shared().eval(), layer="relu", **K).grid == (15, 15)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_second_input_is_bound(by_name: bool, x: Tensor) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enc, self.fc = encoder(), nn.Linear(10, 3)

        def forward(self, picture: Tensor, facts: Tensor, *, scale: float = 1.0) -> Tensor:
            return scale * self.fc(torch.cat([self.enc(picture).mean((2, 3)), facts], 1))

    network, facts = Two().eval(), torch.tensor([[0.5, -2.0]])
    inputs = {"picture": "image", "facts": facts, "scale": 2.0} if by_name else ("image", facts)
    model = whylight.wrap(network, inputs=inputs, classes=["a", "b", "c"], **K)
    batch = torch.stack([x, x.flip(1)])
    with torch.no_grad():
        expected = network(batch, facts.expand(2, 2), scale=2.0 if by_name else 1.0)
    torch.testing.assert_close(model.logits(batch), expected)
    assert repr(model).startswith("Model(Two, ")
    for method in ("gradcam", "rise", "saliency"):
        asked = whylight.methods.get(method, **({"masks": 20} if method == "rise" else {}))
        assert whylight.explain(model, [x, x.flip(1)], method=asked, target="b")[1].label == "b"
    for wrong in ((facts,), ("image", "image"), {"picture": facts}):
        with pytest.raises(ModelError, match="exactly one must be 'image'"):
            whylight.wrap(network, inputs=wrong, **K)


def classifier(channels: int) -> nn.Module:
    return nn.Sequential(*encoder(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()


def test_grey_networks_are_given_grey_pictures() -> None:
    network = classifier(1)
    model = whylight.wrap(network, channels=1, **K)
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    grey = torch.from_numpy(np.asarray(colours.convert("L"), np.float32) / 255)[None, None]
    with torch.no_grad():
        torch.testing.assert_close(model.logits(model.preprocess(colours)[None]), network(grey), rtol=1e-2, atol=1e-3)
    for method in ("cam", "gradcam", "saliency", "occlusion"):
        ex = whylight.explain(model, colours, method=method, target=1)
        assert ex.picture.size == (64, 64)
        assert ex.map.abs().sum() > 0
    with pytest.raises(ModelError, match="takes 1 channels, and pictures have 3: say channels=1"):
        whylight.wrap(network, **K)


@pytest.mark.parametrize("bands", [2, 4, 12])
def test_many_bands_come_as_tensors(bands: int) -> None:
    model = whylight.wrap(classifier(bands), channels=bands, **K)
    x = torch.randn(bands, 64, 64, generator=torch.Generator().manual_seed(0))
    for method in ("cam", "gradcam", "saliency", "occlusion", "layercam", "integrated-gradients", "gradcam++"):
        if method not in whylight.methods.names():
            continue
        ex = whylight.explain(model, x, method=method, target=1)
        assert ex.map.isfinite().all()
        assert ex.picture.size == (64, 64)
        assert ex.overlay().size == (64, 64)
    assert ex.verify(draws=2).sentence
    with pytest.raises(ModelError, match=rf"takes {bands} channels, which no picture has: .* \({bands}, H, W\)"):
        whylight.explain(model, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ImageError, match=rf"has the shape \({bands}, H, W\), not \(3, 64, 64\)"):
        whylight.explain(model, torch.zeros(3, 64, 64))
    with pytest.raises(ModelError, match="channels: expected a number from 1 on"):
        whylight.wrap(classifier(3), channels=0, **K)
