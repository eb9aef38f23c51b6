"""ONNX files: the graph's scores are the network's, whatever its shapes are; files that are no classifiers are told apart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nets import gap_net
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.onnx import load_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'whylight[dev]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'whylight[export]'")


def write(
    path: Path, shape: list[Any], *, softmax: bool = False, last: bool = False, more: bool = False
) -> nn.Sequential:
    """Write `gap_net` as an ONNX graph, node for node, and return the network."""
    from onnx import TensorProto, helper, numpy_helper

    network = gap_net().eval().requires_grad_(False)
    weights = [
        numpy_helper.from_array(tensor.numpy(), name)
        for name, tensor in network.state_dict().items()  # 0.weight, 0.bias, 2.…, 6.…
    ]
    convolution = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Transpose", ["pictures"], ["x"], perm=[0, 3, 1, 2])
        if last
        else helper.make_node("Identity", ["pictures"], ["x"]),
        helper.make_node("Conv", ["x", "0.weight", "0.bias"], ["z1"], **convolution),
        helper.make_node("Relu", ["z1"], ["a1"]),
        helper.make_node("Conv", ["a1", "2.weight", "2.bias"], ["z2"], **convolution),
        helper.make_node("Relu", ["z2"], ["a2"]),
        helper.make_node("GlobalAveragePool", ["a2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "6.weight", "6.bias"], ["logits" if softmax else "scores"], transB=1),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=1))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], 3])]
    if more:
        outputs.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [shape[0], 6]))
    inputs = [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, "classifier", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cats.onnx"


X = torch.randn((5, 3, 32, 32), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", ["n", 1, 2, 8])
def test_scores_are_the_networks_at_any_batch_size(path: Path, batch: Any) -> None:
    network = write(path, [batch, 3, 32, 32])
    model = load_onnx(path, classes=["cat", "dog", "tabby"])
    assert model.preprocessing == Preprocess(size=(32, 32))
    for n in (1, 2, 5):
        torch.testing.assert_close(model.logits(X[:n]), network(X[:n]), rtol=1e-4, atol=1e-5)
    assert repr(model) == "BlackBox(cats.onnx, 3×32×32, 3 classes: cat, dog, tabby)"


def test_sizes(path: Path) -> None:
    write(path, [1, 3, "h", "w"])
    assert load_onnx(path).preprocessing.size == (224, 224)
    assert load_onnx(path, size=(48, 64)).preprocessing.size == (48, 64)
    write(path, [1, 3, 40, "w"])
    assert load_onnx(path, size=40).preprocessing.size == (40, 40)
    with pytest.raises(ModelError, match=r"takes pictures of \(height, width\) \(40, None\), not \(32, 32\)"):
        load_onnx(path, size=32)
    own = Preprocess(size=(40, 30), mode="crop")
    assert load_onnx(path, preprocessing=own).preprocessing == own
    with pytest.raises(ModelError, match="takes pictures of"):
        load_onnx(path, preprocessing=Preprocess(size=(30, 30)))


def test_channels_last(path: Path) -> None:
    network = write(path, ["n", 32, 24, 3], last=True)
    model = load_onnx(path)
    assert model.preprocessing.size == (32, 24)
    x = X[..., :24].contiguous()
    torch.testing.assert_close(model.logits(x), network(x), rtol=1e-4, atol=1e-5)


def test_a_graph_that_ends_in_a_softmax(path: Path) -> None:
    network = write(path, ["n", 3, 32, 32], softmax=True)
    model = load_onnx(path)
    assert model.gives_probabilities
    torch.testing.assert_close(model.predict(X), network(X).softmax(1), rtol=1e-4, atol=1e-5)


def test_files_that_are_no_classifiers(path: Path) -> None:
    with pytest.raises(ModelError, match=r"cats\.onnx: no such file"):
        load_onnx(path)
    path.write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"cats\.onnx: ONNX Runtime cannot read it"):
        load_onnx(path)
    write(path, ["n", 3, 32, 32], more=True)
    with pytest.raises(ModelError, match=r"one input and one output.*the outputs scores .*, flat "):
        load_onnx(path)
    from onnx import TensorProto, helper

    for kind, shape, says in (
        (TensorProto.FLOAT, ["n", 10], r"its input 'x' has the shape \['n', 10\]"),
        (TensorProto.INT64, ["n", 3, 8, 8], r"its input 'x' has the type tensor\(int64\)"),
    ):
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "other",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info("y", kind, shape)],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        with pytest.raises(ModelError, match=says):
            load_onnx(path)


def test_a_graph_that_fails_says_so(path: Path) -> None:
    write(path, ["n", 3, 32, 32])
    model = load_onnx(path)
    with pytest.raises(ModelError, match=r"cats\.onnx failed on an input of shape \(1, 3, 32, 40\)"):
        model.logits(torch.zeros(1, 3, 32, 40))


def test_without_onnx_runtime_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'whylight\[export\]'"):
        load_onnx(path)
