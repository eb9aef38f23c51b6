"""A class is found under every name people give it, the same everywhere; what is near it shares words, not letters."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from whylight.errors import DataError, TargetError
from whylight.evaluate.data import read
from whylight.evaluate.labels import Labels
from whylight.targets import difference, resolve
from whylight.targets.names import index_of
from whylight.targets.near import classes_near
from whylight.targets.wordnet import ids_in_order, words_of


@pytest.fixture(scope="module")
def imagenet() -> tuple[str, ...]:
    """The 1,000 names that torchvision's weights come with, and our zoo's models have."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("tabby", 281),
        ("Tabby", 281),
        ("tabby cat", 281),  # WordNet's other word
        ("TABBY_CAT", 281),
        ("n02123045", 281),
        ("N02123045", 281),
        ("n02123045 tabby", 281),
        ("n02123045-whatever", 281),  # as folders are called
        ("281", 281),
        ("0281", 281),
        ("Egyptian-cats", 285),
        ("golden_retriever", 207),
        ("GoldenRetriever", 207),
        ("siamese", 284),
        ("husky", 248),
        ("jack o lantern", 607),
        ("dog sled", 537),
        ("crane", 517),  # the whole name of one, the other is called crane bird
        ("n02012849", 134),
        ("sunglass", 836),
        ("sunglasses", 837),
    ],
)
def test_every_name_of_an_imagenet_class(name: str, index: int, imagenet: tuple[str, ...]) -> None:
    assert index_of(name, imagenet) == index
    assert Labels(imagenet).index(name) == index
    assert resolve(name, imagenet).index == index


def test_a_short_name_for_many_is_no_silent_choice(imagenet: tuple[str, ...]) -> None:
    with pytest.raises(TargetError) as caught:
        index_of("cat", imagenet)
    said = str(caught.value)
    near = "tabby (281); tiger cat (282); Persian cat (283); Siamese cat (284); Egyptian cat (285)"
    assert said.startswith(f"target 'cat' is no class of this model. Near it: {near}")
    assert not any(word in said for word in ("cart", "cauldron", "catamaran", "coat"))
    with pytest.raises(TargetError, match=r"Near it: Maltese dog .* more$"):
        resolve(difference("dog", "tabby"), imagenet)
    with pytest.raises(TargetError, match=r"sorrel \(339\)"):  # a horse by what it means alone
        index_of("horses", imagenet)


@pytest.mark.parametrize(
    ("slip", "first"),
    [("tabbby", "tabby (281)"), ("goldn retriever", "golden retriever (207)"), ("strwberry", "straw")],
)
def test_a_slip_comes_second(slip: str, first: str, imagenet: tuple[str, ...]) -> None:
    with pytest.raises(TargetError) as caught:
        index_of(slip, imagenet)
    assert f"Near it: {first}" in str(caught.value)


@pytest.mark.parametrize("name", ["unicorn", "labradoodle"])
def test_what_resembles_by_letters_alone_is_not_near(name: str, imagenet: tuple[str, ...]) -> None:
    with pytest.raises(TargetError, match="It has 1000: tench, goldfish"):
        index_of(name, imagenet)


def test_lists_of_numbers_of_imagenets_size() -> None:
    for classes in ([str(i) for i in range(1000)], [f"LABEL_{i}" for i in range(1000)]):
        assert index_of("tabby cat", classes) == index_of("n02123045", classes) == 281
    larger = [str(i) for i in range(11821)]
    place = (ids_in_order(11821) or ()).index("n02123045")
    assert index_of("tabby cat", larger) == place
    with pytest.raises(TargetError, match=r"\d+ \(tabby, queen\), \d+ \(tabby, tabby cat\). Give the index"):
        index_of("tabby", larger)
    with pytest.raises(TargetError, match=r"names several classes: \d+ \(.*crane.*\), \d+ \(.*crane"):
        index_of("crane", [str(i) for i in range(1000)])


def test_a_list_of_another_thousand_is_not_imagenets() -> None:
    people = [f"{name} {family}" for name in ("Ada", "Bo") for family in range(500)]
    for name in ("n02123045", "tabby"):
        with pytest.raises(TargetError, match="is no class of this model"):
            index_of(name, people)


def test_ids_for_names_and_names_for_ids() -> None:
    ids, names = ["n02123045", "n02099601", "n01440764"], ["tench", "golden retriever", "tabby cat"]
    assert [index_of(one, names) for one in ids] == [2, 1, 0]
    assert [index_of(one, ids) for one in names] == [2, 1, 0]
    assert index_of("n02085620-Chihuahua", ["pug", "Chihuahua"]) == 1
    assert index_of("Tinca_tinca", ["dog", "n01440764 tench, Tinca tinca"]) == 1
    # A word for two things says nothing about which of them a class is.
    for crane in ("n02012849", "n03126707"):
        with pytest.raises(TargetError, match="Near it: crane"):
            index_of(crane, ["crane", "dog"])
    with pytest.raises(TargetError, match=r"target 'n02084071' \(dog, domestic dog, Canis familiaris\) is no class"):
        index_of("n02084071", ["cat", "tench"])


@pytest.mark.parametrize(
    ("name", "classes", "index"),
    [
        ("no_face", ["face", "no face"], 1),
        ("No-Faces", ["face", "no face"], 1),
        ("cafe\u0301", ["bar", "café"], 1),  # as macOS writes a folder's name
        ("1", ["2", "1", "0"], 1),  # names win over places
        ("2", ["a", "b", "c"], 2),
        ("cats", ["cat", "cats"], 1),
        ("Cat", ["cat", "cats"], 0),
        ("猫", ["犬", "猫"], 1),
        ("+", ["-", "+"], 1),
    ],
)
def test_names_of_any_model(name: str, classes: list[str], index: int) -> None:
    assert index_of(name, classes) == index


@pytest.mark.parametrize(
    ("name", "classes", "says"),
    [
        ("a_1", ["A-1", "a 1"], r"names several classes: 0 \(A-1\), 1 \(a 1\). Give the index"),
        ("crane", ["crane", "crane"], "names several classes"),
        ("", ["a", "b"], "It has 2: a, b"),
        ("?!", ["a", "b"], "It has 2: a, b"),
        ("3", ["a", "b"], "'3' is no class"),
        ("kat", ["cat", "dog"], r"Near it: cat \(0\)"),
    ],
)
def test_names_that_mean_none_or_several(name: str, classes: list[str], says: str) -> None:
    with pytest.raises(TargetError, match=says):
        index_of(name, classes)


def test_nearness_goes_by_words() -> None:
    names = [["catalogue"], ["cat flap"], ["tiger cat"], ["dog"]]
    assert classes_near("cat", names, ["", "", "", "a friend of cats"]) == [2, 1, 3]  # a cat, of a cat, about cats
    assert classes_near("of the", names, [""] * 4) == []


def test_words_of_ids() -> None:
    assert words_of("n02124075") == ("Egyptian cat",)
    assert words_of("nothing") == ()


def test_annotations_go_by_the_same_names(tmp_path: Path) -> None:
    """Folders by id for a model of names, folders of names for one of ids, and a CSV of all kinds."""
    for folder in ("n02123045", "n02099601-golden_retriever"):
        (tmp_path / "ids" / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "ids" / folder / "a.png")
    names = ("golden retriever", "tabby")
    assert {one.label for one in read(tmp_path / "ids", classes=names)} == set(names)
    for folder in ("tabby_cat", "Golden-Retriever"):
        (tmp_path / "names" / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "names" / folder / "a.png")
    ids = ("n02099601", "n02123045")
    assert {one.label for one in read(tmp_path / "names", classes=ids)} == set(ids)
    boxes = tmp_path / "boxes.csv"
    lines = [f"tabby_cat/a.png,{label},1,1,2,2" for label in ("Tabbies", "n02123045", "TABBY", "1")]
    boxes.write_text("\n".join(["file,label,x0,y0,x1,y1", *lines]))
    (one,) = read(tmp_path / "names", boxes, classes=names)
    assert (one.label, len(one.boxes)) == ("tabby", 4)
    boxes.write_text("file,label,x0,y0,x1,y1\ntabby_cat/a.png,retriever,1,1,2,2")
    with pytest.raises(
        DataError, match=r"label 'retriever' is no class of this model\. Near it: golden retriever \(0\)"
    ):
        read(tmp_path / "names", boxes, classes=names)
