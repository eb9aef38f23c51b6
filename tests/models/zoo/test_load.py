"""load: every kind of name, and errors that say what was tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from timm.data import create_transform, resolve_model_data_config

import whylight
from whylight.errors import ModelError
from whylight.images import decode
from whylight.images.preprocess import Preprocess
from whylight.models.zoo.files import ModelSpec, save_weights
from whylight.models.zoo.load import load

TINY = "test_resnet.r160_in1k"


def test_timm_name_prepares_pictures_as_timm_does(photo: Path) -> None:
    model = load(TINY, pretrained=False, device="cpu")
    config = resolve_model_data_config(timm.create_model(TINY))
    assert len(model.classes) == 1000
    assert model.classes[281] == "tabby"
    expected = create_transform(**config, is_training=False)(decode(photo))
    torch.testing.assert_close(model.preprocess(photo), expected)


def test_torchvision_name_prepares_pictures_as_torchvision_does(photo: Path) -> None:
    model = load("torchvision/mobilenet_v2", pretrained=False)
    expected = torchvision.models.MobileNet_V2_Weights.DEFAULT.transforms()(decode(photo))
    torch.testing.assert_close(model.preprocess(photo), expected)


def test_own_file_and_run_folder(tmp_path: Path) -> None:
    network = timm.create_model(TINY, num_classes=2).eval()
    spec = ModelSpec(arch=TINY, classes=("cat", "dog"), preprocess=Preprocess(size=(96, 128)))
    save_weights(tmp_path / "runs" / "7" / "model.safetensors", network, spec)
    x = torch.randn(1, 3, 96, 128)
    for name in (tmp_path / "runs" / "7", tmp_path / "runs" / "7" / "model.safetensors"):
        model = load(name, device="cpu")
        assert model.classes == ("cat", "dog")
        assert model.preprocessing.size == (96, 128)
        torch.testing.assert_close(model.logits(x), network(x).detach())


def test_weights_from_elsewhere(tmp_path: Path) -> None:
    network = torchvision.models.resnet18(num_classes=4).eval()
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, tmp_path / "mine.pth"
    )
    model = load("resnet18", weights=tmp_path / "mine.pth", classes=["a", "b", "c", "d"], device="cpu")
    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(model.logits(x), network(x).detach(), rtol=1e-4, atol=1e-4)
    with pytest.raises(
        ModelError,
        match=r"its last layer .* another number of classes: 4, and resnet18 has 1000\. .*--classes FILE",
    ):
        load("resnet18", weights=tmp_path / "mine.pth")


def test_bundled_face() -> None:
    model = whylight.load("face", device="cpu")
    assert set(model.classes) == {"face", "no face"}
    assert model.linear is not None, "ready for CAM"


def test_the_bundled_model_needs_no_zoo() -> None:
    """timm takes seconds to import; the bundled network is torchvision's."""
    code = (
        "import sys, whylight; whylight.load('face', device='cpu')\n"
        "heavy = {'timm', 'httpx', 'huggingface_hub', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_offline_pretrained_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The hub's client reads these when it is first imported, so both the variable and its copy are set.
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"pretrained weights of resnet18 .* timm's own loader.*--weights FILE.*bundled model"
    ):
        load("resnet18")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("resnet19", "model 'resnet19' is not known.*Near it: .*resnet1"),
        ("torchvision/resnet19", "is not known.*Near it: torchvision/resnet1"),
        ("no/such/folder", "is not known, and there is no file or folder"),
        ("missing.safetensors", "missing.safetensors"),
    ],
)
def test_unknown_names(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load(name)


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        load(tmp_path)


def test_bare_weights_need_an_architecture(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "x.pth")
    with pytest.raises(ModelError, match="does not say which network it belongs to"):
        load(tmp_path / "x.pth")


def test_devices() -> None:
    assert load(TINY, pretrained=False, device="cpu").device.type == "cpu"
    with pytest.raises(ModelError, match="'gpu' is not a device: use auto, cpu, cuda"):
        load(TINY, pretrained=False, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="'cuda' is not available on this machine: use auto or cpu"):
            load(TINY, pretrained=False, device="cuda")
