"""Networks by name, finer grids with the same weights, other people's files."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from whylight.errors import ModelError
from whylight.models.surgery import centre_head, classifier_of, fold_batch_norm, scale_head, set_output_stride
from whylight.models.zoo.architectures import build, names
from whylight.models.zoo.foreign import load_foreign


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn((2, 3, 128, 128), generator=torch.Generator().manual_seed(0))


def with_statistics(module: nn.Module) -> nn.Module:
    """Batch norms as after training, not the identity that a new network has."""
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) * 0.1)  # type: ignore[union-attr]
            layer.running_var.copy_(0.5 + torch.rand(layer.num_features, generator=generator))  # type: ignore[union-attr]
    return module.eval()


@pytest.mark.parametrize(("arch", "kind"), [("resnet18", "ResNet"), ("torchvision/mobilenet_v2", "MobileNetV2")])
def test_build(arch: str, kind: str, x: torch.Tensor) -> None:
    module = build(arch, classes=3)
    assert type(module).__name__ == kind
    assert not module.training
    assert module(x).shape == (2, 3)
    assert arch in names()


@pytest.mark.parametrize(
    ("wrong", "near"), [("resnet19", "resnet18"), ("torchvision/mobilnet_v2", "torchvision/mobilenet_v2")]
)
def test_an_unknown_name_gets_near_ones(wrong: str, near: str) -> None:
    with pytest.raises(ModelError, match=near):
        build(wrong)


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(ModelError, match="colour"):
        build("resnet18", options={"colour": "red"})
    with pytest.raises(ModelError, match="wings"):
        build("torchvision/resnet18", options={"wings": 2})


@pytest.mark.parametrize("arch", ["torchvision/mobilenet_v2", "torchvision/resnet18", "resnet18"])
def test_output_stride_changes_the_grid_and_not_the_weights(arch: str, x: torch.Tensor) -> None:
    torch.manual_seed(0)
    coarse = with_statistics(build(arch, classes=3))
    fine = build(arch, classes=3, output_stride=16)
    fine.load_state_dict(coarse.state_dict())
    fine.eval()

    def grid(module: nn.Module) -> torch.Tensor:
        part = module.features if hasattr(module, "features") else module.layer4
        caught: list[torch.Tensor] = []
        handle = part.register_forward_hook(lambda part, inputs, output: caught.append(output))  # type: ignore[union-attr, operator]
        module(x)
        handle.remove()
        return caught[0]

    with torch.no_grad():
        a, b = grid(coarse), grid(fine)
    assert b.shape[-1] == 2 * a.shape[-1]
    # Dilated, the finer network computes at every second place what the coarse one computes there.
    assert torch.allclose(b[..., ::2, ::2], a, atol=1e-4)


def test_output_stride_that_cannot_be() -> None:
    with pytest.raises(ModelError, match="MaxPool2d"):
        set_output_stride(build("torchvision/vgg11", classes=2), 16)
    with pytest.raises(ModelError, match="finer"):
        set_output_stride(build("torchvision/resnet18", classes=2), 64)
    with pytest.raises(ModelError, match="output_stride"):
        build("vit_tiny_patch16_224", output_stride=8)


@pytest.mark.parametrize("arch", ["torchvision/mobilenet_v2", "resnet18", "mobilenetv2_035", "torchvision/resnet50"])
def test_folding_batch_norm_keeps_the_outputs(arch: str, x: torch.Tensor) -> None:
    module = with_statistics(build(arch, classes=3))
    with torch.no_grad():
        before = module(x)
        folded = fold_batch_norm(module)
        after = module(x)
    assert folded >= 18
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())
    assert torch.allclose(after, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_a_folded_network_is_built_folded() -> None:
    module = build("torchvision/mobilenet_v2", classes=2, options={"fold_batch_norm": True})
    assert not any("running" in name for name in module.state_dict())
    assert all(parameter.requires_grad for parameter in module.parameters())  # the biases that folding makes, too


def test_centring_keeps_probabilities_and_scaling_keeps_decisions(x: torch.Tensor) -> None:
    module = build("resnet18", classes=3)
    with torch.no_grad():
        before = module(x)
        centre_head(module)
        centred = module(x)
        scale_head(module, 2.0)
        scaled = module(x)
    assert torch.allclose(centred.softmax(1), before.softmax(1), atol=1e-6)
    assert torch.allclose(centred.sum(1), torch.zeros(2), atol=1e-5)
    assert torch.allclose(scaled, 2 * centred, atol=1e-5)
    assert classifier_of(module)[0] == "fc"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_elsewhere(tmp_path: Path, suffix: str) -> None:
    theirs = build("resnet18", classes=5)
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        half = theirs.half().state_dict()
        torch.save({"state_dict": {f"module.{key}": value for key, value in half.items()}}, path)
        theirs.float()
    else:
        safetensors.torch.save_file(theirs.state_dict(), path)
    same, other = build("resnet18", classes=5), build("resnet18", classes=2)
    untouched = other.fc.weight.clone()  # type: ignore[union-attr, operator]
    assert load_foreign(same, path) == []
    assert torch.allclose(same.fc.weight, theirs.fc.weight, atol=1e-3)  # type: ignore[arg-type, union-attr]
    assert load_foreign(other, path) == ["fc.weight", "fc.bias"]
    assert torch.equal(other.fc.weight, untouched)  # type: ignore[arg-type, union-attr]
    assert torch.allclose(other.conv1.weight, theirs.conv1.weight, atol=1e-3)  # type: ignore[arg-type, union-attr]


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    state = build("resnet18", classes=5).state_dict()
    state["conv1.weight"] = state["conv1.weight"][:, :1]
    del state["bn1.weight"]
    state["extra"] = torch.zeros(1)
    torch.save(state, path)
    with pytest.raises(ModelError) as caught:
        load_foreign(build("resnet18", classes=5), path)
    said = str(caught.value)
    assert "missing bn1.weight" in said
    assert "unexpected extra" in said
    assert "conv1.weight is (64, 1, 7, 7), the network's is (64, 3, 7, 7)" in said


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    module = build("resnet18", classes=2)
    with pytest.raises(ModelError, match="no such file"):
        load_foreign(module, tmp_path / "none.pth")
    for name, content in (("a.pth", b"hello"), ("b.safetensors", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match="not a file of weights"):
            load_foreign(module, tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="holds no state dict"):
        load_foreign(module, tmp_path / "list.pth")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


def test_a_file_never_runs_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="read safely"):
        load_foreign(build("resnet18", classes=2), tmp_path / "evil.pth")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("arch", ["resnet18", "torchvision/resnet18"])
def test_pretrained_without_a_network_says_what_was_tried(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("timm.models._hub.hf_hub_download", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(ModelError) as caught:
        build(arch, pretrained=True)
    said = str(caught.value)
    assert arch in said
    assert "network is unreachable" in said
    assert "--weights FILE" in said
    assert '"face"' in said
