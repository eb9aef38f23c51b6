"""wrap: layers by name, by module and by hand; what cannot be used is said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import whylight
from nets import Untraceable, deep_head_net, gap_net
from whylight import engine
from whylight.errors import MethodError, ModelError, WhylightWarning
from whylight.models.split import GraphSplit, HookSplit

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
        MethodError, match=r"'cam' needs a head of global average pooling.*These work: ablationcam, eigencam"
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
