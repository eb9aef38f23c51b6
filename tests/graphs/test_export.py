"""Exported graphs give what the network gives, logits, maps, explanations; they resize as Pillow does; errors say what to do."""

from __future__ import annotations

import operator
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from nets import gap_net
from whylight.errors import MethodError, ModelError, WriteError
from whylight.graphs.export import Written
from whylight.graphs.geometry import Geometry
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.exported import Exported, load_exported
from whylight.models.adapters.facts import read_facts
from whylight.models.model import Model

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'whylight[export]'")

PHOTO = Path(__file__).resolve().parents[2] / "examples" / "astronaut.jpg"
NAMES = ["cat", 'a "dog" & <more>', "tabby 猫"]
SUFFIXES = (".onnx", ".xml")


def network(**preprocessing: Any) -> Model:
    """Three classes; 32 pixels."""
    return whylight.wrap(gap_net(), classes=NAMES, preprocessing=Preprocess(size=(32, 32), **preprocessing))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def written(folder: Path) -> dict[str, Written]:
    return {suffix: whylight.export(network(), folder / f"net{suffix}") for suffix in SUFFIXES}


@pytest.fixture(params=SUFFIXES)
def exported(request: pytest.FixtureRequest, written: dict[str, Written]) -> Exported:
    found = whylight.load(written[request.param].path)
    assert isinstance(found, Exported)
    return found


def photo(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(PHOTO) as opened:
        return np.asarray(opened.convert("RGB").resize((width, height)))


def far(found: Any, wanted: Any) -> float:
    """The largest difference, of the largest value that is wanted."""
    found, wanted = torch.as_tensor(found), torch.as_tensor(wanted)
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


def test_what_was_written(written: dict[str, Written]) -> None:
    for suffix, one in written.items():
        assert one.error <= 1e-4
        assert one.path.suffix == suffix
        facts = read_facts(one.path)
        assert facts == one.facts
        assert facts is not None
        assert facts.classes == tuple(NAMES)
        assert facts.version == whylight.__version__
        assert (facts.method, facts.grid, len(facts.weights)) == ("cam", (8, 8), 64)
    size = sum(written[".xml"].path.with_suffix(end).stat().st_size for end in (".xml", ".bin"))
    assert written[".xml"].bytes == size


@pytest.mark.parametrize("method", ["cam", "gradcam", "hirescam", None])
@pytest.mark.parametrize("target", [None, 1, NAMES[2], lambda logits: logits[:, 0] - logits[:, 1]])
def test_explanations_are_the_networks(exported: Exported, method: str | None, target: Any) -> None:
    mine = whylight.explain(network(), photo(61, 47), method=method, target=target)
    theirs = whylight.explain(exported, photo(61, 47), method=method, target=target)
    assert far(theirs.map, mine.map) <= 1e-4
    assert theirs.score == pytest.approx(mine.score, rel=1e-4, abs=1e-5)
    assert (theirs.method, theirs.label, theirs.target, theirs.span) == (
        mine.method,
        mine.label,
        mine.target,
        mine.span,
    )


def test_methods_around_and_from_outside(exported: Exported) -> None:
    mirrored = whylight.methods.tta("cam")
    mine, theirs = (
        whylight.explain(model, photo(50, 50), method=mirrored, target=0) for model in (network(), exported)
    )
    assert far(theirs.map, mine.map) <= 1e-4
    occluded = whylight.methods.get("occlusion", patch=16, stride=16)
    mine, theirs = (
        whylight.explain(model, photo(50, 50), method=occluded, target=0) for model in (network(), exported)
    )
    assert far(theirs.map, mine.map) <= 1e-3


def test_other_methods_say_why_not(exported: Exported) -> None:
    assert exported.applicable_methods() == ["cam", "gradcam", "hirescam", "occlusion", "rise"]
    for method in ("layercam", whylight.methods.smooth("cam"), whylight.methods.layers("cam", ["2"])):
        with pytest.raises(MethodError, match="holds the classes' maps alone"):
            whylight.explain(exported, photo(32, 32), method=method)


def test_live(exported: Exported) -> None:
    model = network()
    for pixels in (photo(32, 32), photo(70, 40)):
        logits, maps = exported.see(pixels)
        x = model.preprocess(pixels).unsqueeze(0)
        assert far(logits, model.logits(x)[0]) <= 1e-4
        wanted = torch.einsum("ck,khw->chw", model.linear.weight, model.features(x)[0])  # type: ignore[union-attr]
        assert far(maps, wanted) <= 1e-4
        # What holds of CAM: the mean of each map is the logit less the bias.
        np.testing.assert_allclose(maps.mean((1, 2)), logits - model.linear.bias.numpy(), atol=1e-5)  # type: ignore[union-attr]
    for wrong in (photo(32, 32).astype(np.float32), photo(32, 32)[..., 0], photo(32, 32)[:0]):
        with pytest.raises(ModelError, match=r"expected a picture \(H, W, 3\) of uint8"):
            exported.see(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "way",
    [
        {},
        {"mode": "crop", "crop_pct": 0.8},
        *(pytest.param({"interpolation": name}, marks=pytest.mark.long) for name in ("bicubic", "nearest")),
    ],
)
def test_resizing_inside_is_pillows(folder: Path, suffix: str, way: dict[str, Any]) -> None:
    model = network(**way)
    whylight.export(model, folder / f"resized{suffix}")
    exported = load_exported(folder / f"resized{suffix}", threads=1)
    for width, height in ((32, 32), (97, 61), (20, 28), (300, 201)):
        pixels = photo(width, height)
        x = model.preprocess(pixels).unsqueeze(0)
        logits, maps = exported.see(pixels, inside=True)
        same = (width, height) == (32, 32) and not way.get("mode")
        assert far(maps, torch.einsum("ck,khw->chw", model.linear.weight, model.features(x)[0])) <= (
            1e-4 if same else 0.03
        )  # type: ignore[union-attr]
        assert far(logits, model.logits(x)[0]) <= (1e-4 if same else 0.03)


def test_geometry_is_preprocess_own() -> None:
    for crop in (0.8, 0.875, 0.9, 1.0):
        way = Preprocess(size=(40, 30), mode="crop", crop_pct=crop)
        whole: dict[str, Any] = {"number": int, "times": operator.mul, "plus": operator.add, "over": operator.floordiv}
        geometry = Geometry(way, **whole, left=operator.mod, larger=max)
        for height in range(5, 200, 7):
            for width in range(5, 200, 3):
                (across, down), (left, top) = way._geometry((width, height))
                assert geometry.scaled(height, width) == (down, across)
                assert geometry.corner(down, across) == (top, left)


@pytest.mark.parametrize("suffix", [pytest.param(".onnx", marks=pytest.mark.long), ".xml"])
def test_without_resizing(folder: Path, suffix: str) -> None:
    model = network(mode="crop", crop_pct=0.8, interpolation="lanczos")
    with pytest.raises(ModelError, match=r"lanczos filter.*resize=False"):
        whylight.export(model, folder / f"fixed{suffix}")
    whylight.export(model, folder / f"fixed{suffix}", resize=False)
    exported = load_exported(folder / f"fixed{suffix}")
    pixels = photo(32, 32)  # as whoever resizes hands it over
    plain = network().preprocess(pixels).unsqueeze(0)
    assert far(exported.see(pixels)[0], model.logits(plain)[0]) <= 1e-4
    assert far(exported.see(photo(90, 70))[0], model.logits(model.preprocess(photo(90, 70)).unsqueeze(0))[0]) <= 1e-4


@pytest.mark.long
@pytest.mark.parametrize("name", ["torchvision/mobilenet_v2", "resnet18", "efficientnet_b0"])
def test_families(folder: Path, name: str) -> None:
    torch.manual_seed(0)
    model = whylight.load(name, pretrained=False, device="cpu", size=64)
    found = whylight.export(model, folder / "family.xml")
    assert found.error <= 1e-4
    mine, theirs = (whylight.explain(one, PHOTO, method="cam") for one in (model, whylight.load(found.path)))
    assert far(theirs.map, mine.map) <= 1e-4
    assert theirs.label == mine.label


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_heads(folder: Path, suffix: str) -> None:
    torch.manual_seed(0)
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2), nn.Softmax(1)]
    model = whylight.wrap(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), *head), size=32)
    with pytest.raises(ModelError, match=r"needs a head of global average pooling.*Export the logits alone"):
        whylight.export(model, folder / f"max{suffix}")
    whylight.export(model, folder / f"max{suffix}", logits_only=True)
    exported = whylight.load(folder / f"max{suffix}")
    x = model.preprocess(PHOTO).unsqueeze(0)
    assert far(exported.logits(x), model.logits(x)) <= 1e-4
    assert exported.applicable_methods() == ["occlusion", "rise"]
    assert exported.ending == model.ending != ""
    with pytest.raises(ModelError, match="has no maps"):
        exported.see(photo(32, 32))  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_int8(folder: Path, tmp_path: Path, suffix: str) -> None:
    for place in range(12):
        Image.fromarray(np.roll(photo(48, 48), 4 * place, 1)).save(tmp_path / f"{place:02}.png")
    with pytest.raises(ModelError, match="read off pictures"):
        whylight.export(network(), folder / f"int8{suffix}", int8=True)
    found = whylight.export(network(), folder / f"int8{suffix}", int8=True, pictures=[tmp_path])
    assert found.agreement is not None
    assert found.agreement.pictures == 6
    assert found.agreement.maps > 0.95
    assert found.agreement.top > 0.8
    assert found.agreement.right is None
    assert 1e-4 < found.error < 0.2
    exported = whylight.load(found.path)
    assert exported.facts.int8  # type: ignore[union-attr]


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for wrong, given, says in (
        (tmp_path / "net.pt", {}, r"call it ….onnx, or ….xml"),
        (tmp_path / "net.onnx", {"format": "openvino"}, r"of the format openvino is called ….xml"),
        (tmp_path / "net.onnx", {"format": "tflite"}, r"format: expected one of onnx, openvino, got 'tflite'"),
        (tmp_path / "net.onnx", {"pictures": [PHOTO]}, r"only int8=True needs pictures"),
    ):
        with pytest.raises(ModelError, match=says):
            whylight.export(network(), wrong, **given)  # type: ignore[arg-type]
    box = whylight.wrap_callable(lambda x: x.mean((2, 3)), size=16)
    with pytest.raises(ModelError, match="is a black box"):
        whylight.export(box, path)
    with pytest.raises(ModelError, match="wrap it first"):
        whylight.export(gap_net(), path)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        whylight.export(network(), tmp_path / "file" / "net.onnx")
    assert not path.exists()


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "openvino"])
def test_without_a_package_the_extra_is_named(tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf"{package} is needed.*pip install 'whylight\[export\]'"):
        whylight.export(network(), tmp_path / "net.xml")


def test_files_that_are_broken(tmp_path: Path, written: dict[str, Written]) -> None:
    foreign = tmp_path / "foreign.xml"
    foreign.write_text("<net/>")
    with pytest.raises(ModelError, match="whylight did not write it"):
        whylight.load(foreign)
    alone = tmp_path / "alone.xml"
    alone.write_bytes(written[".xml"].path.read_bytes())
    with pytest.raises(ModelError, match=r"its weights are missing: alone\.bin"):
        whylight.load(alone)
    alone.with_suffix(".bin").write_bytes(b"short")
    with pytest.raises(ModelError, match="OpenVINO cannot read it"):
        whylight.load(alone)
    whole, cut = written[".onnx"].path.read_bytes(), tmp_path / "cut.onnx"
    for length in range(len(whole) - 1, 0, -101):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            whylight.load(cut)
    cut.write_bytes(whole.replace(b'"format":1', b'"format":7'))
    with pytest.raises(ModelError, match="newer whylight"):
        whylight.load(cut)
    with pytest.raises(ModelError, match="leave size out"):
        whylight.load(written[".onnx"].path, size=64)


def test_a_graph_that_is_not_what_its_file_says(tmp_path: Path, written: dict[str, Written]) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(written[".onnx"].path.read_bytes().replace(b'"grid":[8,8]', b'"grid":[9,9]'))
    with pytest.raises(ModelError, match="where its file says"):
        whylight.load(path)


def test_ctrl_c_is_heard_after_graphs_have_come_and_gone(written: dict[str, Written]) -> None:
    program = f"""
import gc, signal, whylight
for _ in range(2):
    first, second = (whylight.load({str(written[".xml"].path)!r}) for _ in range(2))
    del first, second
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
