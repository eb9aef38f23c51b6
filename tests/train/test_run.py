"""Whole runs: they learn, they leave what they promise, and a killed one goes on bit for bit."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import whylight
from whylight.errors import TrainError
from whylight.models.zoo.files import load_weights, read_spec
from whylight.train import TrainConfig, resume, train
from whylight.train.checkpoint import load
from whylight.train.data.folders import find
from whylight.train.data.pictures import Pictures
from whylight.train.scores import Scores, logits_of
from whylight.train.start import start

Make = Callable[..., TrainConfig]


def test_learns_and_leaves_a_readable_folder(settings: Make) -> None:
    config = settings(epochs=8, balance="weight")
    result = train(config)
    assert result.scores["val"].balanced_accuracy >= 0.9

    run = Path(config.out)
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == [str(k) for k in range(1, 9)]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    resolved = json.loads((run / "config.json").read_text())
    assert resolved["classes"] == ["disc", "empty"]
    assert resolved["pictures"] == {"train": [16, 16], "val": [6, 6]}
    assert TrainConfig.from_dict(resolved["settings"]) == config.absolute()
    with Image.open(run / "curves.png") as curves:
        assert curves.size[0] > curves.size[1] > 200
    assert "balanced accuracy" in (run / "card.md").read_text()

    spec = read_spec(run)
    assert spec.classes == ("disc", "empty")
    assert spec.preprocess.size == (32, 32)


def test_a_run_loads_back_as_it_was_measured(settings: Make, tree: Path) -> None:
    config = settings(epochs=4)
    result = train(config)
    model = whylight.load(config.out, device="cpu")
    paths = sorted((tree / "val").rglob("*.png"))
    right = 0
    for path in paths:
        probability = model.predict(model.preprocess(path)[None])[0]
        right += model.classes[int(probability.argmax())] == path.parent.name
    assert right / len(paths) == pytest.approx(result.scores["val"].accuracy)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        **load(run / "last.pt")["module"],
        **{f"stored {k}": v for k, v in load_weights(run)[0].state_dict().items()},
    }


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


CHILD = """
import json, sys
import torch
from whylight.train import TrainConfig, train
torch.set_num_threads({threads})
train(TrainConfig.from_dict(json.loads(sys.argv[1])))
"""


@pytest.mark.long
def test_killed_in_the_middle_and_resumed_is_bit_for_bit_the_same(settings: Make, tmp_path: Path) -> None:
    config = settings(
        epochs=3, dropout=0.3, background="empty", paste=0.5, erase=0.3, local=1.0, flip=0.5, jpeg=0.3, blur=0.3,
        workers=1, checkpoint_minutes=0.0, output_stride=16,
    )  # fmt: skip
    assert start(config, ("disc", "empty"))[0].drop_rate == 0.3  # it is drawn in each step: see test_start.py
    straight = replace(config, out=str(tmp_path / "straight"), workers=0)  # workers must not matter either
    train(straight)

    script = CHILD.format(threads=torch.get_num_threads())
    child = subprocess.Popen([sys.executable, "-c", script, json.dumps(config.to_dict())])
    last = Path(config.out) / "last.pt"
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not (last.exists() and load(last)["epoch"] == 1):
            time.sleep(0.005)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    stopped = load(last)
    assert (stopped["epoch"], stopped["step"]) < (3, 0), "the child finished before it was killed"

    resume(config.out)
    assert_same(weights(Path(config.out)), weights(tmp_path / "straight"))
    timeless = [
        [
            {k: v for k, v in row.items() if "seconds" not in k and k != "loading_share"}
            for row in load(run / "last.pt")["rows"]
        ]
        for run in (Path(config.out), tmp_path / "straight")
    ]
    assert timeless[0] == timeless[1]


def test_seeds_decide(settings: Make, tmp_path: Path) -> None:
    runs = {
        name: settings(epochs=1, seed=seed, out=str(tmp_path / name)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    }
    for config in runs.values():
        train(config)
    a, b, c = (weights(Path(config.out)) for config in runs.values())
    assert_same(a, b)
    assert any(not torch.equal(a[key], c[key]) for key in a)


@pytest.mark.long
def test_ctrl_c_saves_and_says_how_to_go_on(settings: Make) -> None:
    config = settings()
    options = (
        "--arch test_resnet.r160_in1k --scratch --size 32 --epochs 200 --batch 8 --workers 1 --checkpoint-minutes 0"
    )
    start = [sys.executable, "-c", "from whylight.cli import main; main()"]
    command = [*start, "train", config.data, "--out", config.out, *options.split()]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    last = Path(config.out) / "last.pt"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and child.poll() is None and not last.exists():
        time.sleep(0.01)
    assert last.exists(), child.communicate()
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the readers too
    _, said = child.communicate(timeout=300)
    assert child.returncode == 130, said
    assert f"whylight train --resume {config.out}" in said
    assert "Traceback" not in said
    assert load(last)["step"] + load(last)["epoch"] > 0


def test_a_taken_folder_is_left_alone(settings: Make) -> None:
    config = settings(epochs=1)
    train(config)
    before = (Path(config.out) / "model.safetensors").read_bytes()
    with pytest.raises(TrainError, match="holds a run already"):
        train(config)
    assert (Path(config.out) / "model.safetensors").read_bytes() == before


def test_changed_data_cannot_be_resumed(settings: Make, tree: Path) -> None:
    config = settings(epochs=1)
    train(config)
    (tree / "train" / "disc" / "0.png").unlink()
    with pytest.raises(TrainError, match="pictures changed"):
        resume(config.out)


def test_a_tree_without_a_split_is_cut_by_class(settings: Make, tree: Path) -> None:
    config = settings(data=str(tree / "train"), epochs=1, val_share=0.25, test_share=0.125)
    result = train(config)
    resolved = json.loads((Path(config.out) / "config.json").read_text())
    assert resolved["pictures"] == {"train": [10, 10], "val": [4, 4], "test": [2, 2]}
    assert set(result.scores) == {"val", "test"}


def test_every_tensor_is_trained(settings: Make) -> None:
    config = settings(arch="torchvision/mobilenet_v2", fold_bn=True, epochs=1, dropout=0.0)
    begin = {name: value.clone() for name, value in start(config, ("disc", "empty"))[0].state_dict().items()}
    train(config)
    end = load(Path(config.out) / "last.pt")["module"]
    assert [name for name in begin if torch.equal(begin[name], end[name])] == []


@pytest.mark.long
def test_stored_as_half_with_a_centred_calibrated_head(settings: Make) -> None:
    config = settings(epochs=4, half=True, centre_head=True, calibrate=True, fold_bn=True)
    result = train(config)
    module, spec = load_weights(config.out)
    head = module.get_classifier()  # type: ignore[operator]
    assert torch.allclose(head.weight[0], -head.weight[1], atol=1e-3)
    assert spec.options == {"fold_batch_norm": True}
    assert not any("running" in name for name in module.state_dict())
    module = module.to(memory_format=torch.channels_last)
    pictures = Pictures(find(config.data).splits["val"], spec.preprocess)
    again = logits_of(module, module, pictures, 8, 0, torch.device("cpu"))
    assert Scores.of(*again) == result.scores["val"]  # what was measured is what was stored
    assert result.scores["val"].loss <= result.best["val_loss"] + 1e-6  # calibrated on these pictures


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scratch": False}, "exactly one of"),
        ({"weights": "w.pth"}, "exactly one of"),
        ({"paste": 0.5}, "--background"),
        ({"flip": 1.5}, "from 0 to 1"),
        ({"epochs": 0}, "at least 1"),
        ({"lr": 0.0}, "above 0"),
        ({"optimizer": "sgd"}, "adamw, adam"),
    ],
)
def test_settings_that_make_no_sense(settings: Make, changes: dict[str, object], said: str) -> None:
    with pytest.raises(TrainError, match=said):
        settings(**changes)


def test_background_must_be_a_class(settings: Make) -> None:
    with pytest.raises(TrainError, match="none of the classes disc, empty"):
        train(settings(background="nothing"))
