"""`--config FILE`: what a TOML file says is what the command line would have said, in every verb, and the command line wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.conftest import Run, ledger
from whylight.cli import app
from whylight.jobs import Job


def write(folder: Path, text: str, name: str = "job.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def every_verb(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", None)
    return [path] if below is None else [one for name, sub in below.items() for one in every_verb(sub, (*path, name))]


VERBS = every_verb(typer.main.get_command(app))


def test_options_and_inputs_come_from_the_file(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f"""
        inputs = ["{good / "a.jpg"}"]
        model = "{model}"
        method = ["rise", "Grad-CAM"]
        option.rise.masks = 12          # as --option rise.masks=12
        target = 1
        scales = [1, 1.5]               # as --scales 1,1.5
        flip = true
        save-map = true
        batch_size = 2                  # either way of writing
        format = "jpg"
        out = "looked"
        """,
    )
    outcome = run("explain", "--config", file)
    assert outcome.code == 0, outcome.err
    job = Job.read(tmp_path / "looked")
    assert job.inputs == (str(good / "a.jpg"),)
    assert job.questions == {"methods": ["rise", "Grad-CAM"], "options": {"rise": {"masks": 12}}, "targets": ["1"]}
    assert job.settings["scales"] == [1, 1.5]
    assert (job.settings["flip"], job.settings["format"], job.settings["save_map"]) == (True, "jpg", True)
    assert [line["method"] for line in ledger(tmp_path / "looked")] == ["rise", "gradcam"]


def test_the_command_line_wins(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    file = write(
        tmp_path, f'inputs = ["no/such.jpg"]\nmodel = "{model}"\nmethod = ["cam", "rise"]\nflip = true\nalpha = 0.25'
    )
    outcome = run("explain", good / "a.jpg", "--config", file, "--method", "gradcam", "--alpha", "0.75", "-o", "out")
    assert outcome.code == 0, outcome.err
    job = Job.read(tmp_path / "out")
    assert (job.inputs, job.questions["methods"]) == ((str(good / "a.jpg"),), ["gradcam"])  # instead of, not beside
    assert (job.settings["alpha"], job.settings["flip"]) == (0.75, True)


def test_one_file_for_several_verbs(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f"""
        model = "{model}"
        style = "map"        # locate has no such option, and is not disturbed
        out = "shared"
        [explain]
        out = "own"
        [locate]
        target = "face"
        max-objects = 3
        [evaluate.faithfulness]
        methods = "gradcam"
        measures = "drop"
        out = "judged"
        """,
    )
    assert run("explain", good / "a.jpg", "--config", file).code == 0
    assert Job.read(tmp_path / "own").settings["style"] == "map"
    assert run("locate", good / "a.jpg", "--config", file).code == 0
    job = Job.read(tmp_path / "shared")
    assert (job.settings["max_objects"], job.questions["target"]) == (3, "face")
    assert run("evaluate", "faithfulness", "--data", good, "--config", file).code == 0
    assert Job.read(tmp_path / "judged").questions["methods"] == ["gradcam"]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_takes_one(verb: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    assert "--config FILE" in run(*verb, "--help").out
    file = write(tmp_path, "no-such-option = 1")
    outcome = run(*verb, "--config", file)
    assert outcome.code == 2
    assert f"whylight: {file}: no-such-option: no option of {verb[-1]}. Near it: " in outcome.err
    file = write(tmp_path, "[" + ".".join(verb) + "]\nno_such_option = 1")
    assert f"{'.'.join(verb)}.no_such_option: no option of {verb[-1]}" in run(*verb, "--config", file).err


def test_a_group_can_have_a_table(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, '[face]\nparts = "nose"\n[face.enroll]\nthumbnails = false')
    outcome = run("face", "--config", file, "nowhere.jpg")  # identify, unsaid
    assert outcome.code == 2
    assert "face.parts: --parts 'nose': choose one of auto, landmarks, haar, geometry" in outcome.err
    assert (
        "nowhere" in run("face", "enroll", "gallery", "nowhere", "--config", file).err
    )  # parts are none of its options


def test_training_too(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path, 'data = "none"\narch = "resnet18"\nout = "runs/1"\nscratch = true\nunfreeze = 2\naugment = false'
    )
    outcome = run("train", "--config", file)
    assert outcome.code == 2
    assert "none: no such folder" in outcome.err
    resumed = run("train", "--config", write(tmp_path, "epochs = 3"), "--resume", "runs/1")
    assert "takes all its settings from the run: leave out --epochs" in " ".join(resumed.err.split())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('alpha = "much"', "alpha: Invalid value for '--alpha'"),
        ("alpha = 1.5", "alpha: Invalid value for '--alpha'"),
        ('style = "panels"', "style: --style 'panels': choose one of overlay, panel, map"),
        ('stile = "panel"', "stile: no option of explain. Near it: style"),
        ("max_objects = 3", "max_objects: no option of explain, but of locate: move it to a table [locate]"),
        ("help = true", "help: no option of explain. Near it: "),
        ('config = "more.toml"', "config: no option of explain. Near it: "),
        ('[explian]\nstyle = "panel"', "explian: no option of explain and no verb. Near it: explain"),
        ('[explain]\nstile = "panel"', "explain.stile: no option of explain. Near it: style"),
        ("[explain.deep]\nx = 1", "explain.deep: no option of explain and no verb. Near it: "),
        ('flip = "yes"', "flip: expected true or false, got 'yes'"),
        ("flip = 1", "flip: expected true or false, got 1"),
        ("batch-size = true", "batch-size: expected text or a number, got true"),
        ("batch-size = 1.5", "batch-size: Invalid value for '--batch-size'"),
        ("out = {a = 1}", "out: expected text or a number, got a table"),
        ("target = [[1]]", "target: expected text or a number, got a list"),
        ("colormap = 2020-01-01", "colormap: expected text or a number, got 2020-01-01"),
        ("option.rise.masks = [1]", "option.rise.masks: expected text, a number, true or false, got a list"),
        ("batch-size = 1\nbatch_size = 2", "batch-size and batch_size are the same option; leave one out"),
        ('method = "cam"\nmethods = "cam"', "method and methods are the same option; leave one out"),
        ("alpha = ", "is no TOML: "),
        ("a = " + "[" * 5000, "is no TOML: "),
        ('"\\u001b[31m" = 1', "\\x1b[31m: no option of explain"),
    ],
)
def test_what_is_wrong_in_it_is_named(text: str, says: str, run: Run, good: Path, model: str, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    outcome = run("explain", good, "--model", model, "--config", file)
    assert outcome.code == 2
    assert str(file) in outcome.err
    assert says in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "explanations").exists()


def test_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    assert "--config none.toml: cannot be read: No such file" in run("explain", "x", "--config", "none.toml").err
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    assert "is no text in UTF-8" in run("explain", "x", "--config", "bytes.toml").err
    assert "cannot be read" in run("explain", "x", "--config", ".").err


def test_json_from_a_file_goes_nowhere_else(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    file = write(tmp_path, f'model = "{model}"\njson = "-"\nout = "out"')
    outcome = run("explain", good / "a.jpg", "--config", file)
    assert json.loads(outcome.out)["method"] == "gradcam"
