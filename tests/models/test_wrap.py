"""wrap: layers by name, by module and by hand; what cannot be used is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import whylight
from nets import Untraceable, deep_head_net, gap_net
from whylight import engine
from whylight.errors import MethodError, ModelError, WhylightWarning
from whylight.models.split.graph import GraphSplit
from whylight.models.split.hooks import HookSplit

X = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def test_layer_by_name_and_by_module_agree() -> None:
    network = deep_head_net()
    by_name = whylight.wrap(network, layer="0", size=32)
    by_module = whylight.wrap(network, layer=network[0], size=32)
    assert by_name.layer == by_module.layer == "0"
    torch.testing.assert_close(engine.maps(by_name, X, targets=[1]), engine.maps(by_module, X, targets=[1]))


def test_graph_and_hooks_agree() -> None:
    network = deep_head_net().eval()
    graph, hooks = GraphSplit(network, "1", past_relu=False), HookSplit(network, "1")
    for one, other in zip(graph.look(X)[:2], hooks.look(X)[:2], strict=True):
        torch.testing.assert_close(one, other)
    raw, context = hooks.encode(X)
    torch.testing.assert_close(hooks.decode(raw, context), graph.decode(*graph.encode(X)))
    assert not network[1]._forward_hooks


def test_a_value_that_passes_the_cut_on_another_way() -> None:
    """A skip connection around the layer: the cut graph carries it, and the logits stay exact."""

    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.branch, self.fc = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            stem = self.stem(x)
            return self.fc((stem + self.branch(stem)).relu().mean((2, 3)))

    network = Skip().eval()
    model = whylight.wrap(network, layer="branch", size=32)
    assert model.split_kind.startswith("exact")
    a = model.features(X)
    torch.testing.assert_close(model.head(a), network(X))
    torch.testing.assert_close(model.head(a * 0, like=a), network.fc(network.stem(X).relu().mean((2, 3))))


class Repeated(nn.Module):
    """One rectifier for all layers, as residual blocks have it."""

    def __init__(self, traceable: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.relu, self.fc = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Linear(4, 3)
        self.traceable = traceable

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu(self.two(self.relu(self.one(x))))
        if not self.traceable and a.sum() < 0:
            a = -a
        return self.fc(a.mean((2, 3)))


@pytest.mark.parametrize("traceable", [True, False], ids=["graph", "hooks"])
def test_a_layer_that_runs_twice_is_cut_at_its_last_run(traceable: bool) -> None:
    network = Repeated(traceable).eval()
    model = whylight.wrap(network, layer="relu", size=32)
    assert model.split_kind.startswith("exact" if traceable else "hooks")
    torch.testing.assert_close(model.logits(X), network(X).detach())
    torch.testing.assert_close(model.features(X), network.two(network.one(X).relu()).relu().detach())
    same = whylight.wrap(Repeated(traceable=True), size=32)  # found by itself: the cut behind the last rectifier
    torch.testing.assert_close(engine.maps(model, X, targets=[1]), engine.maps(same, X, targets=[1]))


def test_a_batch_size_taken_as_a_number() -> None:
    """x.view(b, -1) with b from before the cut: decoding one picture many times needs the real batch size."""

    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.pool = nn.Conv2d(3, 6, 4, 4), nn.AdaptiveAvgPool2d(2)
            self.fc = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, x: Tensor) -> Tensor:
            b = x.size(0)
            return self.fc(self.pool(self.conv(x).relu()).view(b, -1))

    model = whylight.wrap(Viewed(), size=32)
    torch.testing.assert_close(model.logits(X), model.module(X).detach())
    both = engine.maps(model, X, ["ablationcam", "gradcam"], [1])
    torch.testing.assert_close(engine.maps(model, X[1:], ["ablationcam", "gradcam"], [1]), both[:, :, 1:])


def test_forward_that_does_more_than_its_two_halves() -> None:
    """timm's halves are believed only if they give what forward() gives."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.fc = nn.Conv2d(3, 4, 4, 4), nn.Linear(4, 3)

        def forward_features(self, x: Tensor) -> Tensor:
            return self.body(x).relu()

        def forward_head(self, a: Tensor) -> Tensor:
            return self.fc(a.mean((2, 3)))

        def forward(self, x: Tensor) -> Tensor:
            return self.forward_head(self.forward_features(x * 2 - 1)) / 10

    model = whylight.wrap(Scaled(), size=32)
    torch.testing.assert_close(model.logits(X), model.module(X).detach())


def test_parts_swapped_and_buffers_moved_after_wrapping() -> None:
    class Buffered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 4, 4), nn.Linear(4, 3)
            self.register_buffer("scale", torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.fc((self.conv(x).relu() * self.scale).amax((2, 3)))

    network = Buffered().eval()
    model = whylight.wrap(network, size=32)
    assert model.split_kind.startswith("exact")
    network.double()
    network.scale.fill_(100)
    torch.testing.assert_close(model.logits(X), network(X.double()).detach())
    network.fc = nn.Linear(4, 3).double()
    torch.testing.assert_close(model.logits(X), network(X.double()).detach())


def test_nan_weights_are_named() -> None:
    network = gap_net()
    with torch.no_grad():
        network[2].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"logits that are not finite: 2\.weight holds NaN"):
        whylight.wrap(network, size=32)


def test_made_under_inference_mode() -> None:
    with torch.inference_mode():
        network = deep_head_net()
    with pytest.raises(ModelError, match=r"was made under torch\.inference_mode"):
        whylight.wrap(network, size=32)
    with torch.inference_mode():
        model = whylight.load("test_resnet", pretrained=False, device="cpu", layer="layer3")
        assert engine.maps(model, torch.zeros(1, 3, 64, 64), ["gradcam"], [0]).isfinite().all()


@pytest.mark.parametrize(("shape", "layer"), [((32, 24), None), ((64, 112), "1")])
def test_as_many_channels_as_rows(shape: tuple[int, int], layer: str | None) -> None:
    """(N, 8, 8, 6) is channels first, though its first two sides are equal."""
    model = whylight.wrap(gap_net(channels=shape[0] // 4), layer=layer, size=shape)
    assert model.channels == shape[0] // 4
    assert model.grid == ((8, 6) if layer is None else (32, 56))


def test_untraceable_networks_use_hooks() -> None:
    model = whylight.wrap(Untraceable(), size=32)
    assert model.split_kind.startswith("hooks")
    torch.testing.assert_close(model.head(model.features(X)), model.module(X))


def test_logits_attribute() -> None:
    """Networks that return an object with .logits, as those of the transformers library do."""

    class Output:
        def __init__(self, logits: Tensor) -> None:
            self.logits = logits

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = gap_net()

        def forward(self, x: Tensor) -> Output:
            return Output(self.inner(x))

    assert whylight.wrap(Wrapped(), size=32).predict(X).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"layer": "nine"}, "layer 'nine' does not exist in Sequential. Near it: "),
        ({"layer": "6"}, r"layer '6' gives shape \(1, 3\), which is no grid"),
        ({"layer": nn.ReLU()}, "this ReLU is not a part of the Sequential"),
        ({"classes": ["cat", "dog"]}, "2 names were given, but Sequential has 3 logits"),
        ({"mean": (0.5,)}, "mean: expected three numbers"),
        ({"std": (0.0, 1.0, 1.0)}, "every std above 0"),
        ({"size": 0}, "size must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        whylight.wrap(gap_net(), **{"size": 32, **arguments})  # type: ignore[arg-type]


def test_not_a_module() -> None:
    with pytest.raises(ModelError, match=r"expected a torch.nn.Module, got function"):
        whylight.wrap(lambda x: x)  # type: ignore[arg-type]


def test_wrong_size_says_which() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(4 * 16, 2))
    with pytest.raises(ModelError, match=r"does not run on an input of shape \(1, 3, 64, 64\).*Give the size"):
        whylight.wrap(network, size=64)


def test_no_grid() -> None:
    with pytest.raises(ModelError, match=r"no layer with a grid of places.*layer="):
        whylight.wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)), size=32)


def test_segmentation_network_is_refused() -> None:
    with pytest.raises(ModelError, match=r"must return logits of shape \(N, C\)"):
        whylight.wrap(nn.Conv2d(3, 2, 3), size=32)


def test_layer_that_the_logits_ignore_is_warned_of() -> None:
    class FirstToken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.norm, self.fc = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.norm(self.patches(x).flatten(2).transpose(1, 2))[:, 0])

    with pytest.warns(WhylightWarning, match="do not depend on the places of layer 'norm'"):
        whylight.wrap(FirstToken(), layer="norm", size=32)


def test_cam_needs_a_linear_head() -> None:
    model = whylight.wrap(deep_head_net(), size=32)
    with pytest.raises(
        MethodError, match=r"'cam' needs a head of global average pooling.*These work: ablationcam, .*eigencam"
    ):
        engine.maps(model, X, ["cam"])
    assert "cam" not in model.applicable_methods()


def test_head_without_its_context_says_what_to_do() -> None:
    model = whylight.wrap(Untraceable(), size=32)
    with pytest.raises(ModelError, match=r"model.head\(changed, like=original\)"):
        model.head(model.features(X) * 2)


def test_bad_batch() -> None:
    model = whylight.wrap(gap_net(), size=32)
    for shape in [(3, 32, 32), (1, 4, 32, 32), (0, 3, 32, 32)]:
        with pytest.raises(ModelError, match=r"expected a batch of pictures \(N, 3, H, W\)"):
            model.logits(torch.zeros(shape))


def test_another_input_size_than_the_wrapped_one() -> None:
    model = whylight.wrap(gap_net(), size=32)
    assert engine.maps(model, torch.zeros(1, 3, 64, 48), ["gradcam"], [0]).shape == (1, 1, 1, 16, 12)
