"""An experiment is carried out, stopped and gone on with, and reported; a run that fails leaves the others alone."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from typer.testing import CliRunner

from whylight.cli import app
from whylight.errors import TrainError, WhylightError
from whylight.experiment import carry_out, plan, read, write
from whylight.experiment.findings import FIGURES, _check_size, gather, half_width, value
from whylight.experiment.measure import MEASURED
from whylight.jobs.lock import only_run
from whylight.train import train


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment of the conftest, carried out once; the folder has out/, data/ and recipe.toml."""
    from discs import make_tree
    from experiment.conftest import RECIPE

    root = tmp_path_factory.mktemp("experiment")
    make_tree(root / "data")
    (root / "recipe.toml").write_text(RECIPE)
    arguments = ["experiment", root / "recipe.toml", "--data", root / "data", "--out", root / "out"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(root / "out" / "report.html")
    assert len(re.findall(r"run \d of 8: .*accuracy \d", result.stderr)) == 8
    return root


def test_the_figures_are_those_of_the_runs(done: Path) -> None:
    found = json.loads((done / "out" / "results.json").read_text())
    assert [arm["levels"] for arm in found["arms"]] == [[a, b] for a in ("0.003", "0.005") for b in ("true", "wrong")]
    recipe = read(done / "recipe.toml")
    for arm in found["arms"]:
        accuracy = []
        for seed in arm["seeds"]:
            run = done / "out" / "runs" / "_".join(arm["levels"]) / f"seed-{seed}"
            with np.load(run / "measured.npz") as arrays:
                accuracy.append(100 * float((arrays["logits"].argmax(1) == arrays["label"]).mean()))
        assert [run["accuracy"] for run in arm["runs"]] == pytest.approx(accuracy)
        figure = arm["figures"]["accuracy"]
        assert figure["mean"] == pytest.approx(sum(accuracy) / 2)
        # Student's t for two runs: 12.706205 · s / √2, cut to what a share can be.
        half = 12.706205 * float(np.std(accuracy, ddof=1)) / 2**0.5
        assert figure["low"] == pytest.approx(max(0, figure["mean"] - half))
        assert figure["high"] == pytest.approx(min(100, figure["mean"] + half))
    rows = list(csv.DictReader((done / "out" / "runs.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert {row["labels"] for row in rows} == {"true", "wrong"}
    assert recipe.seeds == (0, 1)


def test_wrong_labels_show(done: Path) -> None:
    """Every label flipped: what is learnt is the other class."""
    arms = {arm.arm.levels: arm for arm in gather(plan(read(done / "recipe.toml"), done / "data", done / "out"))}
    accuracy = FIGURES[0]
    good, bad = value(accuracy, arms["0.005", "true"]), value(accuracy, arms["0.005", "wrong"])
    assert good is not None
    assert bad is not None
    assert good.mean > 50 > bad.mean
    assert arms["0.005", "wrong"].runs[0].facts["flipped"] == 32


def test_the_page_has_everything_and_loads_nothing(done: Path) -> None:
    page = (done / "out" / "report.html").read_text()
    assert "<h1>Discs</h1>" in page
    for heading in (
        "What came of it",
        "All figures",
        "Learning",
        "Class by class",
        "Where they look",
        "How it was done",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "MaxBoxAcc (IoU 0.5)" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    plots = {path.name for path in (done / "out" / "plots").iterdir()}
    assert {
        "figures-1.png",
        "learning.png",
        "ranking.png",
        "precision.png",
        "calibration.png",
        "mean-maps.png",
        "confusion-4.png",
    } <= plots
    for path in (done / "out" / "plots").iterdir():
        with Image.open(path) as picture:
            assert picture.width > 300
            assert len(np.unique(np.asarray(picture.convert("L").resize((40, 40))))) > 5  # something is drawn
    assert page.count("<figcaption>") >= 3
    assert "Two seeds only" in page
    assert "two seeds say nothing" in page


def test_mistakes_are_the_most_confident_ones(done: Path) -> None:
    run = done / "out" / "runs" / "0.005_wrong" / "seed-0"
    shown = json.loads((run / MEASURED).read_text())["mistakes"]
    with np.load(run / "measured.npz") as arrays:
        probability = torch.from_numpy(arrays["logits"]).double().softmax(1)
        wrong = probability.argmax(1) != torch.from_numpy(arrays["label"])
        sure = probability.max(1).values[wrong].sort(descending=True).values[:3].tolist()
    assert [one["probability"] for one in shown] == pytest.approx(sure)
    assert all((run / "mistakes" / one["file"]).exists() and one["is"] != one["named"] for one in shown)


def test_what_is_done_is_not_done_again(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("a run was trained again")

    monkeypatch.setattr("whylight.experiment.run.train", never)
    monkeypatch.setattr("whylight.experiment.run.measure", never)
    said: list[str] = []
    assert carry_out(read(done / "recipe.toml"), done / "data", done / "out", say=said.append) == []
    assert said == ["8 of 8 runs are done already"]


def test_another_experiment_in_the_same_folder(done: Path) -> None:
    recipe = read(done / "recipe.toml")
    other = replace(recipe, settings={**recipe.settings, "epochs": 3})
    with pytest.raises(TrainError, match="holds an experiment with other settings: choose another --out"):
        carry_out(other, done / "data", done / "out")
    with (
        only_run(done / "out"),
        pytest.raises(WhylightError, match="another run of whylight writes there"),
    ):
        carry_out(recipe, done / "data", done / "out")


@pytest.mark.long
def test_other_measures_are_taken_anew_and_other_classes_refused(recipe: Path, tree: Path, tmp_path: Path) -> None:
    path, out = one_factor(recipe, "{name = 'a', lr = 0.01}, {name = 'b', lr = 0.003}"), tmp_path / "out"
    chosen = read(path)
    carry_out(chosen, tree, out)
    model = (out / "runs" / "a" / "seed-0" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(TrainError, match=r"boxes: .*nope.csv: no such file"):
        carry_out(replace(chosen, measure=replace(chosen.measure, boxes="nope.csv")), tree, out)
    with pytest.raises(TrainError, match=r"split = 'test', and .* has no test/"):
        carry_out(replace(chosen, measure=replace(chosen.measure, split="test")), tree, out)
    asked = replace(chosen, measure=replace(chosen.measure, boxes="boxes.csv"))
    carry_out(asked, tree, out)
    write(asked, plan(asked, tree, out), out)
    assert "boxes" in (out / "runs.csv").read_text().splitlines()[0]
    assert (out / "runs" / "a" / "seed-0" / "model.safetensors").stat().st_mtime_ns == model
    for split in ("train", "val"):
        (tree / split / "disc").rename(tree / split / "zebra")
    with pytest.raises(TrainError, match="holds an experiment with other classes"):
        carry_out(chosen, tree, out)
    with pytest.raises(TrainError, match="holds a training run"):
        carry_out(chosen, tree, out / "runs" / "a" / "seed-0")


def one_factor(recipe: Path, levels: str) -> Path:
    text = recipe.read_text().split("[[factor]]")[0] + f"[[factor]]\nname = 'way'\nlevels = [{levels}]\n"
    recipe.write_text(text.replace("[0, 1]", "[0]").replace("epochs = 8", "epochs = 1"))
    return recipe


def test_a_run_that_fails_leaves_the_others_alone(recipe: Path, tree: Path, tmp_path: Path) -> None:
    path = one_factor(recipe, "{name = 'fine', lr = 0.01}, {name = 'blows up', lr = 1e30, epochs = 3}")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["experiment", str(path), "--data", str(tree), "--out", str(out)])
    assert result.exit_code == 1
    assert re.search(r"blows up, seed 0: failed: the loss is (nan|inf)", result.stderr)
    page = (out / "report.html").read_text()
    assert "blows up, seed 0 failed: the loss is" in page
    assert "1 of 2 runs are done" in page
    assert [arm["levels"] for arm in json.loads((out / "results.json").read_text())["arms"]] == [["fine"]]


def test_weights_that_are_not_there_are_looked_for_once(
    recipe: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
    text = one_factor(recipe, "{name = 'a', lr = 0.01}, {name = 'b', lr = 0.003}").read_text()
    recipe.write_text(text.replace("scratch = true", "pretrained = true").replace("test_resnet.r160_in1k", "resnet10t"))
    result = CliRunner().invoke(app, ["experiment", str(recipe), "--data", str(tree), "--out", str(tmp_path / "out")])
    assert "run 1 of 2: a, seed 0: failed: the pretrained weights of resnet10t could not be had" in result.stderr
    assert "weights from a file you have (--weights FILE), or" in result.stderr
    assert "run 2 of 2: b, seed 0: failed as those before" in result.stderr
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.long
def test_stopped_in_a_run_it_goes_on_there(
    recipe: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whylight.train.progress import Progress

    path = one_factor(recipe, "{name = 'a', lr = 0.01, checkpoint_minutes = 0, epochs = 2}, {name = 'b', lr = 0.003}")
    chosen, out = read(path), tmp_path / "out"
    real, steps = Progress.epoch, [6]

    def epoch(self: Progress, *arguments: float) -> None:
        real(self, *arguments)  # type: ignore[arg-type]
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), 9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Progress, "epoch", epoch)
        carry_out(chosen, tree, out)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
    run = out / "runs" / "a" / "seed-0"
    assert (run / "last.pt").exists()
    assert not (run / MEASURED).exists()
    assert carry_out(chosen, tree, out) == []
    straight = replace(plan(chosen, tree, tmp_path / "straight")[0].config)
    train(straight)
    assert (run / "model.safetensors").read_bytes() == (Path(straight.out) / "model.safetensors").read_bytes()


@pytest.mark.long
def test_several_at_once(recipe: Path, tree: Path, tmp_path: Path) -> None:
    path = one_factor(recipe, "{name = 'a', lr = 0.01}, {name = 'b', lr = 0.003}")
    chosen = read(path)
    assert carry_out(chosen, tree, tmp_path / "out", jobs=2) == []
    write(chosen, plan(chosen, tree, tmp_path / "out"), tmp_path / "out")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(found["arms"]) == 2
    # One seed: the interval of the accuracy is over pictures, others have none.
    assert found["arms"][0]["figures"]["accuracy"]["low"] is not None
    assert found["arms"][0]["figures"]["loss"]["low"] is None
    assert "One seed only" in (tmp_path / "out" / "report.html").read_text()


def test_nothing_to_report(recipe: Path, tree: Path, tmp_path: Path) -> None:
    chosen = read(recipe)
    with pytest.raises(TrainError, match="no run is done, so there is nothing to report"):
        write(chosen, plan(chosen, tree, tmp_path / "out"), tmp_path / "out")
    with pytest.raises(TrainError, match="no such folder"):
        carry_out(chosen, tmp_path / "nowhere", tmp_path / "out")


def test_the_width_of_an_interval() -> None:
    assert half_width(2.0, 4) == pytest.approx(3.182446 * 2.0 / 2)
    assert half_width(1.0, 100) == pytest.approx(0.1984, rel=1e-3)


def test_an_archive_that_unpacks_to_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.experiment.findings._LARGEST", 1 << 20)
    np.savez_compressed(tmp_path / "measured.npz", logits=np.zeros(1 << 20))
    with pytest.raises(TrainError, match=r"measured\.npz: unpacks to 8,388,\d+ bytes"):
        _check_size(tmp_path / "measured.npz")
    (tmp_path / "measured.npz").write_bytes(b"PK")
    with pytest.raises(TrainError, match=r"measured\.npz: cannot be read"):
        _check_size(tmp_path / "measured.npz")
