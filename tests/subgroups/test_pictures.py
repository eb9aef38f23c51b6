"""A model asked about the pictures of a table, and the report of an audit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whylight
from whylight.errors import DataError
from whylight.models.zoo.bundled import file_of
from whylight.models.zoo.files import read_spec, save_weights

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def pictures(tmp_path: Path, photo: Path) -> dict[str, list[Any]]:
    """A table of a dozen pictures, crops of a photograph with a face and noise; two rows have no picture, one a broken one."""
    dice, table = np.random.default_rng(0), {"file": [], "there": [], "who": []}
    (tmp_path / "data").mkdir()
    with Image.open(photo) as opened:
        whole = opened.convert("RGB")
    for number in range(12):
        name, face = f"{number}.png", number % 2 == 0
        noise = Image.fromarray(dice.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        shown = whole.crop((150 + number, 20, 350 + number, 220)).resize((64, 64)) if face else noise
        shown.save(tmp_path / "data" / name)
        table["file"].append(name)
        table["there"].append("face" if face else "no face")
        table["who"].append("a" if number % 3 else HOSTILE)
    (tmp_path / "data" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for name in ("broken.png", "nowhere.png", "../outside.png"):
        table["file"].append(name)
        table["there"].append("face")
        table["who"].append("a")
    return table


def test_what_the_model_says_is_audited(pictures: dict[str, list[Any]], tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "label": "there", "groups": "who", "model": "face", "data": tmp_path / "data", "out": tmp_path / "out",
        "enough": 2,
    }  # fmt: skip
    found = whylight.audit(pictures, **asked)
    model = whylight.load("face", device="cpu")
    said = [whylight.explain(model, tmp_path / "data" / name).label for name in pictures["file"][:12]]
    right = [a == b for a, b in zip(said, pictures["there"], strict=False)]
    assert found.group()["n"] == 12
    assert found.group()["accuracy"] == pytest.approx(np.mean(right))
    assert {note.what: note.count for note in found.notes if note.what in ("unmatched", "unreadable")} == {
        "unmatched": 2, "unreadable": 1,
    }  # fmt: skip
    told = json.loads(found.to_json())
    assert told["attention"]["pictures"] == 13
    store = tmp_path / "out" / "looked" / "pictures.jsonl"
    before = store.read_bytes()
    assert whylight.audit(pictures, **asked).to_json() == found.to_json()  # nothing is asked again
    assert store.read_bytes() == before

    (page,) = [path for path in found.write(tmp_path / "report") if path.suffix == ".html"]
    drawn = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    assert {"mean_map_everybody.png", "mean_map_who_a.png"} <= drawn
    text = page.read_text(encoding="utf-8")
    assert "Where the model looks" in text
    assert text.count("data:image/png") >= 3
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r'(src|href)="(?!data:)', text)  # nothing is fetched


def test_two_models_on_the_same_pictures(pictures: dict[str, list[Any]], tmp_path: Path) -> None:
    other = whylight.load("face", device="cpu")
    state = {
        name: value.flip(0) if value.shape[:1] == (2,) else value for name, value in other.module.state_dict().items()
    }
    spec = read_spec(file_of("face") or "")
    other.module.load_state_dict(state)  # which says the opposite
    save_weights(tmp_path / "other.safetensors", other.module, spec)
    asked: dict[str, Any] = {
        "label": "there", "groups": "who", "model": "face", "data": tmp_path / "data", "out": tmp_path / "out",
        "looking": {"align": "none"}, "enough": 2,
    }  # fmt: skip
    found = whylight.audit(pictures, against=str(tmp_path / "other.safetensors"), **asked)
    assert (found.prediction, found.against) == (("face",), (str(tmp_path / "other.safetensors"),))
    model = whylight.load(tmp_path / "other.safetensors", device="cpu")
    said = [whylight.explain(model, tmp_path / "data" / name).label for name in pictures["file"][:12]]
    theirs = np.mean([a == b for a, b in zip(said, pictures["there"], strict=False)])
    assert found.group()["change"]["accuracy"] == pytest.approx(found.group()["accuracy"] - theirs)
    with pytest.raises(DataError, match="against: face is the model itself"):
        whylight.audit(pictures, against="face", **asked)
    with pytest.raises(DataError, match="against: person has other classes than face: "):
        whylight.audit(pictures, against="person", **asked)


def test_probabilities_where_a_class_is_the_positive_one(pictures: dict[str, list[Any]], tmp_path: Path) -> None:
    found = whylight.audit(
        pictures, label="there", groups="who", model="face", data=tmp_path / "data", out=tmp_path / "out", positive="face",
        looking={"align": "none"},
    )  # fmt: skip
    assert found.threshold == 0.5
    assert found.group()["calibration"]["value"] is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prediction": "there"}, "prediction, model: give one of them"),
        ({"model": None}, "prediction, model: give one of them"),
        ({"data": None}, "data: a model is asked about pictures"),
        ({"data": "elsewhere"}, "elsewhere: is no folder"),
        ({"label": "who"}, "is no class of this model.*needs labels that are classes of it"),
    ],
)
def test_what_cannot_be_asked(
    pictures: dict[str, list[Any]], tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    asked = {"label": "there", "groups": "who", "model": "face", "data": tmp_path / "data", "out": tmp_path / "out"}
    with pytest.raises(DataError, match=f"(?s){said}"):
        whylight.audit(pictures, **{"looking": {"align": "none"}, **asked, **changes})
    assert not (tmp_path / "out").exists()  # it is told before the model is asked


def test_no_picture_is_there(pictures: dict[str, list[Any]], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"none of the 15 pictures in the column 'file' is there, such as '0\.png'"):
        whylight.audit(
            pictures, label="there", groups="who", model="face", data=tmp_path / "empty", out=tmp_path / "out"
        )
