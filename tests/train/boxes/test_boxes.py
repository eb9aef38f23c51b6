"""Whole runs with boxes: they learn to find squares, leave what they promise, go on bit for bit, and say what is wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import whylight
from squares import draw, write
from whylight.boxes.match import overlaps
from whylight.cli import app
from whylight.errors import DataError, TrainError
from whylight.localize.supervised import regressed
from whylight.models.zoo.files import load_box_head, load_weights, read_spec
from whylight.train import TrainConfig, resume, train
from whylight.train.boxes import data as box_data
from whylight.train.boxes.loop import BoxLoop
from whylight.train.checkpoint import load

Make = Callable[..., TrainConfig]


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A folder of pictures with red squares, and some without, in train/ and val/, with boxes.csv beside these two."""
    folder = tmp_path / "squares"
    lines = draw(folder / "train", 48, empty=8) + draw(folder / "val", 12, first=1000, empty=4)
    write(folder / "boxes.csv", lines)
    return folder


@pytest.fixture
def make(settings: Make, squares: Path) -> Make:
    """Settings of a short run on them."""

    def with_boxes(**changes: object) -> TrainConfig:
        base: dict[str, object] = {
            "data": str(squares),
            "boxes": str(squares / "boxes.csv"),
            "background": "nothing",
            "size": 64,
            "output_stride": 8,
            "rotate": 0.0,
            "shear": 0.0,
        }
        return settings(**{**base, **changes})

    return with_boxes


# After some 200 steps from chance, and a little less on some numbers of threads.
@pytest.mark.long
@pytest.mark.parametrize(("loss", "least"), [("giou", 0.6), ("smooth-l1", 0.45)])
def test_learns_to_find_squares(make: Make, squares: Path, loss: str, least: float) -> None:
    config = make(epochs=4, box_loss=loss, lr=1e-2, batch=4, zoom=0.1, seed=1, repeat=(("train/*", 4),))
    result = train(config)
    scores = result.scores["val"].boxes
    assert scores is not None
    assert scores.average_precision >= least
    assert scores.found >= least
    assert scores.right >= least
    assert result.scores["val"].balanced_accuracy >= 0.85

    run = Path(config.out)
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert len(rows) == 4  # of which the best was kept
    kept = pytest.approx(scores.average_precision, abs=1e-5)
    assert kept in [float(row["val_average_precision"]) for row in rows]
    resolved = json.loads((run / "config.json").read_text())
    assert resolved["classes"] == ["nothing", "square"]
    assert resolved["pictures"] == {"train": [8, 48], "val": [4, 12]}
    assert TrainConfig.from_dict(resolved["settings"]) == config.absolute()
    card = (run / "card.md").read_text()
    assert f"(`boxes.csv`, {loss})" in card
    assert f"| val | {scores.drawn} | {scores.average_precision:.2%} |" in card
    with Image.open(run / "curves.png") as curves:
        assert curves.size[0] > curves.size[1] > 200

    spec = read_spec(run)
    assert spec.boxes is not None
    assert spec.boxes.classes == (1,)
    assert spec.boxes.threshold == scores.threshold
    assert spec.training["scores"]["val"]["boxes"]["found"] == scores.found  # type: ignore[index]

    # The stored model finds what was measured, in pixels of the pictures.
    model = whylight.load(run, device="cpu")
    assert model.applicable_methods() == whylight.wrap(load_weights(run)[0], size=64).applicable_methods()
    paths = sorted((squares / "val").iterdir())
    drawn = {path: [b[1:] for b in item.boxes] for path, item in zip(paths, items_of(config, "val"), strict=True)}
    found = regressed(model, paths, target="square")
    hits = total = 0
    for path, boxes in zip(paths, found, strict=True):
        table = overlaps(torch.tensor([b[:4] for b in boxes]).reshape(-1, 4).double().numpy(), as_array(drawn[path]))
        hits += int((table.max(0, initial=0) >= 0.5).sum())
        total += len(drawn[path])
    assert total == scores.drawn
    assert hits / total == pytest.approx(scores.found, abs=0.1)  # rounded to pixels here


def items_of(config: TrainConfig, split: str) -> list[box_data.Item]:
    return box_data.find(config.data, str(config.boxes), config.background).splits[split]


def as_array(boxes: list[tuple[float, ...]]) -> object:
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4).numpy()


def weights(run: Path) -> dict[str, torch.Tensor]:
    spec = read_spec(run)
    head = load_box_head(run, spec)
    assert head is not None
    return {
        **load(run / "last.pt")["module"],
        **{f"stored {k}": v for k, v in load_weights(run)[0].state_dict().items()},
        **{f"head {k}": v for k, v in head.state_dict().items()},
    }


@pytest.mark.long
def test_stopped_and_resumed_is_bit_for_bit_the_same(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(epochs=2, dropout=0.3, erase=0.3, rotate=10.0, jpeg=0.3, checkpoint_minutes=0.0, half=True)
    straight = replace(config, out=str(tmp_path / "straight"), workers=1)  # workers must not matter either
    train(straight)
    real = BoxLoop._learn

    def learn(self: BoxLoop, *batch: torch.Tensor) -> tuple[float, torch.Tensor]:
        if (self.epoch, self.step) == (1, 3):
            raise KeyboardInterrupt
        return real(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(BoxLoop, "_learn", learn)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    stopped = load(Path(config.out) / "last.pt")
    assert (stopped["epoch"], stopped["step"]) == (1, 3)
    resume(config.out)
    a, b = weights(Path(config.out)), weights(tmp_path / "straight")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert read_spec(config.out).boxes == read_spec(straight.out).boxes


@pytest.mark.long
def test_a_run_goes_on_from_another_runs_head(make: Make, tmp_path: Path) -> None:
    first = make(epochs=1)
    train(first)
    for options, kept in (({}, True), ({"background": "empty"}, False)):  # with other classes the head is new
        second = make(
            scratch=False, weights=first.out, epochs=1, lr=1e-9, out=str(tmp_path / f"second{kept}"), **options
        )
        train(second)
        heads = [load_box_head(run, read_spec(run)) for run in (first.out, second.out)]
        assert heads[0] is not None
        assert heads[1] is not None
        same = all(
            torch.allclose(a, b, atol=1e-4) for a, b in zip(heads[0].parameters(), heads[1].parameters(), strict=True)
        )
        assert same is kept
    plain = make(
        data=str(tmp_path / "tree"), boxes=None, background=None, scratch=False, weights=first.out, epochs=1,
        out=str(tmp_path / "plain"),
    )  # fmt: skip
    for split in ("train", "val"):
        for name, first_seed in (("a", 0), ("b", 50)):
            draw(tmp_path / "tree" / split / name, 8, first=first_seed + 100 * (split == "val"))
    train(plain)
    assert read_spec(plain.out).boxes is None


def test_changed_boxes_cannot_be_resumed(make: Make, squares: Path) -> None:
    config = make(epochs=1)
    train(config)
    file = squares / "boxes.csv"
    before = file.read_text()
    file.write_text(before.replace("train/0.png,square", "train/0.png,thing"))
    with pytest.raises(
        TrainError, match=r"the classes were nothing, square when .* and are nothing, square, thing now"
    ):
        resume(config.out)
    lines = before.splitlines()
    file.write_text("\n".join([*lines[:1], *lines[2:]]) + "\n")  # one box less
    with pytest.raises(TrainError, match=r"pictures \(or their boxes\) changed"):
        resume(config.out)


def test_a_folder_without_a_split_is_cut(make: Make, squares: Path) -> None:
    config = make(data=str(squares / "train"), epochs=1, val_share=0.25, test_share=0.125)
    result = train(config)
    resolved = json.loads((Path(config.out) / "config.json").read_text())
    assert resolved["pictures"] == {"train": [5, 30], "val": [2, 12], "test": [1, 6]}
    assert set(result.scores) == {"val", "test"}
    assert all(scores.boxes is not None for scores in result.scores.values())


def test_one_class_alone(make: Make, tmp_path: Path) -> None:
    lines = draw(tmp_path / "full" / "in", 24)
    config = make(
        data=str(tmp_path / "full"), boxes=str(write(tmp_path / "full.csv", lines)), background=None, epochs=1
    )
    with pytest.raises(TrainError, match="centre_head: with one class"):
        train(replace(config, centre_head=True))
    result = train(config)
    assert read_spec(config.out).classes == ("square",)
    assert result.scores["val"].accuracy == 1


def test_a_picture_counts_as_what_covers_most_of_it(tmp_path: Path) -> None:
    draw(tmp_path / "in", 3)
    lines = [
        "in/0.png,a,0,0,10,10",
        "in/0.png,b,0,0,8,8",
        "in/0.png,b,20,20,28,28",
        "in/1.png,c,0,0,9,9",
        "in/2.png,a,1,1,2,2",
    ]
    data = box_data.find(tmp_path, write(tmp_path / "boxes.csv", lines), None)
    assert data.classes == ("a", "b", "c")
    assert [(item.name, item.label) for item in data.splits["train"]] == [
        ("in/0.png", 1),
        ("in/1.png", 2),
        ("in/2.png", 0),
    ]
    assert data.splits["train"][0].boxes == ((0, 0, 0, 10, 10), (1, 0, 0, 8, 8), (1, 20, 20, 28, 28))


def test_pictures_without_boxes(make: Make, squares: Path) -> None:
    with pytest.raises(
        DataError, match=r"12 of 72 pictures have no box in .*train/48\.png, .* and 2 more\. .*--background NAME"
    ):
        train(make(background=None))
    with pytest.raises(DataError, match="background: 'square' has boxes"):
        train(make(background="square"))
    named = {line.split(",")[0] for line in (squares / "boxes.csv").read_text().splitlines()}
    for path in squares.rglob("*.png"):
        if path.relative_to(squares).as_posix() not in named:
            path.unlink()
    with pytest.raises(DataError, match=r"every picture in .* has boxes in .*: leave --background out"):
        train(make())


def test_a_split_without_boxes(make: Make, squares: Path) -> None:
    file = squares / "boxes.csv"
    write(file, [line for line in file.read_text().splitlines()[1:] if line.startswith("train")])
    with pytest.raises(DataError, match="no picture in val has a box"):
        train(make())


def test_wrong_boxes_are_found_before_any_training(make: Make, squares: Path) -> None:
    file = squares / "boxes.csv"
    with file.open("a") as stream:
        stream.write("train/0.png,square,10,10,5,20\ntrain/nowhere.png,square,1,1,2,2\n")
    with pytest.raises(DataError, match=r"line \d+: the box \(10, 10, 5, 20\) .*\n.* no file train/nowhere\.png"):
        train(make())


@pytest.mark.parametrize("setting", [{"paste": 0.5}, {"local": 1.0}, {"paste_from": ("a",)}])
def test_settings_that_do_not_go_together(make: Make, setting: dict[str, object]) -> None:
    with pytest.raises(TrainError, match="teach where to look without boxes"):
        make(**setting)


def test_losses_have_names(make: Make) -> None:
    with pytest.raises(TrainError, match="box_loss is one of giou, smooth-l1, not 'iou'"):
        make(box_loss="iou")


def test_the_command(squares: Path, tmp_path: Path) -> None:
    options = "--arch test_resnet.r160_in1k --scratch --size 64 --output-stride 16 --epochs 1 --batch 8 --workers 0"
    given = f"--boxes {squares / 'boxes.csv'} --box-loss smooth-l1 --background nothing"
    arguments = ["train", str(squares), "--out", str(tmp_path / "run"), *options.split(), *given.split()]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert "val: boxes: average precision" in result.stdout
    config = TrainConfig.from_dict(json.loads((tmp_path / "run" / "config.json").read_text())["settings"])
    assert (config.boxes, config.box_loss) == (str((squares / "boxes.csv").resolve()), "smooth-l1")
    assert CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run")]).exit_code == 0
    assert CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run"), "--boxes", "b.csv"]).exit_code == 2
