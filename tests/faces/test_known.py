"""What a similarity means: measured once for the networks that are known, and a floor under thresholds chosen on few pictures."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.evaluate.bootstrap import rate
from whylight.faces.embed import load_embedder
from whylight.faces.people.known import NAMED, SHARES, Known, known
from whylight.faces.people.scores import Scores, leave_one_out
from whylight.faces.people.threshold import FEW_PEOPLE, FEW_PICTURES, calibrate


@pytest.fixture
def measured() -> Known:
    steps = tuple(one / 20 for one in range(len(SHARES)))
    return Known("a network", steps, steps, steps, (10, 100), 1000)


def test_what_is_kept_is_read_back_as_it_was_measured(measured: Known) -> None:
    for similarity, share in zip(measured.strangers, SHARES, strict=True):
        assert measured.reached(similarity) == pytest.approx(share)
        assert measured.pair(similarity) == pytest.approx((share, share))
    assert measured.reached(0.425) == pytest.approx((0.05 * 0.02) ** 0.5)  # half way, on a logarithmic scale
    assert measured.reached(-1) == pytest.approx(SHARES[0])
    assert measured.reached(2) == pytest.approx(SHARES[-1])


@pytest.mark.parametrize("people", [1, 2, 10, 100])
def test_the_floor_names_one_stranger_in_twenty(measured: Known, people: int) -> None:
    assert measured.reached(measured.floor(people), people) == pytest.approx(NAMED, rel=0.03)


def test_the_bundled_network_was_measured() -> None:
    there = known(load_embedder("face", device="cpu").fingerprint)
    assert there is not None
    assert list(there.strangers) == sorted(there.strangers)
    assert len(there.same) == len(there.different) == len(there.strangers) == len(SHARES)
    same, different = there.pair(there.same[5])  # half of the pairs of one person are so alike
    assert same == pytest.approx(0.5, abs=0.01)
    assert different < same
    assert known("0" * 64) is None


def test_a_floor_lifts_a_threshold_that_the_gallerys_own_pictures_leave_low() -> None:
    scores = Scores(np.array([0.5, 0.6, 0.7]), np.array([0.0, 0.1, -0.1]))
    low = calibrate(scores, people=3, state="")
    assert low.aim == "false_rejects"
    high = calibrate(scores, people=3, state="", floor=0.65)
    assert (high.threshold, high.aim, high.allowed) == (0.65, "strangers", NAMED)
    assert (high.false_rejects, high.false_accepts) == (pytest.approx(2 / 3), 0.0)
    assert calibrate(scores, people=3, state="", floor=0.2) == low
    asked = calibrate(scores, people=3, state="", false_rejects=0.0, floor=0.65)  # who asks for a share gets it
    assert asked.threshold < 0.5


def test_none_of_few_is_not_none() -> None:
    scores = Scores(np.full(23, 0.9), np.full(23, 0.1))
    made = calibrate(scores, people=3, state="")
    assert made.false_accepts == 0
    assert made.accepts_up_to == pytest.approx((rate([False] * 23).high or 0) / 100)
    assert 0.14 < (made.accepts_up_to or 0) < 0.15
    assert "takes 0.0% for somebody (up to 14." in str(made)
    assert "unknown (up to 14." in str(made)
    one = calibrate(
        scores._replace(impostor_of=np.zeros(23, np.int32) + np.arange(23, dtype=np.int32) % 3), people=3, state=""
    )
    assert (one.accepts_up_to or 0) > (made.accepts_up_to or 0)  # of three people, however many pictures


def test_whose_pictures_are_asked_is_told_beside_them() -> None:
    rows = np.eye(4, 8, dtype=np.float32)
    owners = np.array([0, 0, 1, 2], np.int32)
    scores = leave_one_out(rows, owners, 3)
    assert scores.genuine_of is not None
    assert scores.genuine_of.tolist() == [0, 0]
    assert scores.impostor_of is not None
    assert scores.impostor_of.tolist() == owners.tolist()
    assert len(scores.impostor) == 4


def test_little_is_said_to_be_little() -> None:
    from dataclasses import replace

    made = calibrate(Scores(np.full(9, 0.9), np.full(9, 0.1)), people=3, state="")
    few = replace(made, fewest=2)
    assert few.caution.startswith("with 3 people, of whom somebody has 2 pictures, these shares tell little")
    assert replace(made, people=FEW_PEOPLE, fewest=FEW_PICTURES).caution == ""
