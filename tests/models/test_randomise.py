"""Random weights from the top down: what is random, what stays, and that networks neither fade nor overflow."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torchvision
from torch import Tensor, nn

import whylight
from nets import Untraceable, deep_head_net, gap_net
from whylight.errors import ModelError
from whylight.models.randomise import layers_with_weights, randomised, stages


def test_layers_come_from_the_top_down() -> None:
    assert layers_with_weights(whylight.wrap(gap_net(), size=32)) == ["6", "2", "0"]
    assert layers_with_weights(whylight.wrap(Untraceable(), size=32)) == ["head", "body"]


def test_a_transformer_s_own_weights_go_last() -> None:
    import timm

    net = timm.create_model("test_vit", pretrained=False, num_classes=5)
    names = layers_with_weights(whylight.wrap(net, size=160))
    assert names[0] == "head"
    assert names[-1] == ""  # class token and places of the network itself
    assert names.index("blocks.1.attn.qkv") < names.index("blocks.0.attn.qkv") < names.index("patch_embed.proj")


def test_attention_s_output_projection_is_not_forgotten() -> None:
    net = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)
    names = layers_with_weights(whylight.wrap(net, size=32))
    place = "encoder.layers.encoder_layer_1.self_attention"
    assert {place, f"{place}.out_proj"} <= set(names)
    assert abs(names.index(place) - names.index(f"{place}.out_proj")) == 1


@pytest.mark.parametrize(("count", "sizes"), [(1, [3]), (2, [1, 3]), (3, [1, 2, 3]), (10, [1, 2, 3])])
def test_stages_grow_from_the_last_layer_to_all(count: int, sizes: list[int]) -> None:
    found = stages(whylight.wrap(gap_net(), size=32), count)
    assert [len(one) for one in found] == sizes
    for less, more in pairwise(found):
        assert more[: len(less)] == less


def test_only_the_named_layers_are_random_and_the_given_network_stays() -> None:
    net = gap_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model = whylight.wrap(net, size=32)
    top, whole = randomised(model, ["6"]), randomised(model)
    assert top.module is not net
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        same = torch.equal(top.module.state_dict()[name], value)
        assert same == (not name.startswith("6"))
        assert not torch.equal(whole.module.state_dict()[name], value)
    # A layer gets the same order whatever else is random; only its scale follows what reaches it.
    ratio = (whole.module[6].weight / top.module[6].weight).detach()
    torch.testing.assert_close(ratio, torch.full_like(ratio, float(ratio[0, 0])))
    assert not torch.equal(randomised(model, seed=1).module[0].weight, whole.module[0].weight)
    assert torch.equal(randomised(model).module[0].weight, whole.module[0].weight)


def test_weights_are_the_same_numbers_in_another_order() -> None:
    model = whylight.wrap(gap_net(), size=32)
    new, old = (one.module[2].weight.detach().flatten() for one in (randomised(model), model))
    scale = float(new.abs().sum() / old.abs().sum())
    torch.testing.assert_close((new / scale).sort().values, old.sort().values)
    assert float(torch.corrcoef(torch.stack([new, old]))[0, 1]) < 0.4


def test_a_deep_network_neither_fades_nor_overflows() -> None:
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v2(num_classes=7).eval()
    with torch.no_grad():
        for part in net.modules():  # statistics as wide apart as trained ones are
            if isinstance(part, nn.BatchNorm2d):
                part.running_var.copy_(10.0 ** torch.empty_like(part.running_var).uniform_(-6, 2))
    model = whylight.wrap(net, size=64)
    x = torch.randn((2, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    logits = randomised(model).logits(x)
    assert logits.isfinite().all()
    assert float(logits.std()) > 0
    assert model.logits(x).std() > 0


@pytest.mark.parametrize("make", [gap_net, deep_head_net, Untraceable])
def test_outputs_keep_their_spread(make: type[nn.Module]) -> None:
    model = whylight.wrap(make(), size=32)
    from whylight.models.randomise import _noise

    x = _noise(model)
    assert float(randomised(model).logits(x).std()) == pytest.approx(float(model.logits(x).std()), rel=0.05)


def test_layer_classes_and_preprocessing_come_along() -> None:
    model = whylight.wrap(gap_net(), size=(32, 48), layer="0", classes=["a", "b", "c"], mean=(0, 0, 0), std=(1, 1, 1))
    found = randomised(model)
    assert (found.layer, found.classes, found.preprocessing, found.grid) == (
        model.layer,
        model.classes,
        model.preprocessing,
        model.grid,
    )


def test_what_cannot_be_randomised() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.MaxPool2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.pool(x).mean((2, 3))

    with pytest.raises(ModelError, match="Mean has no weights to randomise"):
        randomised(whylight.wrap(Mean(), size=32))

    class Locked(nn.Sequential):
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError("no copies")

    model = whylight.wrap(Locked(*gap_net()), size=32)
    with pytest.raises(ModelError, match=r"Locked cannot be copied \(no copies\), and yours stays as it is"):
        randomised(model)
