"""A list of explanations is a list in every way, and shows itself."""

from __future__ import annotations

import io
import operator
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import whylight
from nets import gap_net
from whylight.explanation import Explanations
from whylight.models.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return whylight.wrap(gap_net(), classes=["cat", "dog", "car"], size=32)


@pytest.fixture
def exs(model: Model, photo: Path) -> Explanations:
    found = whylight.explain(model, photo, methods=["gradcam", "layercam"], targets=["cat", "dog"])
    assert isinstance(found, Explanations)
    return found


def test_it_is_a_list(exs: Explanations) -> None:
    plain = list(exs)
    assert isinstance(exs, list)
    assert exs == plain
    assert plain == exs
    assert repr(exs) == repr(plain)
    assert exs[0] is plain[0]
    assert exs[-1] is plain[-1]
    for more in (exs[1:], exs + plain, plain + exs, exs.copy(), exs + exs):
        assert type(more) is Explanations
    assert plain + exs == plain + plain
    assert [ex.label for ex in sorted(exs, key=lambda ex: ex.label)] == ["cat", "cat", "dog", "dog"]
    with pytest.raises(TypeError):
        operator.add(exs, (1,))
    again = pickle.loads(pickle.dumps(exs))
    assert type(again) is Explanations
    assert [ex.label for ex in again] == [ex.label for ex in exs]
    exs.append(plain[0])
    assert len(exs) == 5


def test_it_shows_itself_as_a_grid(exs: Explanations) -> None:
    picture = Image.open(io.BytesIO(exs._repr_png_() or b""))
    assert np.array_equal(np.asarray(picture), np.asarray(whylight.grid(exs)))
    assert Explanations()._repr_png_() is None
    assert Explanations([*exs, 3])._repr_png_() is None  # type: ignore[list-item]


def test_of_a_long_list_the_first_are_shown_and_the_rest_is_told(
    exs: Explanations, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    draw = Explanations.grid
    monkeypatch.setattr(
        Explanations, "grid", lambda self, **given: told.append((len(self), given)) or draw(self, **given)
    )
    assert Explanations([*exs] * 15)._repr_png_()
    assert told == [(48, {"note": "The first 48 of 60 maps; .grid() draws more."})]


def test_another_class_can_be_asked_for(exs: Explanations, model: Model, photo: Path) -> None:
    ex = exs[0]
    assert ex.model == "Sequential"
    other = ex.about("car")
    wanted = whylight.explain(model, photo, method=ex.method, target="car")
    assert (other.label, other.source, other.method) == ("car", ex.source, ex.method)
    torch.testing.assert_close(other.map, wanted.map)
    assert other.verify(draws=20).label == "car"
    with pytest.raises(whylight.errors.WhylightError, match="about: this explanation does not know the model"):
        pickle.loads(pickle.dumps(ex)).about("car")
    tensor = model.preprocess(photo)
    torch.testing.assert_close(
        whylight.explain(model, tensor, target="cat").about("car").map,
        whylight.explain(model, tensor, target="car").map,
    )
