"""The methods and what can be put around them, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import whylight
from cli.conftest import Run, ledger
from whylight import methods


def the_map(out: Path) -> np.ndarray:
    (file,) = out.rglob("*.npz")
    with np.load(file) as data:
        return np.asarray(data["map"])


def test_layers_copies_and_smoothing_are_those_of_the_library(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    arguments = ("--layer", "layer2,layer3", "--fusion", "mean", "--flip", "--scales", "1,1.5", "--smooth")
    picture = good / "a.jpg"
    outcome = run(
        "explain", picture, "--model", model, "--method", "gradcam", "-t", 1, "-o", "out", "--save-map", *arguments
    )
    assert outcome.code == 0, outcome.err
    method = methods.layers(methods.smooth("gradcam"), ["layer2", "layer3"], fusion="mean")
    method = methods.tta(method, scales=(1.0, 1.5))
    ex = whylight.explain(whylight.load(model, device="cpu"), picture, method=method, target=1)
    np.testing.assert_allclose(the_map(tmp_path / "out"), ex.map.numpy(), rtol=1e-4, atol=1e-6)
    (record,) = ledger(tmp_path / "out")
    assert record["method"] == "gradcam"
    assert record["settings"]["layers"] == ["layer2", "layer3"]


def test_what_is_put_around_makes_another_result(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """The plain map is not taken for the averaged one, nor the other way round; and each is done once."""
    command = ("explain", good / "a.jpg", "--model", model, "-t", 1, "-o", "out")
    for arguments in ((), ("--flip",), ("--precision", "fp32"), (), ("--flip",)):
        assert run(*command, *arguments).code == 0
    assert len(ledger(tmp_path / "out")) == 3
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_a_class_rather_than_another_and_the_top_two(run: Run, good: Path, model: str) -> None:
    outcome = run(
        "explain", good / "a.jpg", "--model", model, "-t", "face >> no face", "-t", "top2", "-o", "out", "--json", "-"
    )
    assert outcome.code == 0, outcome.err
    difference, first, second = outcome.lines
    assert difference["label"] == "face rather than no face"
    assert difference["probability"] is None
    assert difference["file"].endswith("a.gradcam.face_rather_than_no_face.png")
    assert first["score"] >= second["score"]
    assert {first["label"], second["label"]} < {"face", "no face", "tench, Tinca tinca"}


def test_rise_says_how_many_masks_it_took(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    outcome = run(
        "explain", good / "a.jpg", "--model", model, "--method", "rise", "--option", "rise.masks=40", "-o", "out"
    )
    assert outcome.code == 0, outcome.err
    assert "from 40 masks" in outcome.out
    assert ledger(tmp_path / "out")[0]["details"]["masks"] == 40


def test_an_onnx_file_is_asked_from_outside(run: Run, good: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    file = tmp_path / "tiny.onnx"
    onnx_file(network.eval(), file)
    outcome = run("explain", good / "a.jpg", "--model", file, "--option", "rise.masks=16", "-o", "out", "--json", "-")
    assert outcome.code == 0, outcome.err
    assert outcome.lines[0]["method"] == "rise"
    refused = run("explain", good / "a.jpg", "--model", file, "--method", "gradcam", "-o", "out")
    assert refused.code == 2
    assert "black box" in refused.err
    assert "rise" in refused.err
    card = run("models", file)
    assert card.code == 0
    assert "a black box" in card.out
    assert "occlusion" in card.out


def test_what_an_onnx_file_is_given(run: Run, good: Path, tmp_path: Path) -> None:
    """--mean and --std reach the network: the same score as with the numbers folded into its first layer."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    file = tmp_path / "tiny.onnx"
    onnx_file(network.eval(), file)
    common = ("explain", good / "a.jpg", "--model", file, "--option", "rise.masks=16", "--json", "-", "--target", "1")
    given = ("--mean", "0.2,0.3,0.4", "--std", "0.5,0.25,2", "--size", "32")
    found = run(*common, *given, "-o", "out")
    assert found.code == 0, found.err
    plain = run(*common, "--mean", "0,0,0", "--std", "1,1,1", "-o", "plain").lines[0]["score"]
    std, mean = torch.tensor([0.5, 0.25, 2]), torch.tensor([0.2, 0.3, 0.4])
    convolution = network[0]
    assert isinstance(convolution, torch.nn.Conv2d)
    assert convolution.bias is not None
    with torch.no_grad():
        convolution.weight /= std.reshape(1, 3, 1, 1)
        convolution.bias -= (convolution.weight * mean.reshape(1, 3, 1, 1)).sum((1, 2, 3))
    onnx_file(network, tmp_path / "folded.onnx")
    common = (*common[:3], tmp_path / "folded.onnx", *common[4:])
    folded = run(*common, "--mean", "0,0,0", "--std", "1,1,1", "-o", "folded").lines[0]["score"]
    assert found.lines[0]["score"] == pytest.approx(folded, rel=1e-4)
    assert found.lines[0]["score"] != pytest.approx(plain, rel=1e-2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--mean", "0.5"), "three numbers"),
        (("--mean", "a,b,c"), "--mean 'a,b,c'"),
        (("--std", "1,1,nan"), "--std"),
        (("--size", "1.5"), "--size"),
        (("--size", "64"), "leave size out"),
    ],
)
def test_bad_input_of_an_onnx_file(run: Run, good: Path, tmp_path: Path, given: tuple[str, str], says: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    file = tmp_path / "tiny.onnx"
    onnx_file(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=4)), file)
    refused = run("explain", good / "a.jpg", "--model", file, *given, "-o", "out")
    assert refused.code == 2
    assert says in refused.err


def test_any_model_takes_another_preparation(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    plain = run("explain", good / "a.jpg", "--model", model, "--target", 0, "-o", "out", "--json", "-")
    assert "pictures for" not in plain.err  # its own file says how, and nobody else
    asked = ("explain", good / "a.jpg", "--model", model, "--target", 0, "-o", "out", "--json", "-")
    other = run(*asked, "--std", "1,1,1", "--crop", "0.5", "--size", "64,96")
    assert other.code == 0, other.err
    assert "96×64 from the centre (0.5 of the shorter side), bilinear, mean 0.485,0.456,0.406, std 1,1,1" in other.err
    assert other.lines[0]["score"] != plain.lines[0]["score"]
    expected = whylight.load(model, size=(64, 96), std=(1, 1, 1), crop=0.5, device="cpu")
    found = whylight.explain(expected, good / "a.jpg", target=0)
    assert other.lines[0]["score"] == pytest.approx(found.score, abs=1e-4)
    zoo = run("explain", good / "a.jpg", "--model", "resnet18", "--no-pretrained", "--mean", "0,0,0", "-o", "zoo")
    assert "pictures for resnet18: 224×224" in zoo.err
    for option, value, says in (
        ("--mean", "0.5", "expected three numbers"), ("--size", "1,2,3", "expected one whole number, or height,width"),
        ("--crop", "2", "expected the share of the shorter side to keep"), ("--std", "0,1,1", "every std above 0"),
    ):  # fmt: skip
        refused = run(*asked, option, value)
        assert (refused.code, says in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["cat", "dog", "cow"]', ("cat", "dog", "cow")),
        ('{"1": "dog", "0": "cat", "2": "cow"}', ("cat", "dog", "cow")),
        ('{"cow": 2, "dog": 1, "cat": 0}', ("cat", "dog", "cow")),
        ('{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "cow"]}', ("cat", "dog", "cow")),
    ],
)
def test_classes_in_json(run: Run, good: Path, model: str, tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    (tmp_path / "classes.json").write_text(text)
    asked = ("explain", good / "a.jpg", "--model", model, "--classes", "classes.json", "-o", "out", "--json", "-")
    for index, name in enumerate(names):
        outcome = run(*asked, "--target", name)
        assert outcome.code == 0, outcome.err
        assert outcome.lines[0]["target"] == index


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "--classes classes.json: "),
        ('{"0": "cat", "2": "dog"}', "its indices are not 0, 1, 2"),
        ("[1, 2]", "1 is no class name"),
        ("3", "expected a list of names"),
        ('["cat"]', "--classes: 1 names were given, but"),
        ('{"a": "cat"}', "expected a list of names, index → name, or name → index"),
    ],
)
def test_json_that_names_no_classes(run: Run, good: Path, model: str, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "classes.json").write_text(text)
    refused = run("explain", good / "a.jpg", "--model", model, "--classes", "classes.json", "-o", "out")
    assert (refused.code, says in refused.err) == (2, True), refused.err


def onnx_file(network: torch.nn.Module, file: Path) -> None:
    """Write a network of one convolution, a rectifier and average pooling as ONNX, without torch's exporter and its imports."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    conv = network[0]
    assert isinstance(conv, torch.nn.Conv2d)
    assert conv.bias is not None
    weights = [
        numpy_helper.from_array(conv.weight.detach().numpy(), "w"),
        numpy_helper.from_array(conv.bias.detach().numpy(), "b"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[4, 4]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("GlobalAveragePool", ["z"], ["p"]),
        helper.make_node("Flatten", ["p"], ["s"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])
    s = helper.make_tensor_value_info("s", TensorProto.FLOAT, ["n", 4])
    graph = helper.make_graph(nodes, "tiny", [x], [s], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scales", "big"), "--scales 'big': expected numbers"),
        (("--scales", "0"), "every scale must be above 0"),
        (("--fusion", "min", "--layer", "layer2,layer3"), "fusion: expected one of max, mean, sum"),
        (("--precision", "fp8"), "--precision 'fp8': choose one of auto, fp32, bf16"),
        (("--method", "grdcam"), "Near it: gradcam"),
        (("--method", "legrad"), "needs attention over all places"),
        (("--method", "rise", "--option", "rise.maks=3"), "has no option 'maks'; its options: masks"),
        (("--target", "face >>"), "expected two classes, as in A >> B"),
    ],
)
def test_wrong_use_is_told(run: Run, good: Path, model: str, arguments: tuple[str, ...], words: str) -> None:
    outcome = run("explain", good / "a.jpg", "--model", model, "-o", "out", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
