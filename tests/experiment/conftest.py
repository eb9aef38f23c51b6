from __future__ import annotations

from pathlib import Path

import pytest

from discs import make_tree

RECIPE = """
title = "Discs"
question = "Does the rate matter?"
seeds = [0, 1]

[settings]
arch = "test_resnet.r160_in1k"
scratch = true
size = 32
epochs = 8
keep = "last"
batch = 8
workers = 0
augment = false

[[factor]]
setting = "lr"
levels = [0.003, 0.005]

[[factor]]
name = "labels"
levels = [{ name = "true" }, { name = "wrong", label_noise = 16 }]

[measure]
boxes = "boxes.csv"
method = "gradcam"
mistakes = 3
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Pictures to train on, with boxes beside."""
    return make_tree(tmp_path / "data")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of four arms and two seeds whose runs take a second."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path
