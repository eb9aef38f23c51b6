"""What `whylight export --web` writes, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from torch import nn
from typer.testing import CliRunner

import whylight
from nets import gap_net
from whylight.browser import page, runtime
from whylight.cli import app
from whylight.errors import ModelError, WhylightError
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.facts import read_facts
from whylight.models.model import Model

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'whylight[export]'")


@pytest.fixture
def model() -> Model:
    names = ["a", "</script><b>", "c"]
    return whylight.wrap(gap_net(), classes=names, preprocessing=Preprocess(size=(32, 32)))


@pytest.fixture(autouse=True)
def ort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the runtime's names: here nothing runs them."""
    folder = tmp_path / "ort"
    folder.mkdir()
    for name in runtime.FILES.values():
        (folder / name).write_text(name, encoding="ascii")
    monkeypatch.setattr(runtime, "places", lambda: (folder, tmp_path / "cache"))
    return folder


def test_the_folder_has_all_that_it_names(model: Model, tmp_path: Path) -> None:
    written = page.write(model, tmp_path / "page", title="it's <mine>")
    there = {path.name for path in written.folder.iterdir()}
    html = (written.folder / "index.html").read_text(encoding="utf-8")
    assert "{{" not in html
    assert "<mine>" not in html
    assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) <= there
    for script in written.folder.glob("*.js"):
        if script.name not in runtime.FILES.values():
            assert set(re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8"))) <= there
    assert {*runtime.FILES.values(), runtime.LICENSE, "README.txt", "model.onnx", "colours.json"} <= there
    assert written.bytes == sum(path.stat().st_size for path in written.folder.iterdir())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy[1]
    assert "unsafe-inline" not in policy[1]
    assert not re.search(r"<script>|<script type=\"module\">|<style|\son\w+=|\sstyle=", html)
    told = json.loads((written.folder / "model.json").read_text(encoding="utf-8"))
    assert told["classes"] == list(model.classes)
    assert (told["grid"], told["preprocess"]["size"], told["bytes"]) == ([8, 8], [32, 32], written.graph.bytes)
    facts = read_facts(written.folder / "model.onnx")
    assert facts is not None
    assert not facts.resize


@pytest.mark.long
def test_what_is_there_stays_unless_it_is_to_be_overwritten(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    page.write(model, folder, title="first")  # an empty one is as good as none
    (folder / "mine.txt").write_text("mine", encoding="ascii")
    with pytest.raises(WhylightError, match="there is something in it; name a new folder, or say --overwrite"):
        page.write(model, folder, title="second")
    assert "first" in (folder / "index.html").read_text(encoding="utf-8")
    page.write(model, folder, title="second", overwrite=True)
    assert "second" in (folder / "index.html").read_text(encoding="utf-8")
    assert (folder / "mine.txt").read_text(encoding="ascii") == "mine"
    assert not list(folder.glob(".*"))


def test_models_without_such_maps_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
    other = whylight.wrap(layers.eval(), preprocessing=Preprocess(size=(32, 32)))
    with pytest.raises(ModelError, match="head of global average pooling and one linear layer"):
        page.write(other, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_without_the_runtime_nothing_is_written_but_a_sentence(
    model: Model, ort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ort / "ort.wasm.bundle.min.js").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WhylightError, match="neither is npm"):
        page.write(model, tmp_path / "page")
    assert not list((tmp_path / "page").iterdir())


def test_the_verb(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "face", "--web", str(tmp_path / "page"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["folder"] == str(tmp_path / "page")
    assert told["error"] <= 1e-4
    assert (tmp_path / "page" / "index.html").is_file()
    for options, words in (
        (["--out", "face.onnx"], "--out: a page has its own file"),
        (["--no-resize"], "--no-resize: a page has its own"),
        ([], "there is something in it"),
    ):
        wrong = CliRunner().invoke(app, ["export", "face", "--web", str(tmp_path / "page"), *options])
        assert wrong.exit_code == 2
        assert words in wrong.stderr
    alone = CliRunner().invoke(app, ["export", "face", "--out", str(tmp_path / "face.onnx"), "--overwrite"])
    assert alone.exit_code == 2
    assert "is for --web" in alone.stderr
