from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.train import TrainConfig


def draw(path: Path, *, disc: bool, seed: int, size: int = 48) -> None:
    """A noisy picture, with a red disc somewhere or without."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, (size, size, 3), dtype=np.uint8)
    if disc:
        y, x = np.ogrid[:size, :size]
        cy, cx = random.integers(size // 4, 3 * size // 4, 2)
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < (size // 5) ** 2] = (250, 60, 60)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with train/ and val/: discs and empty pictures."""
    for split, count, first in (("train", 16, 0), ("val", 6, 1000)):
        for k in range(count):
            for disc, name in ((True, "disc"), (False, "empty")):
                draw(tmp_path / "data" / split / name / f"{k}.png", disc=disc, seed=first + 2 * k + disc)
    return tmp_path / "data"


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
