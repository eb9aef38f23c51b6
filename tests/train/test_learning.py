"""How weights move: adding up batches, rates by layer, moving averages, a teacher, one cycle; stopped and gone on with."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from whylight.errors import TrainError
from whylight.images.preprocess import Preprocess
from whylight.train import TrainConfig, resume, train
from whylight.train.checkpoint import load
from whylight.train.loop.distillation import Teacher, imitation_loss
from whylight.train.loop.optim import moving_average, optimizer, schedule
from whylight.train.progress import Progress

Make = Callable[..., TrainConfig]
STILL = {"shift": 0.0, "shear": 0.0, "rotate": 0.0, "zoom": 0.0, "flip": 0.0, "colour": 0.0}


def module_of(config: TrainConfig) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load(Path(config.out) / "last.pt")["module"]
    return state


@pytest.mark.long
def test_two_batches_of_four_are_one_of_eight(settings: Make, tmp_path: Path) -> None:
    """Where no layer looks at the batch as a whole."""
    runs = [
        settings(out=str(tmp_path / str(k)), batch=8 // k, accumulate=k, fold_bn=True, epochs=2, lr=1e-3)
        for k in (1, 2)
    ]
    for config in runs:
        train(config)
    one, two = map(module_of, runs)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.long
def test_weighed_classes_count_the_same_however_a_step_is_cut(settings: Make, tmp_path: Path, tree: Path) -> None:
    for k in range(10):
        (tree / "train" / "disc" / f"{k}.png").unlink()  # 6 discs, 16 empty ones
    runs = [
        settings(out=str(tmp_path / str(k)), batch=8 // k, accumulate=k, fold_bn=True, balance="weight", lr=1e-3)
        for k in (1, 2, 4)
    ]
    for config in runs:
        train(config)
    one, *others = map(module_of, runs)
    for other in others:
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(("epochs", "batch"), [(1, 32), (1, 8), (3, 8)])
def test_one_cycle_of_a_few_steps(settings: Make, epochs: int, batch: int) -> None:
    train(settings(schedule="one-cycle", warmup=0.0, epochs=epochs, batch=batch))


@pytest.mark.parametrize("changes", [{}, {"batch": 32}, {"checkpoint_minutes": 0}])
def test_a_run_that_blows_up_keeps_no_ruined_state(settings: Make, changes: dict[str, object]) -> None:
    config = settings(lr=1e30, epochs=3, warmup=0.0, **changes)
    with pytest.raises(TrainError, match=r"the (loss|gradient|largest score on val) is (nan|inf) in epoch 1"):
        train(config)
    assert not (Path(config.out) / "last.pt").exists()


def test_the_average_follows_its_equation(settings: Make) -> None:
    config = settings(ema=0.9)
    layer = nn.Linear(2, 1, bias=False)
    average = moving_average(config, layer)
    assert average is not None
    expected = None
    for step, value in enumerate([1.0, 2.0, 4.0, *[5.0] * 90]):
        with torch.no_grad():
            layer.weight.fill_(value)
        average.update_parameters(layer)
        decay = min(0.9, (1 + step) / (10 + step))  # 0.9 from the 80th step on
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert average.module.weight.flatten().tolist() == pytest.approx([expected] * 2)


def test_the_average_is_what_is_stored(settings: Make) -> None:
    config = settings(ema=0.5, keep="last", epochs=2)
    train(config)
    state, best = load(Path(config.out) / "last.pt"), load(Path(config.out) / "best.pt")
    average = {name.removeprefix("module."): value for name, value in state["average"].items() if name != "n_averaged"}
    assert all(torch.equal(best["module"][name], value) for name, value in average.items())
    assert any(not torch.equal(best["module"][name], state["module"][name]) for name in average)


def test_earlier_layers_move_less(settings: Make) -> None:
    from whylight.train.start import start

    config = settings(layer_decay=0.5, arch="test_resnet.r160_in1k")
    module, _ = start(config, ("disc", "empty"))
    rates = {
        name: group["lr"]
        for group in optimizer(config, module).param_groups
        for name, p in module.named_parameters()
        if any(p is q for q in group["params"])
    }
    assert rates.keys() == dict(module.named_parameters()).keys()
    assert rates["fc.weight"] == pytest.approx(config.lr)
    assert rates["conv1.0.weight" if "conv1.0.weight" in rates else "conv1.weight"] < 0.3 * config.lr


def test_one_cycle_climbs_and_falls(settings: Make) -> None:
    config = settings(schedule="one-cycle", warmup=0.25, epochs=4, lr=0.1)
    moved = optimizer(config, nn.Linear(2, 2))
    moves = schedule(config, moved, steps=10)
    rates = []
    for _ in range(40):
        rates.append(moved.param_groups[0]["lr"])
        moved.step()
        moves.step()
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert rates[0] < 0.01
    assert rates[-1] < 0.001


def test_imitation_follows_its_equation() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 3), torch.randn(5, 3)
    p, q = (teacher / 3).softmax(1), (student / 3).softmax(1)
    assert imitation_loss(student, teacher, 3.0) == pytest.approx(
        float(9 * (p * (p / q).log()).sum(1).mean()), rel=1e-5
    )
    assert imitation_loss(teacher, teacher, 3.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.long
def test_a_student_learns_from_its_teacher(settings: Make, tmp_path: Path) -> None:
    teacher = settings(out=str(tmp_path / "teacher"), epochs=8)
    assert train(teacher).scores["val"].accuracy >= 0.9
    student = settings(
        out=str(tmp_path / "student"),
        epochs=14,
        teacher=teacher.out,
        teacher_weight=1.0,
        temperature=1.0,
        label_noise=16,
    )
    # Every label is wrong, and counts for nothing: what is right can only come from the teacher.
    assert train(student).scores["val"].accuracy >= 0.9


def test_the_teacher_sees_the_same_pictures(settings: Make, tmp_path: Path) -> None:
    import whylight

    config = settings(out=str(tmp_path / "teacher"), epochs=1)
    train(config)
    model = whylight.load(config.out, device="cpu")
    mine = Preprocess(size=(48, 48), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), mode="squash")
    picture = torch.rand(2, 3, 32, 32)
    picture = F.interpolate(picture, (48, 48), mode="bilinear")
    teacher = Teacher(config.out, ("empty", "disc"), mine, torch.device("cpu"))
    own = model.preprocessing
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (own.mean, own.std))
    x = F.interpolate((picture - mean) / std, (32, 32), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = model.module(x)[:, [1, 0]]
    torch.testing.assert_close(teacher((picture - 0.5) / 0.25), expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(TrainError, match="knows disc, empty; these pictures are of cat, dog"):
        Teacher(config.out, ("cat", "dog"), mine, torch.device("cpu"))


def test_a_run_that_gets_no_better_ends(settings: Make) -> None:
    config = settings(epochs=30, patience=2, lr=1e-30, freeze_bn=True, **STILL)
    train(config)
    assert len(load(Path(config.out) / "last.pt")["rows"]) == 3  # the first is the best, two more are not


@pytest.mark.long
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ema": 0.9, "schedule": "one-cycle"}, id="average"),
        pytest.param({"accumulate": 2, "batch": 4, "layer_decay": 0.7}, id="accumulate"),
        pytest.param(
            {"augment": False, "unfreeze": 1, "balance": "oversample", "label_noise": 0.25},
            id="cache",
        ),
    ],
)
def test_killed_ten_times_it_ends_where_it_would_have(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    """kill -9 at random steps: each time in a forked process, which dies in the middle of one."""
    changes = {"epochs": 4, "checkpoint_minutes": 0, **changes}
    straight = settings(out=str(tmp_path / "straight"), **changes)
    train(straight)
    config = settings(out=str(tmp_path / "killed"), **changes)
    dice, steps, deaths = random.Random(0), [0], 0
    real = Progress.epoch

    def step(self: Progress, *arguments: float) -> None:
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), 9)
        real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Progress, "epoch", step)
    for _ in range(10):
        child = os.fork()
        if child == 0:
            steps[0] = dice.randint(1, 3)
            resume(config.out) if (tmp_path / "killed" / "config.json").exists() else train(config)
            os._exit(0)
        dice.random()
        deaths += os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
    steps[0] = 0
    resume(config.out)
    assert deaths >= 5  # towards the end few steps are left to die in
    a, b = module_of(straight), module_of(config)
    assert all(torch.equal(a[name], b[name]) for name in a)
    one, other = (load(Path(c.out) / "best.pt") for c in (straight, config))
    assert all(torch.equal(one["module"][name], other["module"][name]) for name in one["module"])
    assert (Path(straight.out) / "model.safetensors").read_bytes() == (
        Path(config.out) / "model.safetensors"
    ).read_bytes()


def test_curves_for_tensorboard(settings: Make) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = settings(epochs=2, tensorboard=True)
    train(config)
    events = EventAccumulator(str(Path(config.out) / "tensorboard"))
    events.Reload()
    assert {"loss/train", "loss/val", "accuracy/val", "lr"} <= set(events.Tags()["scalars"])
    rows = load(Path(config.out) / "last.pt")["rows"]
    assert [e.value for e in events.Scalars("loss/train")] == pytest.approx([row["train_loss"] for row in rows])
    assert [e.step for e in events.Scalars("loss/train")] == [1, 2]
