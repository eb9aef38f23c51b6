"""The one threshold: chosen by hand-made curves, with its plateau, in words, and stored with a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import whylight
from whylight.errors import DataError, ModelError, WhylightError
from whylight.evaluate.calibration import calibrate
from whylight.images.preprocess import Preprocess
from whylight.localize.threshold import choose
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import KEY, ModelSpec, read_spec, save_weights, store_localization

STORED = {"threshold": 0.35, "method": "gradcam", "iou": 0.5, "pictures": 30, "layer": None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    spec = ModelSpec("test_resnet", ("cat", "dog"), Preprocess(size=(96, 96)), training={"epochs": 3})
    save_weights(path, build("test_resnet", classes=2), spec, dtype=torch.float16)
    return path


def test_the_middle_of_the_longest_run() -> None:
    found = choose([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.8, 0.1, 0.8, 0.8, 0.8, 0.795, 0.7])
    assert found == (0.4, 0.8, 0.3, 0.6)
    assert choose([0.5], [0.0]).threshold == 0.5
    with pytest.raises(WhylightError, match="expected as many of each"):
        choose([0.1, 0.2], [0.1])


def test_by_hand() -> None:
    overlaps = np.zeros((4, 100), np.int64)
    overlaps[0, 9:40] = 6000  # right from 0.10 to 0.40
    overlaps[1, 19:50] = 5000  # from 0.20 to 0.50
    overlaps[2, :] = 4999  # never quite
    found = calibrate(overlaps, 0.5)
    assert found.choice == (0.3, 0.5, 0.2, 0.4)
    assert found.accuracy.mean == 50
    assert found.curve[9] == 25
    assert found.curve[99] == 0
    assert found.threshold.low is not None
    words = found.words("cam", 0.5)
    assert words.splitlines()[0].startswith("threshold 0.30: 50.0 % of 4 pictures (")
    assert words.splitlines()[0].endswith(") have their box right (cam, IoU 0.5)")
    assert "within one point of that: 0.20 … 0.40" in words
    assert "0.1: 25 %, 0.2: 50 %, 0.3: 50 %, 0.4: 50 %, 0.5: 25 %, 0.6: 0 %" in words
    assert json.loads(json.dumps(found.to_dict()))["plateau"] == [0.2, 0.4]


def test_one_picture_says_nothing_about_others() -> None:
    overlaps = np.full((1, 100), 6000)
    assert "one picture only" in calibrate(overlaps, 0.5).words("cam", 0.5)


def test_nothing_right_nothing_chosen() -> None:
    with pytest.raises(DataError, match=r"at no threshold does any of the 3 pictures have a box with IoU 0\.5"):
        calibrate(np.zeros((3, 100), np.int64), 0.5)
    with pytest.raises(DataError, match=r"at no threshold does the one picture have a box with IoU 0\.5"):
        calibrate(np.zeros((3, 100), np.int64), 0.5, ["a.jpg"] * 3)


def test_several_classes_of_one_picture_are_one_picture() -> None:
    overlaps = np.zeros((2, 100), np.int64)
    overlaps[0, 40:60] = 9000
    chosen = calibrate(overlaps, 0.5, ["a.jpg", "a.jpg"])
    assert (chosen.accuracy.mean, chosen.accuracy.low, chosen.accuracy.n) == (50, None, 1)
    assert chosen.words("cam", 0.5).startswith("threshold 0.50: 50.0 % of 1 picture has its box right (cam, IoU 0.5)\n")
    assert "one picture only" in chosen.words("cam", 0.5)


def test_stored_with_the_model_and_read_back(file: Path, tmp_path: Path) -> None:
    before = safetensors.torch.load_file(file)
    assert read_spec(file).localization is None
    assert whylight.load(file, device="cpu").localization is None
    assert store_localization(file, STORED) == file
    spec = read_spec(file)
    assert spec.localization == STORED
    assert spec.training == {"epochs": 3}
    after = safetensors.torch.load_file(file)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) and value.dtype == after[name].dtype for name, value in before.items())
    model = whylight.load(file, device="cpu")
    assert model.localization == STORED
    assert whylight.load(file, device="cpu", layer="layer1").localization is None
    copy = store_localization(file, {**STORED, "threshold": 0.6}, tmp_path / "new" / "copy.safetensors")
    assert read_spec(copy).localization == {**STORED, "threshold": 0.6}
    assert read_spec(file).localization == STORED


def test_a_spec_writes_it_and_older_files_do_without(file: Path) -> None:
    spec = ModelSpec("test_resnet", ("a", "b"), Preprocess(), localization=STORED)
    assert json.loads(spec.to_json())["localization"] == STORED
    assert json.loads(spec.to_json())["format"] == 1  # older versions pass it over
    assert "localization" not in json.loads(read_spec(file).to_json())


@pytest.mark.parametrize(
    "wrong", [{"threshold": 2, "method": "cam"}, {"threshold": 0.5}, {"threshold": "0.5", "method": "cam"}, 5]
)
def test_a_strangers_file(file: Path, wrong: object) -> None:
    with safetensors.safe_open(file, framework="pt") as opened:
        fields = json.loads(opened.metadata()[KEY])
    safetensors.torch.save_file(
        safetensors.torch.load_file(file), file, {KEY: json.dumps({**fields, "localization": wrong})}
    )
    with pytest.raises(ModelError, match="its whylight metadata is damaged"):
        read_spec(file)


def test_not_a_file_of_ours(tmp_path: Path) -> None:
    safetensors.torch.save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="carry no whylight metadata"):
        store_localization(tmp_path / "other.safetensors", STORED)
