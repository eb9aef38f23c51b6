"""`whylight models`: the list, the search, and what it says about one."""

from __future__ import annotations

import json

import pytest

from cli.conftest import CLASSES, Run


def test_the_list(run: Run) -> None:
    outcome = run("models")
    assert outcome.code == 0
    assert "Bundled" in outcome.out
    assert "timm architectures" in outcome.out
    facts = json.loads(run("models", "--json").out)
    assert facts["zoo"]["timm"] > 500


def test_searching(run: Run) -> None:
    assert "mobilenetv2_100" in run("models", "--search", "MobileNetV2").out.splitlines()
    assert run("models", "--search", "torchvision/resnet1?").out.splitlines() == ["torchvision/resnet18"]


def test_inspecting_a_file(run: Run, model: str) -> None:
    facts = json.loads(run("models", model, "--json").out)
    assert facts["classes"] == list(CLASSES)
    assert facts["grid"] == [3, 3]
    assert facts["closed_forms"] is True
    assert {"cam", "gradcam", "layercam"} <= set(facts["methods"])
    assert facts["input"]["size"] == [96, 96]
    text = run("models", model).out
    assert "closed form" in text
    assert "layer4.0" in text


def test_inspecting_a_zoo_name_needs_no_network(run: Run) -> None:
    facts = json.loads(run("models", "test_vit", "--json").out)
    assert facts["split"]
    assert len(facts["grid"]) == 2
    shapes = {layer["name"]: layer["shape"] for layer in facts["layers"]}
    assert shapes["blocks.1"] == [64, *facts["grid"]]  # tokens are places too


@pytest.mark.parametrize("name", ["resnet81", "no/such/folder"])
def test_an_unknown_name(run: Run, name: str) -> None:
    outcome = run("models", name)
    assert outcome.code == 2
    assert f"model '{name}' is not known" in outcome.err
