"""Checkpoints as people have them: what fits is found, said, and nothing in them runs."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import functools
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import whylight
from whylight.errors import ModelError, WhylightWarning
from whylight.models.zoo.architectures import build
from whylight.models.zoo.choice import ModelChoice
from whylight.models.zoo.foreign import load_foreign


class Settings(dict):  # type: ignore[type-arg]
    """A dictionary of a training's own class."""


class Callback:
    """An object of a training's own class."""

    def __init__(self) -> None:
        self.best = np.float64(0.5)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return build("resnet18", classes=5).state_dict()


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in state.items()}


def shifted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}


def forms(state: dict[str, torch.Tensor]) -> dict[str, tuple[Any, str]]:
    """What lies in a file, and what is to be said of it."""
    other = shifted(state)
    inner = {name.replace("layer1.", "layer1._orig_mod."): value for name, value in state.items()}
    return {
        "plain": (state, ""),
        "module": (under("module.", state), "the tensors under 'module.'"),
        "compiled": (under("_orig_mod.", state), ""),
        "compiled inside": (inner, ""),
        "lightning": (
            {
                "state_dict": {**under("model.", state), "loss.weight": torch.ones(5)},
                "hyper_parameters": {"net": Settings(depth=18), "when": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
                "callbacks": {"ModelCheckpoint": {"best": torch.tensor(0.9), "what": Callback()}},
                "pytorch-lightning_version": "2.5",
            },
            "its 'state_dict', the tensors under 'model.'; 1 tensor beside them left aside (loss.weight, …)",
        ),
        "all wrappers": ({"state_dict": under("model.module._orig_mod.", state)}, "under 'model.module.'"),
        "namespace": (
            {
                "model": state,
                "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/out"), seed=12345678901),
                "best": np.float64(0.9),
                "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
                "scheduler": {"fn": functools.partial(max, 3), "milestones": collections.Counter([1, 2])},
            },
            "taken: its 'model'",
        ),
        "deep": ({"run": {"state": {"net": state}}}, "its 'run.state.net'"),
        "ema": (
            {"state_dict": other, "state_dict_ema": state},
            "its 'state_dict_ema', a moving average of the weights",
        ),
        "no average": ({"semantic": state, "schema": {"epoch": 3}}, "taken: its 'semantic'"),
        "an average by another name": ({"net": other, "netEMA": state}, "its 'netEMA', a moving average"),
        "ema in one": (
            under("model.", other) | under("model_ema.module.", state),
            "the tensors under 'model_ema.module.'",
        ),
        "averaged": ({"n_averaged": torch.tensor(3), **under("module.", state)}, "under 'module.'"),
        "twice the same": ({"model": state, "last": state}, "its 'model'"),
        "head": (
            {name.replace("fc.", "fc.1."): value for name, value in state.items()},
            "its last layer 'fc.1' is taken for 'fc'",
        ),
        "lightning head": (
            {"state_dict": {f"net.{name.replace('fc.', 'fc.1.')}": value for name, value in state.items()}},
            "the tensors under 'net.'; its last layer 'fc.1' is taken for 'fc'",
        ),
    }


@pytest.mark.parametrize("name", list(forms({})))
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_fits_is_taken_and_said(name: str, legacy: bool, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    content, words = forms(state)[name]
    path = tmp_path / "last.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    module, said = build("resnet18", classes=5), []
    assert load_foreign(module, path, say=said.append) == []
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert "; ".join(said).startswith(f"{path}: ") == bool(said)
    assert words in "; ".join(said)
    assert bool(words) == bool(said)
    assert ("average of the weights" in "; ".join(said)) == ("ema" in name or "average by" in name)


def test_the_last_layer_of_another_number_of_classes_stays(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": {name.replace("fc.", "fc.2."): value for name, value in state.items()}}, path)
    assert load_foreign(build("resnet18", classes=2), path) == ["fc.weight", "fc.bias"]


def test_the_command_line_says_what_was_taken(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"state_dict": under("model.", state)}, path)
    names = tmp_path / "classes.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    choice = ModelChoice("resnet18", weights=str(path), classes=str(names), device="cpu")
    with pytest.warns(WhylightWarning, match=r"w\.pth: taken: its 'state_dict', the tensors under 'model\.'"):
        model = choice.load()
    assert model.classes == tuple("abcde")
    assert whylight.load("resnet18", pretrained=False, device="cpu").taken == ""


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('ran', 'w').close()",))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_whole_networks_are_refused_unread(
    legacy: bool, state: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, net = tmp_path / "w.pt", build("resnet18", classes=5)
    for content in (net, {"model": net, "epoch": 3}):
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelError, match=r"whole network.*torch\.save\(model\.state_dict\(\), 'weights\.pth'\)"):
            load_foreign(build("resnet18", classes=5), path)
    for hostile in (Evil(), {"state_dict": state, "args": Evil()}):
        torch.save(hostile, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ModelError, match=r"w\.pt: .*exec, which could run code"):
            load_foreign(build("resnet18", classes=5), path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # torch's, of TorchScript
def test_torchscript_is_told(tmp_path: Path) -> None:
    torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(12, 2))).save(tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"TorchScript archive.*wrap_callable"):
        load_foreign(build("resnet18", classes=5), tmp_path / "w.pt")


def test_which_of_several_is_asked(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"student": state, "teacher": shifted(state)}, path)
    with pytest.raises(ModelError, match=r"several networks that fit: 'student', 'teacher'"):
        load_foreign(build("resnet18", classes=5), path)


def test_another_head_is_explained(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    body = {name: value for name, value in state.items() if not name.startswith("fc.")}
    mlp = {"fc.0.weight": torch.ones(64, 512), "fc.0.bias": torch.ones(64), "fc.2.weight": torch.ones(5, 64)}
    torch.save({**body, **mlp}, path)
    with pytest.raises(ModelError, match=r"missing fc\.weight.*Its head \(fc\) is another one .*whylight\.wrap"):
        load_foreign(build("resnet18", classes=5), path)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda t: t.to_sparse(), "sparse"),
        (lambda t: t.to("meta"), "without numbers"),
        (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised"),
        (lambda t: t.to(torch.complex64), "complex"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # torch's, of quantised tensors
def test_tensors_without_plain_numbers(make: Any, word: str, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({**state, "fc.weight": make(state["fc.weight"])}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=rf"w\.pth: fc\.weight is {word}"):
        load_foreign(build("resnet18", classes=5), tmp_path / "w.pth")


@pytest.mark.parametrize("content", [[1, 2], 3, {}, {1: torch.ones(1)}, {"a": {"b": {"c": {"d": {}}}}}, None])
def test_what_is_no_state_dict(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth: holds no state dict"):
        load_foreign(build("resnet18", classes=5), tmp_path / "w.pth")
