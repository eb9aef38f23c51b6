"""The uncertain middle: which pictures are in it, who they are, and what calibration does."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.errors import DataError
from whylight.subgroups.middle import middle, probabilities, temperature


def test_the_least_certain_are_the_middle() -> None:
    logits = np.array([[4.0, 0.0], [0.1, 0.0], [0.0, 0.3], [-3.0, 0.0], [0.0, 1.0]])
    found = middle(logits, member={}, share=0.4)
    assert found.order.tolist() == [1, 2]
    assert found.inside.tolist() == [False, True, True, False, False]
    assert found.margin[0] == pytest.approx(np.tanh(2.0))
    assert "40%" in found.rule
    band = middle(logits, member={}, band=(0.5, 0.6))
    assert band.order.tolist() == [1, 2]
    wider = middle(logits, member={}, band=(0.5, 0.75))
    assert wider.order.tolist() == [1, 2, 4]


def test_who_is_in_the_middle_is_told_with_certainty() -> None:
    rng = np.random.default_rng(0)
    young = np.arange(1000) < 300
    logits = np.stack([rng.normal(size=1000) * np.where(young, 0.5, 3.0), np.zeros(1000)], 1)
    found = middle(logits, member={"young": young, "coin": rng.random(1000) < 0.5}, share=0.1)
    told = {one.group: one for one in found.who}
    assert told["young"].mean is not None
    share = found.inside[young].mean()
    assert told["young"].mean.mean == pytest.approx(share)
    assert told["young"].mean.low is not None
    assert told["young"].mean.high is not None
    assert told["young"].mean.low < share < told["young"].mean.high
    assert told["young"].p is not None
    assert told["young"].p < 0.001
    assert told["coin"].p is not None
    assert told["coin"].p > 0.01


def test_temperature_undoes_what_made_a_model_too_sure() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 3)) * 1.5
    drawn = (rng.random((4000, 1)) > probabilities(logits).cumsum(1)).sum(1)
    assert temperature(4 * logits, drawn) == pytest.approx(4, rel=0.1)
    assert temperature(logits / 3, drawn) == pytest.approx(1 / 3, rel=0.1)
    assert temperature(logits, np.full(4000, -1)) == 1.0
    unknown = drawn.copy()
    unknown[::2] = -1
    assert temperature(4 * logits, unknown) == pytest.approx(4, rel=0.15)
    # A model four times too sure has hardly anything between 0.4 and 0.6; calibrated it has.
    sure, placed = (
        middle(4 * logits, member={}, band=(0, 0.5)),
        middle(4 * logits, label=drawn, member={}, band=(0, 0.5)),
    )
    assert placed.inside.mean() > 3 * sure.inside.mean()
    assert placed.temperature == pytest.approx(4, rel=0.1)
    assert placed.right is not None
    assert placed.elsewhere is not None
    assert placed.right.mean < placed.elsewhere.mean


def test_maps_of_the_middle_are_held_against_those_of_the_sure() -> None:
    rng = np.random.default_rng(2)
    logits = np.stack([rng.normal(size=200) * 3, np.zeros(200)], 1)
    maps = rng.random((200, 6, 6)) + 0.5
    maps[np.abs(logits[:, 0]) < 0.8, :2] *= 2
    found = middle(logits, member={}, maps=maps, share=0.2)
    assert found.maps is not None
    assert found.maps.significant[:2].any()
    assert found.maps.map[:2].mean() > 0
    assert middle(logits, member={}, maps=maps, share=0.01).maps is None  # two people tell nothing


def test_odd_input_is_refused() -> None:
    with pytest.raises(DataError, match="logits"):
        middle(np.zeros((4, 1)), member={})
    with pytest.raises(DataError, match="band"):
        middle(np.zeros((4, 2)), member={}, band=(0.6, 0.4))
    with pytest.raises(DataError, match="share"):
        middle(np.zeros((4, 2)), member={}, share=10)
    with pytest.raises(DataError, match="label"):
        middle(np.zeros((4, 2)), member={}, label=[0, 1, 2, 0])
