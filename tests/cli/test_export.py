"""`whylight export`: what it writes and says, and that `explain --model` takes the graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whylight.cli import app

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'whylight[export]'")

PHOTO = Path(__file__).resolve().parents[2] / "examples" / "astronaut.jpg"


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_export_and_explain(tmp_path: Path) -> None:
    graph = tmp_path / "face.xml"
    out, err = run("export", "face", "--out", graph, "--json")
    told = json.loads(out)
    assert told["format"] == "openvino"
    assert told["error"] <= 1e-4
    assert told["agreement"] is None
    assert err == "whylight: making the graph …\nwhylight: comparing it with PyTorch …\n"
    found = {}
    for model in ("face", graph):
        out, _ = run("explain", PHOTO, "--model", model, "--out", tmp_path / Path(model).suffix[1:], "--json", "-")
        found[str(model)] = json.loads(out)
    mine, theirs = found["face"], found[str(graph)]
    assert theirs["method"] == mine["method"] == "gradcam"
    assert theirs["label"] == mine["label"]
    assert theirs["score"] == pytest.approx(mine["score"], rel=1e-4)
    out, _ = run("models", graph)
    assert "cam, gradcam, hirescam, occlusion, rise" in out


def test_what_is_wrong_is_said_in_options(tmp_path: Path) -> None:
    _, err = run("export", "face", "--out", tmp_path / "face.pt", code=2)
    assert "call it ….onnx, or ….xml for OpenVINO" in err
    _, err = run("export", "face", "--format", "tflite", code=2)
    assert "--format 'tflite': choose one of onnx, openvino" in err
    _, err = run("export", "vgg11", "--no-pretrained", "--out", tmp_path / "vgg.onnx", code=2)
    assert "head of global average pooling and one linear layer" in err
    assert "--logits-only" in err
    _, err = run("export", "face", "--int8", "--out", tmp_path / "face.onnx", code=2)
    assert "--pictures" in err
    assert not list(tmp_path.iterdir())
