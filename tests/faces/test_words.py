"""Sentences that are never more certain than the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whylight.errors import WhylightError
from whylight.faces.scores import PartScore
from whylight.faces.words import LANGUAGES, Facts, languages, read, say


def part(name: str, score: float = 0.7, share: float = 0.2, lift: float = 3.0) -> PartScore:
    return PartScore(name, score, share, lift, "geometry")


EYE, NOSE, HAIR = part("right_eye"), part("nose", 0.6), part("hair", 0.2, 0.1, 0.4)
FACTS = Facts(
    name="Ada",
    score=0.97,
    measure="probability",
    scores=[EYE, NOSE, HAIR],
    significant=[EYE, NOSE],
    off_face=0.1,
)


def test_name_features_and_nothing_more() -> None:
    assert (
        say(FACTS) == "The model names Ada (probability 97 %). The model looked mainly at the right eye and the nose."
    )


def test_left_and_right_become_both() -> None:
    facts = replace(FACTS, significant=[EYE, NOSE, part("left_eye"), part("mouth")])
    assert "at both eyes, the nose and the mouth." in say(facts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score": 0.31}, "best guess is Ada, but it is unsure (probability 31 %)"),
        ({"score": 0.99996}, "(probability 99.9 %)"),
        ({"measure": "similarity", "score": 0.7}, "no limit for strangers"),
        (
            {"measure": "similarity", "score": 0.7, "limit": 0.45},
            "nearest in the gallery is Ada (similarity 0.70, above",
        ),
        (
            {"measure": "similarity", "score": 0.3, "limit": 0.45},
            "Nobody in the gallery is alike enough: the nearest is Ada",
        ),
        ({"measure": "similarity", "score": 0.4499, "limit": 0.45}, "similarity 0.4499, below the limit of 0.4500"),
        ({"measure": "pair", "score": 0.7}, "The two faces have a similarity of 0.70."),
        ({"measure": "face", "score": 0.9}, "There is a face"),
        ({"measure": "face", "score": 0.2}, "doubts that this is a face"),
        ({"other": "Bob"}, "What speaks for Ada rather than Bob is mainly the right eye and the nose."),
        ({"cut": True}, "Part of the face lies outside the picture"),
        ({"off_face": 0.62}, "Most of the evidence (62 %) lies outside the face: treat this with care."),
        ({"significant": [part("nose", lift=1.2)]}, "spread over the whole face"),
        ({"significant": []}, "No single facial feature stands out; the map is strongest on the right eye."),
        ({"blank": True, "significant": []}, "the map is empty"),
        ({"of_identity": False}, "not that of a network trained to tell people apart"),
    ],
)
def test_what_is_said_when(changes: dict[str, object], said: str) -> None:
    assert said in say(replace(FACTS, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", languages())
def test_every_language_says_everything(language: str) -> None:
    for measure in ("face", "probability", "similarity", "pair"):
        for changes in ({}, {"other": "Bob"}, {"significant": []}, {"off_face": 0.9}, {"score": 0.1}, {"limit": 0.5}):
            text = say(replace(FACTS, measure=measure, **changes), language)  # type: ignore[arg-type]
            assert 1 <= text.count(".") - text.count("0.") - text.count("1.") <= 3 or text.endswith(".")
            assert "{" not in text


def test_a_language_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "xx.toml"
    english = (LANGUAGES / "en.toml").read_text(encoding="utf-8")
    file.write_text(english.replace("The model names {name}", "It is {name}"), encoding="utf-8")
    assert say(FACTS, str(file)).startswith("It is Ada (probability 97 %).")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('nose = "the nose"', "", "parts.nose is missing"),
        ("names {name} (probability {score})", "names {nam}", "who.probable must have the places name, score"),
        ("[care]", "oops = [", "no language file"),
        ('language = "English"', 'language = "English"\nmore_words = "x"', "more_words is no key"),
    ],
)
def test_a_broken_language_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "xx.toml"
    file.write_text((LANGUAGES / "en.toml").read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(WhylightError, match=said):
        read(str(file))


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(WhylightError, match="there is no 'tlh'; choose de, en"):
        read("tlh")
    with pytest.raises(WhylightError, match="there is no"):
        read("../languages/en")
