"""Which pictures and labels an epoch goes through: flips reach the batches, balance is what it says."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from whylight.errors import DataError, TrainError
from whylight.train import TrainConfig, resume, train
from whylight.train.data.folders import Item
from whylight.train.data.sampling import balanced, flipped
from whylight.train.loop.loop import Loop

Make = Callable[..., TrainConfig]
CLASSES = ("a", "b", "c")


def items(*counts: int) -> list[Item]:
    return [
        Item(Path(f"/{name}/{k}.png"), label, f"{name}/{k}.png")
        for label, (name, count) in enumerate(zip(CLASSES, counts, strict=False))
        for k in range(count)
    ]


@pytest.mark.parametrize(("amount", "expected"), [(0.2, (2, 4, 6)), (3, (3, 3, 3)), (1, (1, 1, 1)), (0, (0, 0, 0))])
def test_as_many_labels_are_flipped_as_asked(amount: float, expected: tuple[int, ...]) -> None:
    before = items(10, 20, 30)
    after, flips = flipped(before, CLASSES, amount, seed=1)
    assert tuple(sum(f.was == c for f in flips) for c in range(3)) == expected
    assert [item.name for item in after] == [item.name for item in before]
    changed = {a.name: (b.label, a.label) for a, b in zip(after, before, strict=True) if a.label != b.label}
    assert changed == {f.name: (f.was, f.now) for f in flips}
    assert flipped(before, CLASSES, amount, seed=1)[1] == flips


def test_more_noise_keeps_the_flips_of_less_and_another_seed_has_others() -> None:
    some, more = (set(flipped(items(50, 50), CLASSES[:2], amount, 0)[1]) for amount in (0.1, 0.3))
    assert some < more
    assert set(flipped(items(50, 50), CLASSES[:2], 0.1, 1)[1]) != some


def test_wrong_labels_are_drawn_from_all_other_classes() -> None:
    _, flips = flipped(items(300, 300, 300), CLASSES, 0.5, 0)
    counts = Counter((f.was, f.now) for f in flips)
    assert set(counts) == {(a, b) for a in range(3) for b in range(3) if a != b}
    assert min(counts.values()) > 50  # of 150 each, 75 are expected


def test_more_flips_than_pictures() -> None:
    with pytest.raises(DataError, match=r"label_noise: 5 labels .* a has 4 training pictures"):
        flipped(items(4, 9), CLASSES[:2], 5, 0)
    with pytest.raises(DataError, match="with one class there is no wrong label"):
        flipped(items(4), CLASSES[:1], 1, 0)


def test_the_batches_carry_the_flips(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[int] = Counter()
    real = Loop._learn

    def learn(self: Loop, parts: list[list[object]]) -> tuple[float, float]:
        for _, label, _ in parts:
            seen.update(label.tolist())  # type: ignore[attr-defined]
        return real(self, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(Loop, "_learn", learn)
    # Every picture is a disc on disk for all that the labels say: 12 of 16 empty ones become discs, and no disc changes class.
    config = settings(epochs=1, label_noise=0.75)
    train(config)
    rows = list(csv.DictReader((Path(config.out) / "flips.csv").read_text().splitlines()))
    assert len(rows) == 24
    flips = {row["file"]: (row["label"], row["flipped_to"]) for row in rows}
    assert all(name.startswith(f"{was}/") and was != now for name, (was, now) in flips.items())
    assert seen == {0: 16, 1: 16}  # 4 true and 12 wrong ones each


@pytest.mark.long
def test_a_network_learns_the_wrong_labels_it_is_given(settings: Make) -> None:
    """All labels flipped: what validation, whose labels are true, calls right must fall to nothing."""
    result = train(settings(epochs=8, label_noise=16, keep="last"))
    assert result.scores["val"].accuracy <= 0.1


@pytest.mark.long
def test_flips_survive_a_stop(settings: Make) -> None:
    config = settings(epochs=2, label_noise=0.25)
    train(config)
    before = (Path(config.out) / "flips.csv").read_bytes()
    (Path(config.out) / "last.pt").unlink()
    resume(config.out)
    assert (Path(config.out) / "flips.csv").read_bytes() == before


@pytest.mark.parametrize("how", ["drop", "oversample"])
def test_every_class_counts_the_same(how: str) -> None:
    before = items(3, 10, 7)
    after = balanced(before, how, 0)  # type: ignore[arg-type]
    size = {"drop": 3, "oversample": 10}[how]
    assert Counter(item.label for item in after) == {0: size, 1: size, 2: size}
    assert set(after) <= set(before)
    if how == "oversample":
        times = Counter(item.name for item in after)
        assert set(times) == {item.name for item in before}  # none is lost
        assert {times[item.name] for item in before if item.label == 0} == {3, 4}
    assert after == balanced(before, how, 0)  # type: ignore[arg-type]
    assert balanced(before, "weight", 0) == balanced(before, None, 0) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_noise": -1}, "label_noise is a share below 1 or a whole number"),
        ({"label_noise": 2.5}, "label_noise is a share below 1 or a whole number"),
        ({"balance": "up"}, "balance is one of weight, drop, oversample"),
        ({"ema": 1.0}, "ema is a factor between 0 and 1"),
        ({"layer_decay": 0}, "layer_decay is a factor between 0 and 1"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"boxes": "b.csv", "ema": 0.9}, "with boxes there is no ema"),
        ({"augment": False, "erase": 0.5}, "no augmentation forbids"),
    ],
)
def test_settings_that_make_no_sense(settings: Make, changes: dict[str, object], said: str) -> None:
    with pytest.raises(TrainError, match=said):
        settings(**changes)


def test_a_run_goes_on_with_its_own_classes_and_architecture_only(settings: Make, tree: Path) -> None:
    config = settings(epochs=1)
    train(config)
    (Path(config.out) / "model.safetensors").unlink()
    kept = Path(config.out) / "config.json"
    kept.write_text(kept.read_text().replace("test_resnet.r160_in1k", "test_efficientnet.r160_in1k"))
    with pytest.raises(TrainError, match=r"last.pt: made with another architecture than test_efficientnet"):
        resume(config.out)
    for split in ("train", "val"):
        (tree / split / "disc").rename(tree / split / "circle")
    with pytest.raises(TrainError, match=r"the classes were disc, empty when .* began, and are circle, empty now"):
        resume(config.out)
