"""What can go wrong on the way: Ctrl-C, a full disk, no memory, a folder in the way. Each is said clearly, and nothing is lost."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from whylight.cli import app
from whylight.errors import TrainError, WriteError
from whylight.images import decode
from whylight.models.zoo.files import read_spec
from whylight.train import TrainConfig, resume, train
from whylight.train.loop.loop import Loop

Make = Callable[..., TrainConfig]
OPTIONS = "--arch test_resnet.r160_in1k --scratch --size 32 --epochs 2 --batch 8 --workers 0 --checkpoint-minutes 0"
QUICK = OPTIONS.split()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        (["--epochs", "10"], "leave out --epochs"),  # given, though it is the default
        (["--lr", "1", "--no-such"], "No such option"),
        (["data", "--seed", "3", "--half"], "leave out DATA, --seed, --half"),
    ],
)
def test_resume_takes_no_other_option(tmp_path: Path, extra: list[str], named: str) -> None:
    result = run("--resume", tmp_path, *extra)
    assert result.exit_code == 2
    assert named in " ".join(result.stderr.replace("│", " ").split())


def test_every_option_reaches_the_run(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = "--epochs 1 --unfreeze 1 --repeat disc/*=2 --paste-from disc/* --background empty --paste 0.5 --l2 0.5"
    result = run(tree, "--out", out, *QUICK, *given.split())
    assert result.exit_code == 0, result.stderr
    config = TrainConfig.from_dict(json.loads((out / "config.json").read_text())["settings"])
    assert (config.epochs, config.unfreeze, config.repeat, config.paste_from) == (1, 1, (("disc/*", 2),), ("disc/*",))
    assert (config.weight_decay, config.scratch, config.batch, config.workers) == (0.5, True, 8, 0)


def test_a_validation_folder_without_a_class_is_used(tree: Path, tmp_path: Path) -> None:
    for picture in (tree / "val" / "disc").iterdir():
        picture.unlink()
    result = run(tree, "--out", tmp_path / "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "val/ has no pictures of 'disc': its figures say nothing about them" in " ".join(result.stderr.split())
    spec = read_spec(tmp_path / "run")
    recall = dict(zip(spec.classes, spec.training["scores"]["val"]["recall"], strict=True))  # type: ignore[index]
    assert recall["disc"] is None
    assert 0 <= recall["empty"] <= 1
    assert "disc no pictures" in (tmp_path / "run" / "card.md").read_text()


def test_a_file_in_the_way_is_found_before_any_picture_is_read(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("the pictures were read")

    monkeypatch.setattr("whylight.train.run.check", never)
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper" / "run"):
        with pytest.raises(TrainError, match=r"file is a file, not a folder"):
            train(settings(out=str(out)))
    with pytest.raises(TrainError, match=r"--out /proc/run: /proc cannot be written"):
        train(settings(out="/proc/run"))
    assert (tmp_path / "file").read_text() == "mine"


def test_ctrl_c_while_pictures_are_checked(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = iter([signal.SIGINT])  # several threads decode: of two, the second would come when all is over

    def stop(path: Path) -> object:
        for sent in once:
            os.kill(os.getpid(), sent)
        return decode(path)

    monkeypatch.setattr("whylight.train.data.check.decode", stop)
    result = run(tree, "--out", tmp_path / "run", *QUICK)
    assert result.exit_code == 130
    assert "Nothing was saved yet: give the same command again" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_second_ctrl_c_stops_at_once(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, steps = Loop._learn, iter(range(100))

    def learn(self: Loop, *batch: torch.Tensor) -> tuple[float, torch.Tensor]:
        if next(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, *batch)

    monkeypatch.setattr(Loop, "_learn", learn)
    out = tmp_path / "run"
    result = run(tree, "--out", out, *QUICK)
    assert result.exit_code == 130
    assert f"Go on from its last save with: whylight train --resume {out}" in result.stderr
    assert "same command" not in result.stderr
    assert run("--resume", out).exit_code == 0
    assert read_spec(out).classes == ("disc", "empty")


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_the_last_checkpoint_kept(settings: Make) -> None:
    config = settings(checkpoint_minutes=0.0)
    run_folder = Path(config.out)
    with small_disk(20_000), pytest.raises(WriteError, match=r"last\.pt: cannot be written .*go on from the last good"):
        train(config)
    assert {path.name for path in run_folder.iterdir()} == {"config.json"}  # and no half-written file
    train_result = resume(run_folder)
    assert (run_folder / "model.safetensors").exists()

    (run_folder / "model.safetensors").unlink()
    with small_disk(20_000), pytest.raises(WriteError, match=r"model\.safetensors: cannot be written.*--resume"):
        resume(run_folder)
    assert resume(run_folder).scores == train_result.scores


def test_out_of_memory_names_the_batch(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Loop._learn

    def learn(self: Loop, *batch: torch.Tensor) -> tuple[float, torch.Tensor]:
        if self.step == 2:
            torch.empty(2**55)  # more than there is
        return real(self, *batch)

    config = settings(checkpoint_minutes=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_learn", learn)
        with pytest.raises(TrainError, match=r"out of memory in epoch 1, step 3, .*--batch 8 .*--resume") as caught:
            train(config)
    assert isinstance(caught.value.__cause__, RuntimeError)
    resume(config.out)


def test_figures_are_there_after_each_epoch(settings: Make) -> None:
    seen: list[int] = []
    config = settings(epochs=3)

    class Watched(Loop):
        def _learn(self, *batch: torch.Tensor) -> tuple[float, torch.Tensor]:
            path = self.out / "metrics.csv"
            seen.append(len(list(csv.DictReader(path.read_text().splitlines()))) if path.exists() else 0)
            assert (self.out / "curves.png").exists() is path.exists()
            return super()._learn(*batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whylight.train.run.Loop", Watched)
        train(config)
    assert seen == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("state", [[1, 2], {}, {"epoch": 1}, 3])
def test_a_checkpoint_that_holds_something_else(state: object, settings: Make) -> None:
    config = settings(epochs=1)
    train(config)
    torch.save(state, Path(config.out) / "last.pt")
    with pytest.raises(TrainError, match=r"last\.pt: this checkpoint cannot be read"):
        resume(config.out)


def test_a_run_does_not_make_whylight_ask_the_network(settings: Make) -> None:
    config = settings(epochs=1)
    train(config)
    path = Path(config.out) / "config.json"
    found = json.loads(path.read_text())
    found["settings"]["arch"] = "hf-hub:somebody/net"
    path.write_text(json.dumps(found))
    with pytest.raises(TrainError, match=r"does not make whylight ask the network.*--arch hf-hub:somebody/net"):
        resume(config.out)
    with pytest.raises(TrainError, match="was begun with hf-hub:somebody/net, not with resnet18"):
        resume(config.out, arch="resnet18")
    done = run("--resume", config.out)
    assert done.exit_code != 0


def test_a_checkpoint_that_unpacks_to_more_than_it_is(settings: Make, tmp_path: Path) -> None:
    config = settings(epochs=1)
    train(config)
    path = Path(config.out) / "last.pt"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data + bytes(10_000_000) * name.endswith("data/0"))
    with pytest.raises(TrainError, match=r"last\.pt: this checkpoint cannot be read \(.* unpacks to"):
        resume(config.out)
