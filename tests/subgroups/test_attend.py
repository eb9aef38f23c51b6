"""Groups held against each other, from answers that are there: what was planted is found, and what tells nothing is refused."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.errors import DataError
from whylight.subgroups.looking.frame import NONE, SIDE
from whylight.subgroups.looking.looked import Looked
from whylight.subgroups.report import panels
from whylight.subgroups.report.figures import maps
from whylight.subgroups.run import attend
from whylight.subgroups.telling.looks import sentences


def simulated(n: int = 400) -> tuple[Looked, list[str], list[str]]:
    """Answers about faces: of the old, whose maps lie on the mouth, more are wrong, and only while the mouth is seen."""
    rng = np.random.default_rng(0)
    age = np.where(np.arange(n) % 2 == 0, "old", "young")
    label = rng.integers(0, 2, n)
    old = age == "old"
    wrong = rng.random(n) < np.where(old, 0.3, 0.05)
    calm = rng.random(n) < 0.05
    answer, hidden = np.where(wrong, 1 - label, label), np.where(calm, 1 - label, label)
    logits, uncovered = (
        np.stack([1 - 2 * said, 2 * said - 1], 1) * rng.uniform(0.5, 3, (n, 1)) for said in (answer, hidden)
    )
    maps = rng.random((n, SIDE, SIDE)) + 0.5
    maps[np.ix_(old, range(38, 44), range(20, 36))] *= 3
    maps[0] = np.nan
    mouth = np.where(old, 0.3, 0.1) + 0.02 * rng.normal(size=n)
    features = rng.normal(size=(n, 12))
    features[old & wrong, 3] += 3
    there = np.ones(n, bool)
    there[5] = False
    found = Looked(
        [Path(f"{i}.jpg") for i in range(n)],
        there,
        np.where(there[:, None], logits, np.nan),
        np.where(there, answer, -1),
        answer,
        np.where(there[:, None], features, np.nan),
        maps,
        np.full((n, SIDE, SIDE), NONE, np.uint8),
        {"mouth": np.where(there, mouth, np.nan)},
        np.ones(n),
        np.full((n, 2, 3), np.nan),
        ["eyes" if one else "" for one in there],
        covered={("mouth", "here"): uncovered, ("mouth", "elsewhere"): logits},
        judged={"insertion": np.where(np.arange(n) < 100, rng.random(n), np.nan)},
        classes=("woman", "man"),
        told={"fill": "mean"},
    )
    return found, age.tolist(), [("woman", "man")[one] for one in label]


def test_groups_are_held_against_each_other() -> None:
    found, age, label = simulated()
    rng = np.random.default_rng(1)
    town = [("a", "b", "c", "")[i] for i in rng.integers(0, 4, len(age))]
    label[7] = ""
    told = attend(found, groups={"age": age, "town": town}, label=label, draws=200)
    assert list(told.member) == ["age=old", "age=young", "town=a", "town=b", "town=c"]
    assert [pair.names for pair in told.pairs][:2] == [("age=old", "age=young"), ("town=a", "all others")]
    first = told.pairs[0]
    assert first.difference is not None
    assert first.difference.significant[40, 25]
    assert first.difference.map[40, 25] > 0
    (mouth,) = first.covered
    assert mouth.closes
    assert mouth.pictures == len(age) - 2
    assert not first.elsewhere[0].closes
    parts = {(one.what, one.group): one for one in told.parts}
    assert parts["mouth", "age=old"].p is not None
    assert parts["mouth", "age=old"].p < 0.001
    assert parts["mouth", "town=a"].p is not None
    assert parts["mouth", "town=a"].p > 0.05
    assert told.faithful[0].mean is not None
    assert told.faithful[0].mean.n == 50
    assert told.discovery is not None
    assert told.middle is not None
    assert told.middle.temperature != 1
    kept = json.loads(json.dumps(told.to_json()))
    assert kept["aligned"] == {"eyes": len(age) - 1, "no answer": 1}
    assert kept["pairs"][0]["covered"][0]["closes"] is True
    assert kept["maps"][0] == {"group": "everybody", "n": len(age) - 2, "without evidence": 2}
    assert told.arrays()["mean: everybody"].shape == (SIDE, SIDE)
    drawn = dict(maps(told, 1))
    assert {"mean map everybody", "mean map age=old", "difference age=old less age=young"} <= set(drawn)
    with Image.open(io.BytesIO(drawn["difference age=old less age=young"])) as picture:
        red, _, blue = np.asarray(picture.convert("RGB")).reshape(SIDE, 8, SIDE, 8, 3)[40, 3, 25, 3].tolist()
    assert red > blue  # more of the evidence of the first group
    assert not dict(maps(told, len(age) + 1))
    said = "\n".join(sentences(told, 1))
    assert "mean maps differ beyond chance between age=old and age=young in " in said
    assert re.search(r"closes the gap in accuracy: mouth for age=old against age=young \([-+0-9.]+ to", said)
    assert "Groups nobody named: " in said
    assert not any("age=old" in one for one in sentences(told, len(age) + 1))
    page = "".join(panels.attention(told, 1))
    assert page.count("difference of the two mean maps") == 1 + sum(pair.difference is not None for pair in told.pairs)
    assert "more for the uncertain middle" in page
    less = told.without({"town=a"})
    assert "town=a" in json.dumps(told.to_json())
    assert "town=a" not in json.dumps(less.to_json())
    assert "town=b" in json.dumps(less.to_json())
    assert not any("town=a" in name for name in less.arrays())


def test_a_gallery_shows_the_frame_that_maps_lie_on(tmp_path: Path) -> None:
    found, age, label = simulated(60)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, 100:] = 0, 0, 255  # its right half is blue
    Image.fromarray(picture).save(tmp_path / "two.png")
    right = np.array([[100 / SIDE, 0, 100], [0, 100 / SIDE, 0]])
    n = len(age)
    found = replace(
        found,
        paths=[tmp_path / "two.png"] * n,
        maps=np.full((n, SIDE, SIDE), np.nan),
        matrices=np.tile(right, (n, 1, 1)),
    )
    page = "".join(panels.attention(attend(found, groups={"age": age}, label=label, draws=50), 1))
    with Image.open(io.BytesIO(base64.b64decode(re.findall(r"data:image/webp;base64,([^\"]+)", page)[0]))) as shown:
        pixels = np.asarray(shown.convert("RGB"), np.float64)
    assert pixels.shape == (panels.LONGEST, panels.LONGEST, 3)
    assert pixels[..., 2].min() > 150
    assert pixels[..., :2].max() < 80
    assert re.search("said: (woman|man); labelled: (woman|man)<", page)


def test_without_labels_nothing_is_said_of_mistakes() -> None:
    found, age, _ = simulated(60)
    told = attend(found, groups={"age": age}, draws=50)
    assert told.discovery is None
    assert told.pairs[0].covered == []
    assert told.middle is not None
    assert told.middle.right is None


def test_groups_that_tell_nothing_are_refused() -> None:
    found, age, label = simulated(60)
    with pytest.raises(DataError, match="'age' has 3 values"):
        attend(found, groups={"age": age[:3]})
    with pytest.raises(DataError, match="'x' has 1 value"):
        attend(found, groups={"x": ["a"] * 60})
    with pytest.raises(DataError, match="at least one column"):
        attend(found, groups={})
    with pytest.raises(DataError, match="label: expected one"):
        attend(found, groups={"age": age}, label=label[:5])
    few = attend(found, groups={"rare": ["yes"] * 3 + ["no"] * 57}, draws=50)
    assert few.pairs[0].difference is None
    assert "too few" in few.pairs[0].why_not
