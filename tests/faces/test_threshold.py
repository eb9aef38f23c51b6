"""Thresholds of galleries do what they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from galleries import some
from whylight.errors import WhylightError
from whylight.faces.embed import Embedder
from whylight.faces.gallery import Gallery
from whylight.faces.people.scores import Scores, growth, leave_one_out
from whylight.faces.people.threshold import calibrate


def test_every_picture_is_left_out_of_its_own_template() -> None:
    z, owners = some(9, 5), np.array([0, 0, 0, 1, 2, 2, 1, 0, 3], np.int32)
    z[:, 0] += 1.5  # all alike in something, as faces are
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    pairs = [z[i] @ z[j] for i in range(9) for j in range(9) if i != j and owners[i] == owners[j]]
    alike = float(np.mean(pairs, dtype=float))
    assert 0.3 < alike < 0.9
    genuine, impostor = [], []
    for i in range(9):
        best = -2.0
        for person in range(4):
            rows = [z[j].astype(float) for j in range(9) if owners[j] == person and j != i]
            if person == owners[i] and rows:
                n = len(rows) + 1
                grown = math.sqrt(n / (n - 1) * (1 + (n - 2) * alike) / (1 + (n - 1) * alike))
                genuine.append(min(1, grown * sum(rows) @ z[i] / np.linalg.norm(sum(rows))))
            if person != owners[i]:
                best = max(best, float(sum(rows) @ z[i] / np.linalg.norm(sum(rows))))
        impostor.append(best)
    scores = leave_one_out(z, owners, 4)
    assert scores.genuine == pytest.approx(np.array(genuine))
    assert scores.impostor == pytest.approx(np.array(impostor))


def test_templates_of_more_pictures_are_nearer() -> None:
    """The correction against what is drawn: pictures that all have the same similarity to each other on average."""
    random = np.random.default_rng(0)
    people, dimension = 3000, 64
    centres = random.normal(size=(people, 1, dimension))
    pictures = centres + random.normal(size=(people, 4, dimension))
    pictures /= np.linalg.norm(pictures, axis=2, keepdims=True)
    alike = float((pictures[:, 0] * pictures[:, 1]).sum(1).mean())
    query, f = pictures[:, 3], []
    for n in (1, 2, 3):
        mean = pictures[:, :n].sum(1)
        f.append(((mean * query).sum(1) / np.linalg.norm(mean, axis=1)).mean())
    assert [f[1] / f[0], f[2] / f[1]] == pytest.approx(list(growth(np.array([2, 3]), alike)), abs=0.01)


def test_the_threshold_keeps_its_promise() -> None:
    genuine, impostor = np.arange(1, 101) / 100, np.arange(1, 51) / 100 - 0.002
    made = calibrate(Scores(genuine, impostor), people=9, state="", false_rejects=0.05)
    assert made.threshold == pytest.approx((0.06 + 0.058) / 2)  # the middle between 0.06 and the impostor below
    assert (made.false_rejects, made.false_accepts) == (0.05, 44 / 50)
    made = calibrate(Scores(genuine, impostor), people=9, state="", false_accepts=0.1)
    assert made.threshold == pytest.approx((0.448 + 0.45) / 2)
    assert (made.false_rejects, made.false_accepts) == (0.44, 0.1)
    none = calibrate(Scores(genuine, impostor), people=9, state="", false_accepts=0)
    assert (none.threshold, none.false_accepts) == (pytest.approx((0.498 + 0.5) / 2), 0)
    nobody = calibrate(Scores(genuine, np.zeros(0)), people=1, state="", false_rejects=0.05)
    assert (nobody.threshold, nobody.false_rejects, nobody.false_accepts) == (0.06, 0.05, None)
    alone = calibrate(Scores(np.zeros(0), impostor), people=9, state="", false_accepts=0.1)
    assert (alone.threshold, alone.false_rejects) == (math.nextafter(0.45 - 0.002, 2), None)
    apart = calibrate(Scores(np.array([0.5, 0.6, 0.9]), np.array([0.1, 0.2])), people=9, state="", false_rejects=0.4)
    assert (apart.threshold, apart.false_rejects) == (0.4, 0)  # fewer than allowed, where strangers are far away
    tied = calibrate(Scores(np.array([0.5, 0.5, 0.5, 0.9]), np.array([0.6])), people=9, state="", false_rejects=0.5)
    assert (tied.threshold, tied.false_rejects) == (0.5, 0)
    for wrong in ({"false_rejects": 1.0}, {"false_accepts": -0.1}, {"false_rejects": 0.1, "false_accepts": 0.1}):
        with pytest.raises(WhylightError, match="calibrate: "):
            calibrate(Scores(genuine, impostor), people=9, state="", **wrong)


def test_a_gallery_keeps_its_threshold_and_knows_when_it_is_old(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    assert (gallery.threshold, gallery.is_calibrated) == (None, False)
    gallery.add_all({name: some(4, seed=seed) for seed, name in enumerate("abc")})
    made = gallery.calibrate(false_rejects=0.25)
    again = Gallery.open(tmp_path)
    assert again.calibration == made == gallery.calibration
    assert (again.threshold, again.is_calibrated, made.genuine, made.impostor) == (made.threshold, True, 12, 12)
    again.add("d", some(1, seed=9))
    assert (again.threshold, again.is_calibrated) == (made.threshold, False)


def test_honest_about_what_too_few_pictures_cannot_tell(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    with pytest.raises(WhylightError, match="false accepts cannot be counted"):
        gallery.calibrate()
    gallery.add("a", some(1))
    with pytest.raises(WhylightError, match="nobody in the gallery has two pictures"):
        gallery.calibrate(false_rejects=0.05)
    with pytest.raises(WhylightError, match="a gallery of one person"):
        gallery.calibrate(false_accepts=0.05)
    gallery.add("b", some(1, seed=1))
    made = gallery.calibrate()
    assert (made.aim, made.false_rejects, made.false_accepts, made.genuine) == ("false_accepts", None, 0, 0)
    assert "is not known, since nobody has two pictures" in str(made)
    gallery.remove("b")
    gallery.add("a", some(2, seed=2))
    made = gallery.calibrate()
    assert (made.aim, made.false_accepts, made.impostor) == ("false_rejects", None, 0)
    assert "is not known, since only one person is enrolled" in str(made)


def test_without_a_wish_strangers_are_rather_called_unknown() -> None:
    genuine, impostor = np.linspace(0.3, 0.9, 100), np.linspace(0.0, 0.5, 100)
    plain = calibrate(Scores(genuine, np.linspace(0.0, 0.2, 100)), people=9, state="")
    assert (plain.aim, plain.allowed) == ("false_rejects", 0.05)
    capped = calibrate(Scores(genuine, impostor), people=9, state="")  # at 5 % false rejects a third would get a name
    assert (capped.aim, capped.allowed) == ("false_accepts", 0.1)
    assert capped.false_accepts is not None
    assert capped.false_accepts <= 0.1
    assert capped.false_rejects is not None
    assert capped.false_rejects > 0.05
