"""Maps in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from whylight.web.tasks import choices, describing, questions, results
from whylight.web.tasks.questions import Explain, Locate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def test_where_the_evidence_lies_is_counted_by_parts_of_the_picture(made: Any) -> None:
    heat = np.zeros((6, 6))
    heat[0, 0] = heat[1, 1] = 3.0  # upper left: cells 0 and 1 of 6
    heat[5, 3] = 2.0
    heat[2, 2] = -5.0  # evidence against is none for it
    shares = describing.shares(results.read(made(heat)), 0)
    assert shares[:2] == [("upper left", 0.75), ("lower middle", 0.25)]
    assert sum(share for _, share in shares) == 1


def test_a_map_in_words(made: Any) -> None:
    told = describing.facts(results.read(made(np.eye(3))), 0)
    assert told[0] == "Class: face."
    assert "The strongest evidence is at x=256, y=100 of 512 × 512 pixels: upper middle." in told
    assert "Of all the evidence, by parts of the picture: 33 % upper left; 33 % centre; 33 % lower right." in told
    assert "Places with at least half of the strongest evidence cover 33 % of what the model saw." in told


def test_how_far_a_map_reaches_is_told_in_its_own_units(made: Any) -> None:
    assert describing.reach(results.read(made(4 * np.eye(3))), 0) == 4.0
    assert describing.reach(results.read(made(4 * np.eye(3) - 9, question=Explain(method="cam"))), 0) == 0.0


@pytest.mark.parametrize(
    ("told", "tone"),
    [
        ({"holds": True, "percentile": 99.0, "survives": True}, "good"),
        ({"holds": True, "percentile": 99.0, "survives": None}, "good"),
        ({"holds": False, "percentile": 60.0, "survives": True}, "bad"),
        ({"holds": False, "percentile": 99.0, "survives": False}, "bad"),
        ({"holds": None, "percentile": None, "survives": None}, ""),
        ({"holds": False, "percentile": None, "survives": None}, ""),
    ],
)
def test_the_verdict_of_a_receipt(told: dict[str, Any], tone: str) -> None:
    verdict, found = describing.receipt(told)
    assert found == tone
    assert verdict.endswith(".")


def test_classes_on_offer_are_the_most_probable_first_and_say_which_are_here(made: Any) -> None:
    both = results.read(made(np.eye(3), np.eye(3)))
    assert [(one.label, one.sure, one.place) for one in choices.classes(both)] == [
        ("face", "90.0 %", 0),
        ("no face", "10.0 %", 1),
    ]
    one = results.read(made(np.eye(3), question=Explain(method="rise", target="face")))
    assert [(one.label, one.place) for one in choices.classes(one)] == [("face", 0), ("no face", None)]


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (Explain(), "top2"),
        (Explain(method="rise"), ""),
        (Explain(target="face"), "face"),
        (Explain(verify=True), ""),
        (Locate(), ""),
    ],
)
def test_a_page_asks_a_quick_method_about_the_top_classes_at_once(asked: Any, target: str) -> None:
    assert questions.widened(asked).target == target  # type: ignore[union-attr]
