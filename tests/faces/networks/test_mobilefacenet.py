"""MobileFaceNet: both checkpoints give what a plain forward over their own tensors gives, and other files are refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import whylight
from whylight.errors import ModelError
from whylight.faces.networks.mobilefacenet import CHECKPOINTS, MobileFaceNet, checkpoint_of, read_mobilefacenet

State = dict[str, Tensor]
BLOCKS = [(2, 64, 2), *[(2, 64, 1)] * 4, (4, 128, 2), *[(2, 128, 1)] * 6, (4, 128, 2), *[(2, 128, 1)] * 2]


class Maker:
    """Random tensors under the names that the two authors gave them."""

    def __init__(self) -> None:
        self.state: State = {}
        self.random = torch.Generator().manual_seed(0)

    def convolution(self, name: str, *shape: int, bias: bool = False) -> None:
        fan = shape[1] * shape[2] * shape[3]
        self.state[f"{name}.weight"] = torch.randn(shape, generator=self.random) / fan**0.5
        if bias:
            self.state[f"{name}.bias"] = torch.randn(shape[0], generator=self.random)

    def norm(self, name: str, channels: int) -> None:
        self.state[f"{name}.weight"] = 0.5 + torch.rand(channels, generator=self.random)
        self.state[f"{name}.bias"] = torch.randn(channels, generator=self.random) / 4
        self.state[f"{name}.running_mean"] = torch.randn(channels, generator=self.random) / 4
        self.state[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=self.random)
        self.state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def slopes(self, name: str, channels: int) -> None:
        self.state[f"{name}.weight"] = torch.rand(channels, generator=self.random)


def xiaoccer() -> State:
    make = Maker()

    def layer(name: str, *shape: int, slopes: bool = True) -> None:
        make.convolution(f"{name}.conv", *shape)
        make.norm(f"{name}.bn", shape[0])
        if slopes:
            make.slopes(f"{name}.prelu", shape[0])

    layer("conv1", 64, 3, 3, 3)
    layer("dw_conv1", 64, 1, 3, 3)
    inside = 64
    for index, (expansion, out, _) in enumerate(BLOCKS):
        wide, name = inside * expansion, f"blocks.{index}.conv"
        make.convolution(f"{name}.0", wide, inside, 1, 1)
        make.norm(f"{name}.1", wide)
        make.slopes(f"{name}.2", wide)
        make.convolution(f"{name}.3", wide, 1, 3, 3)
        make.norm(f"{name}.4", wide)
        make.slopes(f"{name}.5", wide)
        make.convolution(f"{name}.6", out, wide, 1, 1)
        make.norm(f"{name}.7", out)
        inside = out
    layer("conv2", 512, 128, 1, 1)
    layer("linear7", 512, 1, 7, 6, slopes=False)
    layer("linear1", 128, 512, 1, 1, slopes=False)
    return make.state


def foamliu() -> State:
    make = Maker()
    make.convolution("conv1.0", 64, 3, 3, 3)
    make.norm("conv1.1", 64)
    make.convolution("dw_conv.depthwise", 64, 1, 3, 3)
    make.convolution("dw_conv.pointwise", 64, 64, 1, 1)
    make.norm("dw_conv.bn1", 64)
    make.norm("dw_conv.bn2", 64)
    inside = 64
    for index, (expansion, out, _) in enumerate(BLOCKS):
        wide, name = inside * expansion, f"features.{index}.conv"
        make.convolution(f"{name}.0.0", wide, inside, 1, 1)
        make.norm(f"{name}.0.1", wide)
        make.convolution(f"{name}.1.0", wide, 1, 3, 3)
        make.norm(f"{name}.1.1", wide)
        make.convolution(f"{name}.2", out, wide, 1, 1)
        make.norm(f"{name}.3", out)
        inside = out
    make.convolution("conv2.0", 512, 128, 1, 1)
    make.norm("conv2.1", 512)
    make.convolution("gdconv.depthwise", 512, 1, 7, 7)
    make.norm("gdconv.bn", 512)
    make.convolution("conv3", 128, 512, 1, 1, bias=True)
    make.norm("bn", 128)
    return make.state


def norm(s: State, name: str, x: Tensor) -> Tensor:
    mean, var, weight, bias = (s[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, weight, bias)


def plain_xiaoccer(s: State, x: Tensor) -> Tensor:
    def layer(name: str, x: Tensor, stride: int = 1, padding: int = 0, groups: int = 1, slopes: bool = True) -> Tensor:
        x = norm(s, f"{name}.bn", F.conv2d(x, s[f"{name}.conv.weight"], None, stride, padding, 1, groups))
        return F.prelu(x, s[f"{name}.prelu.weight"]) if slopes else x

    x = layer("conv1", x, 2, 1)
    x = layer("dw_conv1", x, 1, 1, 64)
    for index, (_, out, stride) in enumerate(BLOCKS):
        n = f"blocks.{index}.conv"
        y = F.prelu(norm(s, f"{n}.1", F.conv2d(x, s[f"{n}.0.weight"])), s[f"{n}.2.weight"])
        y = F.conv2d(y, s[f"{n}.3.weight"], None, stride, 1, 1, y.shape[1])
        y = F.prelu(norm(s, f"{n}.4", y), s[f"{n}.5.weight"])
        y = norm(s, f"{n}.7", F.conv2d(y, s[f"{n}.6.weight"]))
        x = x + y if stride == 1 and x.shape[1] == out else y
    x = layer("conv2", x)
    x = layer("linear7", x, groups=512, slopes=False)
    return layer("linear1", x, slopes=False).flatten(1)


def plain_foamliu(s: State, x: Tensor) -> Tensor:
    x = F.relu6(norm(s, "conv1.1", F.conv2d(x, s["conv1.0.weight"], None, 2, 1)))
    x = F.relu(norm(s, "dw_conv.bn1", F.conv2d(x, s["dw_conv.depthwise.weight"], None, 1, 1, 1, 64)))
    x = F.relu(norm(s, "dw_conv.bn2", F.conv2d(x, s["dw_conv.pointwise.weight"])))
    for index, (_, out, stride) in enumerate(BLOCKS):
        n = f"features.{index}.conv"
        y = F.relu6(norm(s, f"{n}.0.1", F.conv2d(x, s[f"{n}.0.0.weight"])))
        y = F.relu6(norm(s, f"{n}.1.1", F.conv2d(y, s[f"{n}.1.0.weight"], None, stride, 1, 1, y.shape[1])))
        y = norm(s, f"{n}.3", F.conv2d(y, s[f"{n}.2.weight"]))
        x = x + y if stride == 1 and x.shape[1] == out else y
    x = F.relu6(norm(s, "conv2.1", F.conv2d(x, s["conv2.0.weight"])))
    x = norm(s, "gdconv.bn", F.conv2d(x, s["gdconv.depthwise.weight"], groups=512))
    return norm(s, "bn", F.conv2d(x, s["conv3.weight"], s["conv3.bias"])).flatten(1)


KINDS = [(xiaoccer, plain_xiaoccer, (112, 96), (7, 6)), (foamliu, plain_foamliu, (112, 112), (7, 7))]
READ: dict[str, Any] = {"device": "cpu"}


@pytest.mark.parametrize(("make", "plain", "size", "grid"), KINDS)
def test_the_embedding_is_that_of_a_plain_forward(make: Any, plain: Any, size: Any, grid: Any, tmp_path: Path) -> None:
    state = make()
    torch.save(state, tmp_path / "m.pt")
    model, checkpoint = read_mobilefacenet(tmp_path / "m.pt", **READ)
    assert (checkpoint.name, checkpoint.template.size) == (make.__name__, size)
    x = torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(1))
    expected = plain(state, x)
    assert expected.std() > 0.1
    torch.testing.assert_close(model.logits(x).contiguous(), expected, rtol=1e-3, atol=1e-4)
    assert model.grid == grid
    assert model.channels == 512
    assert model.split_kind.startswith("exact")


def test_the_ways_in_which_files_wrap_it(tmp_path: Path) -> None:
    state = xiaoccer()
    without = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save({"epoch": 3, "net_state_dict": state}, tmp_path / "a.ckpt")
    torch.save({f"module.{name}": value for name, value in without.items()}, tmp_path / "b.pth")
    safetensors.torch.save_file(without, tmp_path / "c.safetensors")
    for name in ("a.ckpt", "b.pth", "c.safetensors"):
        module = read_mobilefacenet(tmp_path / name, **READ)[0].module
        assert torch.equal(module.get_parameter("embed.0.weight"), state["linear1.conv.weight"])
        assert torch.equal(module.get_buffer("blocks.3.layers.4.running_var"), state["blocks.3.conv.4.running_var"])


def test_pixels_are_scaled_as_in_training(tmp_path: Path) -> None:
    colour = Image.new("RGB", (112, 112), (0, 128, 255))
    torch.save(xiaoccer(), tmp_path / "x.pt")
    torch.save(foamliu(), tmp_path / "f.pt")
    x = read_mobilefacenet(tmp_path / "x.pt", **READ)[0].preprocess(colour.crop((0, 0, 96, 112)))
    assert x[:, 5, 5].tolist() == pytest.approx([-127.5 / 128, 0.5 / 128, 127.5 / 128], abs=1e-6)
    f = read_mobilefacenet(tmp_path / "f.pt", **READ)[0].preprocess(colour)
    wanted = [-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert f[:, 5, 5].tolist() == pytest.approx(wanted, abs=1e-5)


def test_templates_are_the_published_points() -> None:
    # SphereFace's for 112×96 and ArcFace's for 112×112, whose first pixel's centre is 0 and not 0.5.
    points = {"right_eye": 51.6963, "left_eye": 51.5014, "nose": 71.7366, "right_mouth": 92.3655, "left_mouth": 92.2041}
    across = {"right_eye": 30.2946, "left_eye": 65.5318, "nose": 48.0252, "right_mouth": 33.5493, "left_mouth": 62.7299}
    for checkpoint, shift in zip(CHECKPOINTS, (0, 8), strict=True):
        template = checkpoint.template
        here = {"right_eye": template.right_eye, "left_eye": template.left_eye, **template.others}
        height, width = template.size
        assert set(here) == set(points)
        for name, point in here.items():
            assert point.x * width - 0.5 == pytest.approx(across[name] + shift, abs=1e-3)
            assert point.y * height - 0.5 == pytest.approx(points[name], abs=1e-3)


def test_similarity_can_be_explained(tmp_path: Path) -> None:
    torch.save(xiaoccer(), tmp_path / "m.pt")
    model, _ = read_mobilefacenet(tmp_path / "m.pt", **READ)
    noise = np.random.default_rng(0).integers(0, 256, (112, 96, 3), np.uint8)
    reference = model.logits(torch.randn((1, 3, 112, 96), generator=torch.Generator().manual_seed(2)))
    explanation = whylight.explain(model, noise, method="gradcam", target=whylight.targets.similarity(reference))
    z = model.logits(model.preprocess(noise)[None])
    assert explanation.map.shape == (7, 6)
    assert explanation.score == pytest.approx(float(torch.cosine_similarity(z, reference)), abs=1e-5)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.pt: no such file"):
        read_mobilefacenet(tmp_path / "absent.pt")
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"linear7.conv.weight": Evil(tmp_path / "made")}, protocol=2))
    with pytest.raises(ModelError, match=r"evil\.pt: not a file of weights that can be read safely"):
        read_mobilefacenet(tmp_path / "evil.pt")
    torch.save({"linear7.conv.weight": Evil(tmp_path / "made")}, tmp_path / "evil2.pt")
    with pytest.raises(ModelError, match=r"evil2\.pt: not a file of weights that can be read safely"):
        read_mobilefacenet(tmp_path / "evil2.pt")
    assert not (tmp_path / "made").exists()
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"other\.pt: no MobileFaceNet that whylight knows"):
        read_mobilefacenet(tmp_path / "other.pt")
    state = foamliu()
    state["conv3.weight"] = state["conv3.weight"][:64]
    del state["bn.running_var"]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "wrong.pt")
    with pytest.raises(ModelError) as caught:
        read_mobilefacenet(tmp_path / "wrong.pt")
    for part in ("missing embed.1.running_var", "unexpected extra.weight", "embed.0.weight is (64, 512, 1, 1)"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("file", "plain"), [("xiaoccer.ckpt", plain_xiaoccer), ("foamliu.pt", plain_foamliu)])
def test_the_real_checkpoints(file: str, plain: Any, data_dir: Path) -> None:
    path = data_dir / "weights" / f"mobilefacenet_{file}"
    if not path.is_file():
        pytest.skip(f"no {path}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("net_state_dict", state)
    found = checkpoint_of(state)
    assert found is not None
    assert found.name == file.split(".")[0]
    model, _ = read_mobilefacenet(path, **READ)
    assert isinstance(model.module, MobileFaceNet)
    x = torch.rand((1, 3, *found.template.size), generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(model.logits(x).contiguous(), plain(state, x), rtol=1e-3, atol=1e-4)
