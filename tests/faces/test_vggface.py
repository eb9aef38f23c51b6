"""VGG-Face: the input to the last level, one answer from all forms of the weights, names, checksums, and maps."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from vggfiles import (
    CONVOLUTIONS,
    Layer,
    State,
    random_state,
    t7_layers,
    write_caffemodel,
    write_h5,
    write_pth,
    write_safetensors,
    write_t7,
)
from whylight.errors import FaceError, ModelError, WhylightWarning
from whylight.faces.networks.pins import forget_pin, pins_file
from whylight.faces.vggface import TEMPLATE, VggFace, build, load_vggface, preprocessing, read_names


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()


@pytest.fixture
def files(tmp_path: Path, state: State) -> dict[str, Path]:
    """The same network in every form."""
    return {
        "pth": write_pth(tmp_path / "vgg_face_dag.pth", state, legacy=True),
        "t7": write_t7(tmp_path / "VGG_FACE.t7", Layer("nn.Sequential", modules=t7_layers(state))),
        "caffemodel": write_caffemodel(tmp_path / "VGG_FACE.caffemodel", state),
        "h5": write_h5(tmp_path / "rcmalli_vggface_tf_vgg16.h5", state),
        "h5, convolutions": write_h5(tmp_path / "vgg_face_weights.h5", state, dense=False, named=False),
        "safetensors": write_safetensors(tmp_path / "vgg_face_dag.safetensors", state),
    }


def by_hand(state: State, pixels: np.ndarray) -> torch.Tensor:
    """What Oxford's Caffe network says about (224, 224, 3) RGB levels: blue, green, red less the mean, then layer after layer."""
    planes = [pixels[..., 2] - 93.5940, pixels[..., 1] - 104.7624, pixels[..., 0] - 129.1863]
    x = torch.from_numpy(np.stack(planes)).float()[None]
    for name in CONVOLUTIONS:
        x = nn.functional.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1).relu()
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            x = nn.functional.max_pool2d(x, 2, ceil_mode=True)
    x = x.reshape(1, -1)
    for name in ("fc6", "fc7", "fc8"):
        x = nn.functional.linear(x.relu(), state[f"{name}.weight"], state[f"{name}.bias"])
    return x


def test_the_input_to_the_last_level() -> None:
    """Red 10, green 20, blue 30 → blue 30 − 93.5940, green 20 − 104.7624, red 10 − 129.1863: the mean's order is the input's."""
    x = preprocessing()(Image.new("RGB", (224, 224), (10, 20, 30)))
    turned = VggFace((1, 1, 1, 1, 1), (1, 1), 1).bgr(x[None])
    assert turned.shape == (1, 3, 224, 224)
    assert turned[0, :, 100, 100].tolist() == pytest.approx([30 - 93.5940, 20 - 104.7624, 10 - 129.1863], abs=1e-4)
    for colour, expected in (
        ((255, 0, 0), [-93.594, -104.7624, 125.8137]),
        ((0, 0, 255), [161.406, -104.7624, -129.1863]),
    ):
        pixel = VggFace((1, 1, 1, 1, 1), (1, 1), 1).bgr(preprocessing()(Image.new("RGB", (64, 96), colour))[None])
        assert pixel[0, :, 0, 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_the_layers_are_oxfords() -> None:
    with torch.device("meta"):
        network = VggFace()
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert len(shapes) == 32
    assert shapes["conv1_1.weight"] == (64, 3, 3, 3)
    assert shapes["conv5_3.weight"] == (512, 512, 3, 3)
    assert shapes["fc6.weight"] == (4096, 25088)
    assert shapes["fc8.weight"] == (2622, 4096)
    assert shapes["fc8.bias"] == (2622,)
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 145_002_878
    assert TEMPLATE.size == (224, 224)
    assert TEMPLATE.right_eye.x + TEMPLATE.left_eye.x == pytest.approx(1)


def test_every_form_gives_the_logits_worked_out_by_hand(files: dict[str, Path], state: State) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    expected = by_hand(state, pixels.astype(np.float64))[0]
    assert expected.std() > 0.1
    for form, path in files.items():
        model = load_vggface(path, device="cpu")
        logits = model.logits(model.preprocess(pixels)[None])[0]
        assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())), form
        assert model.classes == ("0", "1", "2", "3", "4", "5")
        assert model.grid == (14, 14)


def test_grad_cam_on_an_identity(files: dict[str, Path], state: State, photo: Path) -> None:
    """On the last convolution's rectified output: the gradient's mean weighs each channel."""
    model = load_vggface(files["t7"], device="cpu")
    explained = whylight.explain(model, photo, method="gradcam", target=3)
    assert explained.map.shape == (14, 14)
    assert explained.heatmap().shape == (512, 512)
    layers = list(build(state).children())
    lower, upper = nn.Sequential(*layers[:-9]), nn.Sequential(*layers[-9:])  # up to relu5_3, and from pool5
    a = lower(model.preprocess(photo)[None]).detach().requires_grad_()
    assert a.shape == (1, 8, 14, 14)
    score = upper(a)[0, 3]
    (gradient,) = torch.autograd.grad(score, a)
    expected = (gradient.mean((2, 3), keepdim=True) * a.detach()).sum(1)[0].relu()
    assert torch.allclose(explained.map, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max() + 1))
    assert explained.score == pytest.approx(score.item(), rel=1e-4, abs=1e-4)
    for method in ("layercam", "gradcam++", "hirescam"):
        assert whylight.explain(model, photo, method=method, target=0).map.isfinite().all()


def test_names(tmp_path: Path, files: dict[str, Path]) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\ufeffAda Lovelace\nRenée\nC\nD\n李\nF_F\n\n", "utf-8")
    model = load_vggface(files["pth"], names, device="cpu")
    assert model.classes == ("Ada Lovelace", "Renée", "C", "D", "李", "F_F")
    assert read_names(names) == model.classes
    for content, said in (
        (b"A\nB\nC\nD\nE\n", "5 names for 6 labels: label 5 has no name"),
        (b"A\nB\nC\nD\nE\nF\nG\n", "7 names for 6 labels: they belong to another network"),
        (b"A\n\nC\nD\nE\nF\n", "line 2 is empty"),
        (b"A\nB\x07\nC\nD\nE\nF\n", r"line 2 holds 'B\\x07'"),
        (b"", "the file has no names"),
        (b"\xff\xfe\xfa", "not UTF-8"),
    ):
        names.write_bytes(content)
        with pytest.raises(FaceError, match=said) as caught:
            load_vggface(files["pth"], names, device="cpu")
        assert caught.value.code == 5
    for path, said in ((tmp_path / "none.txt", "no such file of names"), (tmp_path, "cannot be read")):
        with pytest.raises(FaceError, match=said) as caught:
            read_names(path)
        assert caught.value.code == 5


def test_the_names_of_the_original(data_dir: Path) -> None:
    names = read_names(data_dir / "vggface" / "names.txt", 2622)
    assert (names[0], names[-1]) == ("A.J._Buckley", "Zuleyka_Silver")


def test_a_file_that_changes_after_its_first_use(files: dict[str, Path], tmp_path: Path) -> None:
    path = files["caffemodel"]
    load_vggface(path, device="cpu")
    pins = json.loads(pins_file().read_text())
    assert pins_file() == tmp_path / "config" / "whylight" / "weights.json"
    assert list(pins) == [str(path)]
    assert len(pins[str(path)]["sha256"]) == 64
    load_vggface(path, device="cpu")
    write_caffemodel(path, random_state(seed=1))
    with pytest.raises(ModelError, match=r"VGG_FACE\.caffemodel: the file has changed: its SHA-256 was [0-9a-f]{64}"):
        load_vggface(path, device="cpu")
    load_vggface(path, pin=False, device="cpu")
    assert json.loads(pins_file().read_text()) == pins
    assert forget_pin(path)
    assert not forget_pin(path)
    load_vggface(path, device="cpu")
    assert json.loads(pins_file().read_text()) != pins


def test_a_file_that_cannot_be_used_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a.t7"
    path.write_bytes(bytes.fromhex("030000000100000000000000"))
    with pytest.raises(ModelError, match="holds no network"):
        load_vggface(path)
    assert not pins_file().exists()


def test_checksums_that_cannot_be_kept(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where the folder would be")
    with pytest.warns(WhylightWarning, match=r"weights\.json: cannot be written .* will not be noticed"):
        load_vggface(files["pth"], device="cpu")
    (tmp_path / "config").unlink()
    pins_file().parent.mkdir(parents=True)
    for content in ("{", "[1]", '{"a": 1}'):
        pins_file().write_text(content)
        with pytest.raises(ModelError, match=r"weights\.json: .*mend or remove it"):
            load_vggface(files["pth"], device="cpu")


@pytest.mark.long
def test_at_full_size_a_picture_takes_less_than_a_second(photo: Path) -> None:
    """On two cores: two seconds of processor time, which other programs on the machine do not lengthen."""
    network = build(random_state((64, 128, 256, 512, 512), (4096, 4096), 2622))
    model = whylight.wrap(network, preprocessing=preprocessing())
    assert len(model.classes) == 2622
    assert model.layer == "relu5_3"
    times = []
    for _ in range(3):
        start = time.process_time()
        explained = whylight.explain(model, photo, method="gradcam")
        times.append(time.process_time() - start)
    assert explained.map.shape == (14, 14)
    assert explained.map.max() > 0
    assert min(times) < 2
