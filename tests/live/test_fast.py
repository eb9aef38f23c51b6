"""OpenVINO in place of PyTorch: the same maps, made ready once, and PyTorch with a word where that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import whylight
from whylight.live.fast import faster

pytest.importorskip("openvino", reason="the extra export is not installed")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path))
    return tmp_path / "openvino"


def tiny(seed: int) -> Any:
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 4, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    return whylight.wrap(net.append(torch.nn.Linear(8, 3)), classes=["a", "b", "c"], size=32)


def test_it_is_made_ready_once_and_tells_the_same(cache: Path, photo: Path) -> None:
    model, told = tiny(0), []
    fast = faster(model, "gradcam", told.append)
    assert fast is not model
    assert told == ["preparing the model for OpenVINO, once"]
    ours, theirs = whylight.explain(fast, photo), whylight.explain(model, photo)
    assert torch.allclose(ours.map, theirs.map, atol=1e-4 * float(theirs.map.abs().max()))
    assert ours.score == pytest.approx(theirs.score, rel=1e-4)
    faster(tiny(0), "cam", told.append)
    assert len(told) == 1
    assert len(list(cache.glob("*.xml"))) == 1


def test_other_weights_are_another_model(cache: Path) -> None:
    model = tiny(0)
    faster(model, "cam", lambda _: None)
    with torch.no_grad():
        model.module[0].bias[3] += 1e-3
    faster(model, "cam", lambda _: None)
    assert len(list(cache.glob("*.xml"))) == 2


def test_what_it_cannot_do_is_left_to_pytorch(cache: Path) -> None:
    model = tiny(0)
    assert faster(model, "layercam", lambda _: None) is model
    assert faster(model, "occlusion", lambda _: None) is model
    deep = whylight.load("torchvision/alexnet", pretrained=False)
    assert faster(deep, "gradcam", lambda _: None) is deep
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "file"))
    model, told = tiny(0), []
    assert faster(model, "cam", told.append) is model
    assert "PyTorch is used" in told[-1]
