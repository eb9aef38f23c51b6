"""Several processes: the same run as one, and one that goes on after a process was killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from whylight.errors import TrainError
from whylight.train import TrainConfig, resume, train
from whylight.train.checkpoint import load
from whylight.train.loop.distributed import Team

Make = Callable[..., TrainConfig]

CHILD = """
import json, os, sys, time
import torch
from whylight.train import TrainConfig, resume, train
from whylight.train.progress import Progress
torch.set_num_threads(1)
what, config, slow = sys.argv[1], TrainConfig.from_dict(json.loads(sys.argv[2])), float(sys.argv[3])
real = Progress.epoch
Progress.epoch = lambda *a: (time.sleep(slow), real(*a))
result = train(config) if what == "train" else resume(config.out)
print("rank", os.environ["RANK"], result.scores["val"].accuracy)
"""


def spawn(config: TrainConfig, what: str = "train", slow: float = 0.0) -> list[subprocess.Popen[str]]:
    """Two processes, as torchrun would start them."""
    import json

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {**os.environ, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, what, json.dumps(config.to_dict()), str(slow)],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


def finished(processes: list[subprocess.Popen[str]]) -> list[str]:
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    return told


@pytest.fixture
def config(settings: Make) -> TrainConfig:
    """No layer looks at the batch as a whole, and nothing is drawn at random: the processes must agree with the one."""
    return settings(fold_bn=True, epochs=3, lr=1e-3, checkpoint_minutes=0)


def close(a: Path, b: Path) -> None:
    one, two = (load(run / "last.pt") for run in (a, b))
    # Adam divides each gradient by its own size: where that is rounding alone, a step of the learning rate (1e-3) hangs on the
    # order of a sum. Of a few weights in ten thousand that is so; all together they differ by a hundredth of one step.
    for name, value in one["module"].items():
        assert float((two["module"][name] - value).abs().mean()) < 1e-5, name
    for row, other in zip(one["rows"], two["rows"], strict=True):
        for figure in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            assert row[figure] == pytest.approx(other[figure], rel=1e-3, abs=1e-4)


@pytest.mark.long
def test_two_processes_train_as_one(config: TrainConfig, tmp_path: Path) -> None:
    alone = replace(config, out=str(tmp_path / "alone"))
    train(alone)
    together = replace(config, out=str(tmp_path / "together"))
    told = finished(spawn(together))
    close(Path(alone.out), Path(together.out))
    accuracy = {line.split()[-1] for text in told for line in text.splitlines() if line.startswith("rank")}
    assert len(accuracy) == 1  # both know the result
    with pytest.raises(TrainError, match="began with 2 processes, and can only go on with as many; these are 1"):
        resume(together.out)


@pytest.mark.long
def test_one_is_killed_and_the_run_goes_on(config: TrainConfig, tmp_path: Path) -> None:
    straight = replace(config, out=str(tmp_path / "straight"))
    finished(spawn(straight))
    stopped = replace(config, out=str(tmp_path / "stopped"))
    processes = spawn(stopped, slow=0.3)
    last = Path(stopped.out) / "last.pt"
    end = time.monotonic() + 100
    while not last.exists() and time.monotonic() < end:
        time.sleep(0.05)
    processes[1].kill()
    time.sleep(0.5)
    processes[0].kill()  # torchrun does so when it sees one die
    for process in processes:
        process.communicate()
    state = load(last)
    assert (state["epoch"], state["step"]) < (3, 0), "it ended before it was killed"
    finished(spawn(stopped, "resume"))
    one, two = (load(Path(run.out) / "last.pt")["module"] for run in (straight, stopped))
    # Bit for bit, for it is one machine, one thread each, and a sum of two gradients has no order.
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_each_process_has_its_share_of_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    teams = []
    for rank in range(2):
        team = Team(torch.device("cpu"))
        team.size, team.rank = 2, rank
        teams.append(team)
    order = list(range(11))
    shares = [team.share(order, 4) for team in teams]
    assert shares == [[0, 1, 4, 5], [2, 3, 6, 7]]  # the last, smaller batch is left out
    with pytest.raises(TrainError, match="batch: 5 pictures cannot be shared equally by 2 processes"):
        teams[0].share(order, 5)
    alone = Team(torch.device("cpu"))
    assert (alone.share(order, 5), alone.mean(0.5), alone.told("x"), alone.first) == (order, 0.5, "x", True)


def test_what_several_processes_cannot_do(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Team, "__init__", lambda self, device: vars(self).update(size=2, rank=0, device=device))
    with pytest.raises(TrainError, match="local and boxes train in one process"):
        train(settings(background="empty", local=1.0, arch="torchvision/mobilenet_v2"))
    with pytest.raises(TrainError, match="32 training pictures fill no batch of 64"):
        train(settings(batch=64))
