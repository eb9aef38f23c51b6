from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from discs import make_tree
from whylight.train import TrainConfig


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with train/ and val/: discs and empty pictures."""
    return make_tree(tmp_path / "data")


@pytest.fixture
def settings(tree: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Settings of a run that takes a second or two; any of them can be replaced."""

    def make(**changes: object) -> TrainConfig:
        base: dict[str, object] = {
            "data": str(tree),
            "out": str(tmp_path / "run"),
            "arch": "test_resnet.r160_in1k",
            "scratch": True,
            "size": 32,
            "epochs": 2,
            "batch": 8,
            "lr": 3e-3,
            "workers": 0,
            "device": "cpu",
        }
        return TrainConfig(**{**base, **changes})  # type: ignore[arg-type]

    return make
