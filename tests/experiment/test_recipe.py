"""A recipe becomes runs, and what is wrong with it is said before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from whylight.errors import TrainError
from whylight.experiment import plan, read, shipped
from whylight.experiment.recipe import setting


def test_every_combination_and_seed_is_a_run(recipe: Path, tree: Path, tmp_path: Path) -> None:
    runs = plan(read(recipe), tree, tmp_path / "out")
    assert [(one.arm.name, one.seed) for one in runs] == [
        (name, seed) for seed in (0, 1) for name in ("0.003, true", "0.003, wrong", "0.005, true", "0.005, wrong")
    ]
    assert len({one.folder for one in runs}) == 8
    wrong = runs[3].config
    assert (wrong.lr, wrong.label_noise, wrong.seed, wrong.epochs) == (0.005, 16, 0, 8)
    assert runs[0].config.label_noise == 0


@pytest.mark.parametrize("name", shipped())
def test_those_that_ship_can_be_read(name: str, tmp_path: Path) -> None:
    recipe = read(name)
    assert recipe.title
    assert recipe.question.endswith("?")
    assert len(recipe.seeds) >= 3
    assert len(recipe.arms) >= 4
    for one in plan(recipe, tmp_path, tmp_path):
        assert one.config.pretrained or one.config.scratch
    weights = recipe.with_weights(str(tmp_path / "w.pth"))
    for one in plan(weights, tmp_path, tmp_path):
        assert one.config.scratch or one.config.weights == str(tmp_path / "w.pth")


def test_what_ships_is_what_the_issue_of_experiments_needs() -> None:
    assert {"noise", "pretrained", "balance", "unfreeze", "augmentation", "backbones"} <= set(shipped())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 8", "epoch = 8", "unknown setting 'epoch'; did you mean epochs?"),
        ("[measure]", "[mesure]", "unknown key 'mesure'; did you mean measure?"),
        ("mistakes = 3", "mistake = 3", r"unknown key of \[measure\] 'mistake'; did you mean mistakes?"),
        (
            "label_noise = 16",
            "label_nose = 16",
            "unknown setting of level 'wrong' 'label_nose'; did you mean label_noise?",
        ),
        ('setting = "lr"', 'setting = "rate"', "unknown setting 'rate'"),
        ('name = "labels"', 'named = "labels"', r"unknown key of \[\[factor\]\] 'named'; did you mean name?"),
        ("[0, 1]", "[0, 0]", "seeds: one comes twice"),
        ("[0, 1]", '"three"', "seeds: expected a list of whole numbers"),
        ("[0.003, 0.005]", "[0.003]", "a factor needs levels, two at least"),
        ('"wrong"', '"true"', r"two runs would go into one folder \(0.003_true, 0.005_true\)"),
        ("scratch = true", "", "0.003, true: say where the weights start"),
        ("batch = 8", "batch = 0", "0.003, true: batch must be at least 1"),
        ("title =", "title", "this is no TOML"),
    ],
)
def test_what_is_wrong_is_named(recipe: Path, old: str, new: str, said: str) -> None:
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(TrainError, match=rf"recipe.toml: .*{said}"):
        read(recipe)


def test_no_such_recipe(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"nose: no such recipe; these ship: augmentation, .*noise"):
        read("nose")
    with pytest.raises(TrainError, match=r"mine.toml: no recipe can be read there"):
        read(tmp_path / "mine.toml")


def test_a_setting_as_it_is_typed() -> None:
    assert setting("lr=0.1") == ("lr", 0.1)
    assert setting("augment=false") == ("augment", False)
    assert setting("arch=torchvision/resnet18") == ("arch", "torchvision/resnet18")
    with pytest.raises(TrainError, match=r"unknown setting 'epocs'; did you mean epochs\?"):
        setting("epocs=3")
    with pytest.raises(TrainError, match="KEY=VALUE"):
        setting("epochs")
