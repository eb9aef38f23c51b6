"""Groups of few rows are not shown, and cannot be worked out from those that are."""

from __future__ import annotations

import numpy as np

from whylight.subgroups import groups, privacy
from whylight.subgroups.audit import audit
from whylight.subgroups.tables.table import column


def test_nobody_can_be_worked_out() -> None:
    """By subtraction, along every column: of the parts of a shown group, those not shown are none, or two and k rows at least."""
    for seed in range(20):
        dice = np.random.default_rng(seed)
        columns = [
            column(str(i), dice.choice(size, 150, p=dice.dirichlet(np.ones(size)))) for i, size in enumerate((2, 3, 4))
        ]
        parts = {which: groups.cells(columns, which) for which in groups.combinations(3, 3)}
        n = {which: np.bincount(one.index, minlength=len(one.values)) for which, one in parts.items()}
        gone = privacy.hidden({which: one.values for which, one in parts.items()}, n, 8)
        for which, part in parts.items():
            assert (n[which][~gone[which]] >= 8).all()
            for drop in range(len(which)):
                above = which[:drop] + which[drop + 1 :]
                for place in np.flatnonzero(~gone[above]):
                    inside = (np.delete(part.values, drop, axis=1) == parts[above].values[place]).all(axis=1)
                    lost = n[which][inside & gone[which]]
                    assert len(lost) == 0 or (lost.sum() >= 8 and (len(lost) > 1 or gone[which][inside].all()))


def test_an_audit_shows_none_of_them() -> None:
    dice = np.random.default_rng(0)
    group = np.r_[np.zeros(500), np.ones(300), np.full(4, 2), np.full(60, 3)].astype(int)
    label = dice.integers(0, 2, len(group))
    found = audit({"g": group}, label=label, prediction=label, groups="g", hide_under=5)
    assert [row["group"] for row in found.groups[1:]] == [{"g": "0"}, {"g": "1"}]
    assert '"4"' not in found.to_json()
    assert found.to_dict()["hidden"] == {"under": 5, "groups": 2}
    assert any("2 groups not shown" in line for line in found.summary)
    assert "n': 4," not in str(found.to_dict())


def test_all_is_shown_unless_asked_otherwise() -> None:
    found = audit({"g": [0, 0, 1]}, label=[0, 1, 1], prediction=[0, 1, 0], groups="g")
    assert [row["n"] for row in found.groups] == [3, 2, 1]


def test_rates_of_few_are_not_told() -> None:
    """A group of ten with one positive row: its true positive rate tells of that row."""
    right = np.array([1, 0] * 20)
    there = np.concatenate([[1], np.zeros(9, int), right[:30]])
    table = {"there": there, "said": there, "g": np.repeat(["a", "b"], [10, 30])}
    shown, hidden = (
        audit(table, label="there", prediction="said", groups="g", hide_under=k).group(g="a") for k in (0, 5)
    )
    assert shown["true_positive_rate"]["n"] == 1
    assert hidden["true_positive_rate"] == {"value": None, "interval": None, "n": None}
    assert hidden["false_positive_rate"]["n"] == 9
