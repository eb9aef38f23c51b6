"""A real, tiny model with random weights, and a few pictures, for the command line's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

CLASSES = ("face", "no face", "tench, Tinca tinca")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model file of three classes."""
    import torch

    from whylight.images.preprocess import Preprocess
    from whylight.models.zoo.architectures import build
    from whylight.models.zoo.files import ModelSpec, save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    spec = ModelSpec("test_resnet", CLASSES, Preprocess(size=(96, 96)))
    save_weights(path, build("test_resnet", classes=3), spec)
    return str(path)


@pytest.fixture
def pictures(tmp_path: Path, photo: Path) -> Path:
    """A folder with three pictures, one of them in a sub-folder, and a broken one."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    with Image.open(photo) as picture:
        picture.resize((120, 90)).save(folder / "a.jpg")
        picture.crop((0, 0, 90, 120)).save(folder / "b.png")
        picture.resize((64, 64)).save(folder / "more" / "a.jpg")
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:700])
    return folder


@pytest.fixture
def good(pictures: Path) -> Path:
    """The same folder without the broken one."""
    (pictures / "broken.jpg").unlink()
    return pictures


class Outcome:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output, which must be JSON lines and nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, in an empty folder."""
    from whylight.cli import app

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, data: bytes | None = None) -> Outcome:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=data)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return call


def ledger(out: Path) -> list[dict[str, Any]]:
    """The lines of an output folder's explanations.jsonl."""
    return [json.loads(line) for line in (out / "explanations.jsonl").read_text(encoding="utf-8").splitlines()]
