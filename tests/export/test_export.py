"""What is read back says what the network says: logits and maps, by both runtimes, of any size of picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import whylight
from whylight.errors import DataError, MethodError, ModelError, WhylightError, WriteError
from whylight.export import export

ENDINGS = [".onnx", ".xml"]


@pytest.fixture(scope="session")
def files(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    for ending in ENDINGS:
        export(tiny, folder / f"tiny{ending}")
    assert sorted(one.name for one in folder.iterdir()) == ["tiny.bin", "tiny.onnx", "tiny.xml"]
    return {ending: folder / f"tiny{ending}" for ending in ENDINGS}


@pytest.mark.parametrize("ending", ENDINGS)
def test_maps_and_logits_are_the_networks(tiny: Any, files: dict[str, Path], photo: Path, ending: str) -> None:
    model = whylight.load(files[ending])
    assert model.classes == tiny.classes
    assert model.preprocessing == tiny.preprocessing
    assert model.name == f"tiny{ending}"
    x = tiny.preprocess(photo)[None]
    assert torch.allclose(model.logits(x), tiny.logits(x), rtol=1e-4, atol=1e-5)
    for method in ("cam", "gradcam", "hirescam"):
        for target in ("b", None, "a >> c"):
            ours, theirs = (whylight.explain(one, photo, method=method, target=target) for one in (model, tiny))
            most = float(theirs.map.abs().max())
            assert torch.allclose(ours.map, theirs.map, atol=1e-4 * most), (method, target)
            assert ours.score == pytest.approx(theirs.score, rel=1e-4, abs=1e-5)
            assert (ours.label, ours.region, ours.span, ours.peak) == (
                theirs.label,
                theirs.region,
                theirs.span,
                theirs.peak,
            )


@pytest.mark.parametrize("ending", ENDINGS)
def test_methods_that_change_the_picture_work_and_others_say_why_not(
    files: dict[str, Path], photo: Path, ending: str
) -> None:
    model = whylight.load(files[ending])
    assert model.applicable_methods() == ["cam", "gradcam", "hirescam", "occlusion", "rise"]
    occlusion = whylight.explain(model, photo, method="occlusion")
    assert occlusion.map.isfinite().all()
    with pytest.raises(MethodError, match="does not hold"):
        whylight.explain(model, photo, method="layercam")


def test_the_graph_takes_pictures_of_any_size_and_number(tiny: Any, files: dict[str, Path], photo: Path) -> None:
    """As another program would run it: no whylight, no PyTorch."""
    session = onnxruntime.InferenceSession(str(files[".onnx"]))
    assert [(one.name, one.type) for one in session.get_inputs()] == [("pictures", "tensor(uint8)")]
    assert [one.name for one in session.get_outputs()] == ["logits", "maps"]
    with Image.open(photo) as opened:
        whole = opened.convert("RGB")
    for size, count in (((512, 512), 1), ((300, 200), 3), ((64, 64), 2)):
        picture = whole.resize(size)
        logits, maps = session.run(None, {"pictures": np.repeat(np.asarray(picture)[None], count, axis=0)})
        wanted = tiny.logits(tiny.preprocess(picture)[None])
        assert logits.shape == (count, 5)
        assert maps.shape == (count, 5, *tiny.grid)
        assert np.allclose(logits, wanted.numpy(), atol=0.02 * float(wanted.abs().max()))  # pixels rounded another way
        assert np.allclose(maps.mean((2, 3)) + tiny.linear.bias.numpy(), logits, atol=1e-4)


@pytest.mark.parametrize("name", ["torchvision/resnet18", "mobilenetv2_050"])
def test_networks_that_people_have(name: str, photo: Path, tmp_path: Path) -> None:
    network = whylight.load(name, pretrained=False)
    export(network, tmp_path / "n.onnx")
    found = whylight.load(tmp_path / "n.onnx")
    ours, theirs = (whylight.explain(one, photo, method="cam", target=3) for one in (found, network))
    assert torch.allclose(ours.map, theirs.map, atol=1e-4 * float(theirs.map.abs().max()))
    assert ours.label == theirs.label


def test_eight_bits_agree(tmp_path: Path, photo: Path) -> None:
    with Image.open(photo) as opened:
        whole = opened.convert("RGB")
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(32):
        x, y = rng.integers(0, 256, 2)
        whole.crop((x, y, x + 256, y + 256)).save(folder / f"{number}.jpg")
    model = whylight.load("person")
    agreement = export(model, tmp_path / "p.onnx", int8=[folder])
    assert agreement is not None
    assert agreement.pictures == 16
    assert agreement.same_class >= 0.8
    assert agreement.map_correlation >= 0.9
    assert "the same class" in str(agreement)
    floats = 4 * sum(one.numel() for one in model.module.parameters())
    assert (tmp_path / "p.onnx").stat().st_size < 0.5 * floats
    assert whylight.explain(whylight.load(tmp_path / "p.onnx"), photo, method="cam").map.isfinite().all()
    with pytest.raises(DataError, match="too few"):
        export(model, tmp_path / "r.onnx", int8=[folder / "1.jpg"])
    assert not (tmp_path / "r.onnx").exists()
    assert not list(tmp_path.glob(".whylight-*"))


def test_what_cannot_be_exported_says_why(tiny: Any, files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="average pooling"):
        export(whylight.load("torchvision/vgg11", pretrained=False), tmp_path / "a.onnx")
    with pytest.raises(WhylightError, match="ends in"):
        export(tiny, tmp_path / "a.tflite")
    with pytest.raises(WhylightError, match="ends in"):
        export(tiny, tmp_path / "a.onnx", form="openvino")
    with pytest.raises(ModelError, match="exported model already"):
        export(whylight.load(files[".onnx"]), tmp_path / "a.onnx")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(WriteError, match="cannot be written"):
        export(tiny, tmp_path / "file" / "a.onnx")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file"]


def test_what_cannot_be_read_says_why(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(files[".xml"].read_bytes())
    with pytest.raises(ModelError, match=r"a\.bin: no such file"):
        whylight.load(tmp_path / "a.xml")
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"a\.xml"):
        whylight.load(tmp_path / "a.xml")
    (tmp_path / "b.xml").write_text("<net/>", "utf-8")
    (tmp_path / "b.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="OpenVINO cannot read it"):
        whylight.load(tmp_path / "b.xml")
    with pytest.raises(ModelError, match="leave"):
        whylight.load(files[".onnx"], classes=["x"] * 5)


def test_the_command_line(photo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "whylight"]
    ran = subprocess.run([*command, "export", "person"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "person.onnx: pictures (N, H, W, 3) uint8" in ran.stdout
    assert ran.stderr == ""
    again = subprocess.run([*command, "export", "person"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    explained = [*command, "explain", str(photo), "--model", "person.onnx", "--target", "person", "--out", "o"]
    ran = subprocess.run(explained, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "gradcam" in ran.stdout
