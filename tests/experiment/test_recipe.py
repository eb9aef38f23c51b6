"""A recipe becomes runs, and what is wrong with it is said before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from whylight.errors import TrainError
from whylight.experiment import plan, read, shipped
from whylight.experiment.reading import setting
from whylight.experiment.recipe import Factor, Level


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
    with pytest.raises(TrainError, match=r"w.pth: no such file"):
        recipe.with_weights(str(tmp_path / "w.pth"))
    (tmp_path / "w.pth").touch()
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
        ("epochs = 8", "epochs = 2.5", "epochs = 2.5: expected int"),
        ("augment = false", 'augment = "no"', "augment = 'no': expected bool"),
        ("label_noise = 16", 'label_noise = "10%"', "label_noise = '10%': expected float"),
        ("label_noise = 16", "lr = 0.1", "lr: the levels of 'lr' and of 'labels' both set it"),
        ("[settings]", "[settings]\nseed = 1", r"unknown setting 'seed'; did you mean seeds\?"),
        ("mistakes = 3", 'mistakes = "8"', "measure: mistakes = '8': expected int"),
        ('"gradcam"', '"gradcan"', r"measure: unknown method 'gradcan'; did you mean gradcam\?"),
        ("test_resnet.r160_in1k", "resnet1888", "no architecture is called 'resnet1888'"),
        ("scratch = true", 'weights = "no.pth"', "weights: no.pth: no such file"),
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


def test_scratch_stays_scratch_when_weights_stand_in(recipe: Path, tree: Path, tmp_path: Path) -> None:
    text = recipe.read_text().replace("scratch = true", "pretrained = true")
    recipe.write_text(text.replace("label_noise = 16", "pretrained = false, scratch = true"))
    (tmp_path / "w.pth").touch()
    runs = plan(read(recipe).with_weights(str(tmp_path / "w.pth")), tree, tmp_path / "out")
    starts = {one.arm.levels[1]: (one.config.weights, one.config.scratch, one.config.pretrained) for one in runs}
    assert starts == {"true": (str(tmp_path / "w.pth"), False, False), "wrong": (None, True, False)}
    recipe.write_text(text.replace("pretrained = true", "scratch = true"))
    with pytest.raises(TrainError, match="none of the recipe's arms starts from pretrained weights"):
        read(recipe).with_weights(str(tmp_path / "w.pth"))


def test_what_is_set_for_every_run_is(recipe: Path) -> None:
    changed = read(recipe).with_settings({"epochs": 3, "unfreeze": "all"})
    assert {(arm.settings["epochs"], arm.settings["unfreeze"]) for arm in changed.arms} == {(3, "all")}
    assert changed.config(changed.arms[0], 0, "d", "o", "cpu").unfreeze is None
    with pytest.raises(TrainError, match="--set lr: the levels of 'lr' set it"):
        read(recipe).with_settings({"lr": 0.1})
    with pytest.raises(TrainError, match="epochs = 'abc': expected int"):
        read(recipe).with_settings({"epochs": "abc"})


def test_more_seeds_and_fewer(recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("[0, 1]", "[10, 1]"))
    assert [read(recipe).with_seeds(n).seeds for n in (1, 2, 4)] == [(10,), (10, 1), (10, 1, 0, 2)]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(["0 %", "4 %"], [0, 4]), (["0.1", "1e-05"], [0.1, 1e-5]), (["1.0", "1.0.1"], None), (["a", "2"], None)],
)
def test_levels_that_are_numbers(names: list[str], numbers: list[float] | None) -> None:
    assert Factor("f", tuple(Level(name, {}) for name in names)).numbers == numbers
