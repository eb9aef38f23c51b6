"""Every family of timm: the split is exact, what applies runs, what does not says why, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
from torch import nn

import whylight
from handed_back import assert_same, state_of
from whylight import engine, methods
from whylight.engine import look
from whylight.errors import MethodError
from whylight.methods import Method
from whylight.targets import resolve

# Methods that ask the network many times, with little to do.
QUICK: Mapping[str, Mapping[str, Any]] = {
    "augmented-gradcam": {"copies": 2, "tolerance": 0.1},
    "dff": {"concepts": 2, "iterations": 5},
    "integrated-gradients": {"steps": 2},
    "occlusion": {"patch": 32, "stride": 32},
    "rise": {"masks": 8},
    "scorecam": {"channels": 4},
    "smoothgrad": {"copies": 2},
    "smoothgradcam++": {"copies": 2},
}
# Methods that ask for something that not every network has.
PARTICULAR = ("cam", "fullgrad", "guided-gradcam", "legrad", "rollout")


TIMM, TRACED, HOOKED = "exact: the model's own", "exact: the traced graph", "hooks"


@dataclass(frozen=True)
class Entry:
    """What is known of a network.

    Args:
        size: side of its input in pixels.
        grid: places along a side, after the last layer that has any.
        applies: those of `PARTICULAR` that apply.
        options: for `timm.create_model`; they make large networks small.
        kind: how it is split.
    """

    size: int
    grid: int
    applies: str
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = TIMM


ZOO: Mapping[str, Entry] = {
    "resnet18": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "resnext26ts": Entry(64, 2, "cam"),
    "wide_resnet50_2": Entry(64, 2, "cam fullgrad guided-gradcam", options={"layers": (1, 1, 1, 1)}),
    "seresnet18": Entry(64, 2, "cam guided-gradcam"),
    "res2net50_26w_4s": Entry(64, 2, "cam fullgrad guided-gradcam", options={"layers": (1, 1, 1, 1)}),
    "regnetx_002": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "regnety_002": Entry(64, 2, "cam guided-gradcam"),
    "densenet121": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "vgg11": Entry(64, 2, "fullgrad guided-gradcam", options={"mlp_ratio": 0.03125}),
    "inception_v3": Entry(107, 2, "cam fullgrad guided-gradcam"),
    "xception41": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "efficientnet_b0": Entry(64, 2, "cam"),
    "mobilenetv2_035": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "mobilenetv3_small_050": Entry(64, 2, "guided-gradcam"),
    "mobilenetv4_conv_small_035": Entry(64, 2, "fullgrad guided-gradcam"),
    "convnext_atto": Entry(64, 2, ""),
    "convnextv2_atto": Entry(64, 2, ""),
    "eca_nfnet_l0": Entry(64, 2, "cam", options={"depths": (1, 1, 1, 1)}),
    "nf_regnet_b0": Entry(64, 2, "cam guided-gradcam"),
    "ghostnet_050": Entry(64, 2, "guided-gradcam"),
    "mnasnet_small": Entry(64, 2, "cam guided-gradcam"),
    "repvgg_a0": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "cspresnet50": Entry(64, 2, "cam fullgrad"),
    "dla46_c": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "hrnet_w18_small": Entry(64, 2, "cam fullgrad guided-gradcam"),
    "vit_tiny_patch16_224": Entry(64, 4, "legrad rollout", options={"img_size": 64}, kind=TRACED),
    "vit_pwee_patch16_reg1_gap_256": Entry(64, 4, "legrad rollout", options={"img_size": 64, "depth": 4}),
    "deit_tiny_patch16_224": Entry(64, 4, "legrad rollout", options={"img_size": 64}, kind=TRACED),
    "deit_tiny_distilled_patch16_224": Entry(64, 4, "legrad rollout", options={"img_size": 64}, kind=TRACED),
    "beit_base_patch16_224": Entry(
        64, 4, "legrad rollout", options={"img_size": 64, "depth": 2, "embed_dim": 96, "num_heads": 3}
    ),
    "beitv2_base_patch16_224": Entry(
        64, 4, "legrad rollout", options={"img_size": 64, "depth": 2, "embed_dim": 96, "num_heads": 3}
    ),
    "eva02_tiny_patch14_224": Entry(56, 4, "legrad rollout", options={"img_size": 56}),
    "mvitv2_tiny": Entry(96, 3, "cam", options={"img_size": 96}),
    "swin_tiny_patch4_window7_224": Entry(64, 2, "cam", options={"img_size": 64, "depths": (1, 1, 1, 1)}),
    "swinv2_tiny_window8_256": Entry(64, 2, "cam", options={"img_size": 64, "depths": (1, 1, 1, 1)}),
    "maxvit_rmlp_pico_rw_256": Entry(64, 2, "cam", options={"img_size": 64}),
    "coatnet_pico_rw_224": Entry(64, 2, "cam", options={"img_size": 64}),
    "xcit_nano_12_p16_224": Entry(64, 4, "", kind=TRACED),
    "mixer_s16_224": Entry(64, 4, "cam", options={"img_size": 64}),
    "gmlp_ti16_224": Entry(64, 4, "cam", options={"img_size": 64}),
    "resmlp_12_224": Entry(64, 4, "cam", options={"img_size": 64}),
    "poolformer_s12": Entry(64, 2, ""),
    "levit_128s": Entry(224, 4, ""),
    "pvt_v2_b0": Entry(64, 2, "cam"),
    "twins_svt_small": Entry(128, 4, "cam", options={"depths": (1, 1, 1, 1)}),
    "twins_pcpvt_small": Entry(128, 4, "cam", options={"depths": (1, 1, 1, 1)}),
    "cait_xxs24_224": Entry(64, 4, "", options={"img_size": 64, "depth": 3}, kind=TRACED),
    "mobilevit_xxs": Entry(64, 2, "cam"),
    "mobilevitv2_050": Entry(64, 2, "cam guided-gradcam"),
    "edgenext_xx_small": Entry(64, 2, ""),
    "fastvit_t8": Entry(64, 2, "cam guided-gradcam"),
    "efficientformerv2_s0": Entry(224, 7, ""),
    "volo_d1_224": Entry(64, 4, "guided-gradcam", options={"img_size": 64}),
    "hiera_tiny_224": Entry(128, 4, "", options={"img_size": (128, 128), "stages": (1, 1, 1, 1)}),
    "davit_tiny": Entry(64, 2, "", options={"depths": (1, 1, 1, 1)}),
    "pit_ti_224": Entry(64, 2, "", options={"img_size": 64}, kind=HOOKED),
    "starnet_s050": Entry(64, 2, "cam guided-gradcam"),
}


def build(name: str, entry: Entry) -> nn.Module:
    """The network with random weights, also where new ones hardly vary: norms, biases, branches and heads that start near 0."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, num_classes=5, pretrained=False, **entry.options)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.std(correction=0) < 1e-3:
                parameter += 0.2 * torch.randn_like(parameter)
    return network.eval()


def quick(name: str) -> Method:
    return methods.get(name, **QUICK.get(name, {}))


def costly(name: str) -> bool:
    """Whether a method runs the whole network again, or differentiates all of it."""
    again = {"probe", "look_at", "gradient_at", "input_gradients", "guided_gradients", "bias_gradients"}
    return bool(again & set(methods.get(name).needs))


def unsettle(network: nn.Module) -> None:
    """Bring it into a state that is easily lost: training but for one part, one parameter frozen, a gradient, a hook."""
    network.train()
    parts, parameters = list(network.children()), list(network.parameters())
    parts[0].eval()
    parameters[0].requires_grad_(False)
    parameters[-1].grad = torch.ones_like(parameters[-1])
    parts[-1].register_forward_hook(lambda part, inputs, output: None)


# They take long: make test-long asks them.
LARGE = {
    "efficientformerv2_s0",
    "mvitv2_tiny",
    "hiera_tiny_224",
    "cspresnet50",
    "levit_128s",
    "davit_tiny",
    "maxvit_rmlp_pico_rw_256",
    "xcit_nano_12_p16_224",
    "fastvit_t8",
    "twins_svt_small",
    "twins_pcpvt_small",
    "eca_nfnet_l0",
    "inception_v3",
    "xception41",
    "vgg11",
    "densenet121",
    "res2net50_26w_4s",
    "hrnet_w18_small",
    "beitv2_base_patch16_224",
    "swinv2_tiny_window8_256",
    "volo_d1_224",
    "wide_resnet50_2",
    "pit_ti_224",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small run faster on one, above all beside others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SMALL = [name for name in ZOO if name not in LARGE]
LONG = LARGE | set(SMALL[1::2])  # `make test` tries every second of those that are quick


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in ZOO])
def test_network(name: str) -> None:
    entry = ZOO[name]
    network = build(name, entry)
    x = torch.randn(2, 3, entry.size, entry.size)
    with torch.no_grad():
        expected = network(x)
    assert expected.std() > 0
    unsettle(network)
    before = state_of(network)
    model = whylight.wrap(network, size=entry.size)

    # The two halves are the network.
    assert model.grid == (entry.grid, entry.grid)
    assert model.split_kind.startswith(entry.kind)
    a = model.features(x)
    assert a.shape == (2, model.channels, *model.grid)
    size = float(expected.abs().max())
    torch.testing.assert_close(model.head(a), expected, rtol=1e-4, atol=1e-4 * size)
    torch.testing.assert_close(model.logits(x), expected, rtol=1e-4, atol=1e-4 * size)

    # What applies runs.
    applicable = model.applicable_methods()
    assert [method for method in PARTICULAR if method in applicable] == entry.applies.split()
    assert set(methods.names()) - set(applicable) <= set(PARTICULAR)
    found = [
        seen
        for pictures, asked in (
            (x, [m for m in applicable if not costly(m)]),
            (x[:1], [m for m in applicable if costly(m)]),
        )
        for seen in look(model, pictures, [quick(method) for method in asked], [resolve(3, model.classes)])
    ]
    for seen in found:
        assert seen.maps.shape[1:] in (model.grid, (entry.size, entry.size)), seen.method.name
        assert seen.maps.isfinite().all(), seen.method.name
        if seen.method.name in ("hirescam", "saliency", "elementgradcam"):
            assert (seen.maps.abs().amax((1, 2)) > 0).all(), seen.method.name

    # What does not apply says why, and what does.
    for method in set(methods.names()) - set(applicable):
        reason = model.why_not(method)
        assert reason is not None
        assert reason.startswith(f"method {method!r} needs ")
        assert "\n" not in reason
        with pytest.raises(MethodError) as caught:
            engine.maps(model, x, [method], [3])
        assert str(caught.value) == f"{reason}. These work: {', '.join(applicable)}"

    assert_same(before, network)
