"""Methods around methods: several layers, copies of the picture, smoothing; and all of them together."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import interpolate

import whylight
from nets import Untraceable, deep_head_net, gap_net
from whylight import engine, methods
from whylight.errors import MethodError
from whylight.models.model import Model


@pytest.fixture
def model() -> Model:
    return whylight.wrap(gap_net(), size=32)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def run(model: Model, x: Tensor, method: str | methods.Method, target: object = 1) -> Tensor:
    return engine.maps(model, x, [method], [target])[0, 0]


def test_flip_is_the_mean_of_the_map_and_the_mirrored_map_of_the_mirror_image(model: Model, x: Tensor) -> None:
    expected = (run(model, x, "hirescam") + run(model, x.flip(3), "hirescam").flip(2)) / 2
    torch.testing.assert_close(run(model, x, methods.tta("hirescam")), expected)


def test_flip_of_the_picture_flips_the_map(model: Model, x: Tensor) -> None:
    averaged = methods.tta("gradcam")
    torch.testing.assert_close(run(model, x.flip(3), averaged), run(model, x, averaged).flip(2))


def test_the_top_class_is_that_of_the_picture_and_not_of_its_copies(model: Model, x: Tensor) -> None:
    top = [int(index) for index in model.logits(x).argmax(1)]
    for n, index in enumerate(top):
        one = x[n : n + 1]
        torch.testing.assert_close(
            run(model, one, methods.tta("cam"), None), run(model, one, methods.tta("cam"), index)
        )


def test_scales_in_plain_steps(model: Model, x: Tensor) -> None:
    larger = interpolate(x, size=(64, 64), mode="bilinear", align_corners=False, antialias=True)
    small, large = run(model, x, "cam"), run(model, larger, "cam")
    assert large.shape == (2, 16, 16)
    for n in range(2):
        a = interpolate((small[n] / small[n].abs().max())[None, None], size=(16, 16), mode="bilinear")[0, 0]
        b = large[n] / large[n].abs().max()
        found = run(model, x[n : n + 1], methods.tta("cam", flip=False, scales=(1, 2)))[0]
        torch.testing.assert_close(found, (a + b) / 2, rtol=1e-4, atol=1e-5)


def test_a_network_of_one_size_says_so(x: Tensor) -> None:
    network = VisionTransformer(img_size=32, patch_size=8, embed_dim=12, depth=1, num_heads=2, num_classes=3)
    model = whylight.wrap(network, size=32)
    with pytest.raises(MethodError, match=r"does not take an input of .*: leave scales other than 1 out"):
        run(model, x, methods.tta("gradcam", scales=(1.0, 1.5)))


@pytest.mark.parametrize("scales", [(), (0,), (-1.0, 1.0)])
def test_scales_that_are_none(scales: tuple[float, ...]) -> None:
    with pytest.raises(MethodError, match="scales: expected numbers above 0"):
        methods.tta("gradcam", scales=scales)


@pytest.mark.parametrize("fusion", ["max", "mean", "sum"])
def test_layers_in_plain_steps(x: Tensor, fusion: methods.Fusion) -> None:
    """Two layers of a network, each wrapped by itself, fused place by place."""
    network = deep_head_net()
    model = whylight.wrap(network, size=32)
    names = ["0", "1"]
    apart = [run(whylight.wrap(network, size=32, layer=name), x, "hirescam") for name in names]
    found = run(model, x, methods.layers("hirescam", names, fusion=fusion))
    for n in range(2):
        peaks = [float(m[n].abs().max()) for m in apart]
        tops = [float(m[n].max().clamp(min=0)) for m in apart]
        for i in range(8):
            for j in range(8):
                values = [float(m[n, i, j]) for m in apart]
                if fusion == "sum":
                    expected = sum(values)
                elif fusion == "mean":
                    expected = sum(v / p for v, p in zip(values, peaks, strict=True)) / 2
                else:
                    expected = max(math.tanh(2 * max(v, 0) / t) if t else 0 for v, t in zip(values, tops, strict=True))
                assert float(found[n, i, j]) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_layers_of_different_grids_meet_on_the_finest(x: Tensor) -> None:
    model = whylight.wrap(gap_net(), size=32)
    assert model.at("1").grid == (16, 16)
    assert run(model, x, methods.layers("layercam", ["1", "3"])).shape == (2, 16, 16)


def test_a_method_that_does_not_work_at_one_of_the_layers(model: Model, x: Tensor) -> None:
    with pytest.raises(MethodError, match=r"'cam' needs a head of global average pooling.*after '1'.*These work there"):
        run(model, x, methods.layers("cam", ["1", "3"]))


def test_layers_given_wrongly() -> None:
    with pytest.raises(MethodError, match="different layer names"):
        methods.layers("cam", ["a", "a"])
    with pytest.raises(MethodError, match="fusion: expected one of max, mean, sum"):
        methods.layers("cam", ["a"], fusion="min")  # type: ignore[arg-type]


def test_smooth_is_a_projection_onto_the_main_patterns(model: Model, x: Tensor) -> None:
    plain, smoothed = run(model, x, "cam"), run(model, x, methods.smooth("cam", rank=2))
    for n in range(2):
        a = model.features(x)[n].flatten(1).double()
        _, _, v = torch.linalg.svd(a, full_matrices=False)
        expected = v[:2].T @ (v[:2] @ plain[n].flatten().double())
        torch.testing.assert_close(smoothed[n].flatten().double(), expected, rtol=1e-4, atol=1e-5)


def test_smooth_with_every_pattern_changes_nothing(model: Model, x: Tensor) -> None:
    """A CAM is a combination of the channels, so it lies in what they span."""
    torch.testing.assert_close(
        run(model, x, methods.smooth("cam", rank=99)), run(model, x, "cam"), rtol=1e-3, atol=1e-4
    )


def test_smooth_outside_of_what_it_can_smooth(model: Model, x: Tensor) -> None:
    with pytest.raises(MethodError, match=r"smooth: .* not on the grid of the activations.*put smooth inside"):
        run(model, x, methods.smooth(methods.tta("cam", scales=(1.0, 2.0))))
    with pytest.raises(MethodError, match="rank: expected at least 1"):
        methods.smooth("cam", rank=0)


def test_all_of_them_together(model: Model, x: Tensor) -> None:
    """Layers of copies are copies of layers: both orders average the same maps where the fusion is a sum."""
    inside = methods.tta(methods.layers(methods.smooth("hirescam"), ["1", "3"], fusion="sum"))
    outside = methods.layers(methods.tta(methods.smooth("hirescam")), ["1", "3"], fusion="sum")
    assert inside.name == "tta(layers(smooth(hirescam)))"
    found = run(model, x, inside)
    assert found.abs().max() > 0
    torch.testing.assert_close(run(model, x, outside), found, rtol=1e-4, atol=1e-6)


def test_explain_takes_layers() -> None:
    model = whylight.wrap(gap_net(), size=32)
    picture = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    ex = whylight.explain(model, picture, method="layercam", target=1, layers=["1", "3"], fusion="mean")
    assert ex.method == "layers(layercam)"
    assert ex.units == "share of the maximum"
    expected = run(model, picture[None], methods.layers("layercam", ["1", "3"], fusion="mean"))[0]
    torch.testing.assert_close(ex.map, expected)


@pytest.mark.parametrize("network", [gap_net, deep_head_net, Untraceable])
def test_several_layers_cost_one_forward(x: Tensor, network: Callable[[], nn.Module]) -> None:
    """One forward for the logits, one for all layers; and the maps are those of each layer alone."""
    module = network()
    names = ["0", "1"] if isinstance(module, nn.Sequential) else ["body", ""]
    model = whylight.wrap(module, size=32)
    layered = methods.layers("gradcam++", [name for name in names if name], fusion="sum")
    first = run(model, x, layered)  # models at the layers are made now, once
    forwards = 0

    def count(part: nn.Module, inputs: object) -> None:
        nonlocal forwards
        forwards += 1

    handle = next(iter(module.children())).register_forward_pre_hook(count)
    try:
        again = run(model, x, layered)
    finally:
        handle.remove()
    torch.testing.assert_close(again, first)
    assert forwards <= 2
    apart = [run(whylight.wrap(module, size=32, layer=name), x, "gradcam++") for name in layered.names]
    torch.testing.assert_close(again, torch.stack(apart).sum(0), rtol=1e-4, atol=1e-6)
