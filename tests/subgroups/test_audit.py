"""Audits as a whole: published figures, fairlearn's, the files written, and words that say what the figures do."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import accuracy_score

import whylight
from whylight.errors import DataError
from whylight.subgroups.gate import judge, limit


@pytest.fixture(scope="module")
def celeba(data_dir: Path) -> whylight.Audit:
    folder = data_dir / "celeba"
    return whylight.audit(
        [folder / "attributes.csv", folder / "peer_predictions.csv"],
        label="Male",
        prediction="balanced_male",
        against="unbalanced_male",
        groups="Male,Young,Pale_Skin",
        depth=3,
    )


@pytest.mark.parametrize(
    ("group", "accuracy"),
    [
        ({}, 0.966937),
        ({"Male": 0}, 0.965461),
        ({"Male": 1}, 0.969281),
        ({"Pale_Skin": 1}, 0.948810),
        ({"Pale_Skin": 0}, 0.967734),
        ({"Male": 1, "Young": 0, "Pale_Skin": 0}, 0.983408),
        ({"Male": 0, "Young": 1, "Pale_Skin": 1}, 0.955631),
    ],
)
def test_published_figures(celeba: whylight.Audit, group: dict[str, int], accuracy: float) -> None:
    assert round(celeba.group(**group)["accuracy"], 6) == accuracy


@pytest.mark.parametrize(("group", "accuracy"), [({}, 0.968540), ({"Male": 1}, 0.972780), ({"Male": 0}, 0.965869)])
def test_published_figures_of_the_other(celeba: whylight.Audit, group: dict[str, int], accuracy: float) -> None:
    assert round(celeba.group(**group)["against"]["accuracy"], 6) == accuracy


def test_findings_on_celeba(celeba: whylight.Audit) -> None:
    said = "\n".join(celeba.summary)
    assert celeba.rows == 19962
    assert "Male: the difference between 1 and 0, 96.93 % of 7,715 against 96.55 % of 12,247, is within noise" in said
    assert "Pale_Skin: 0 is served better than 1, 96.77 % of 19,122 against 94.88 % of 840" in said
    assert "With unbalanced_male, Male: 1 is served better than 0, 97.28 % of 7,715 against 96.59 % of 12,247" in said
    assert "Against unbalanced_male: the difference in all, −0.16 points, is within noise" in said
    assert "The lead of 1 went from 0.69 points to 0.38 points: a change within noise" in said
    assert "Pale_Skin, balanced_male instead of unbalanced_male: right less often for 1, by 1.67 points" in said
    assert "Male is the label itself" in said
    assert celeba.group(Male=1, Young=0, Pale_Skin=0)["verdict"] == "better"
    assert celeba.group(Male=1, Pale_Skin=1, Young=0)["verdict"] == "insufficient evidence"
    assert celeba.gap("Male")["interval"][0] < 0 < celeba.gap("Male")["interval"][1]


def made(rows: int = 3000, seed: int = 0, **less: float) -> dict[str, Any]:
    """A table in which members of `a` = 1, … are right less often, by so much."""
    dice = np.random.default_rng(seed)
    table: dict[str, Any] = {"a": dice.integers(0, 2, rows), "b": dice.integers(0, 4, rows)}
    miss = 0.05 + sum(extra * (table[name] == 1) for name, extra in less.items())
    table["there"] = dice.integers(0, 2, rows)
    table["said"] = np.where(dice.random(rows) < miss, 1 - table["there"], table["there"])
    return table


def test_as_fairlearn_has_it() -> None:
    table = made()
    metrics = {
        "accuracy": accuracy_score,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "selection_rate": selection_rate,
        "n": count,
    }
    frame = MetricFrame(
        metrics=metrics, y_true=table["there"], y_pred=table["said"], sensitive_features=pd.DataFrame(table)[["a", "b"]]
    )
    found = whylight.audit(table, label="there", prediction="said", groups="a,b")
    for (a, b), values in frame.by_group.iterrows():
        row = found.group(a=a, b=b)
        for name in metrics:
            value = row[name]["value"] if isinstance(row[name], dict) else row[name]
            assert value == pytest.approx(values[name], abs=1e-8)


def test_who_is_served_worse_is_found() -> None:
    found = whylight.audit(made(a=0.08), label="there", prediction="said", groups="a,b")
    assert found.group(a=1)["verdict"] == "worse"
    assert found.group(a=0)["verdict"] == "better"
    assert found.group(a=0)["p_corrected"] == found.group(a=1)["p_corrected"]
    assert found.summary[1].startswith("a: 0 is served better than 1")
    one = whylight.audit(made(b=0.1), label="there", prediction="said", groups=["a", "b"])
    assert one.summary[2].startswith("b: served worse than all others: 1 (")
    assert one.gap("b")["worst"] == {"b": "1"}
    assert one.group(b=1)["gap_to_best"]["value"] == -one.gap("b")["gap"]
    assert one.gap("b")["interval"][0] > 0


def test_declared_and_exploratory_are_apart() -> None:
    settings: dict[str, Any] = {"label": "there", "prediction": "said", "groups": "a,b"}
    found = whylight.audit(made(), **settings)
    assert {name: one["tests"] for name, one in found.families.items()} == {"declared": 5, "exploratory": 8}
    assert found.group(a=1, b=1)["family"] == "exploratory"
    asked = whylight.audit(made(), declared=[("b", "a")], **settings)
    assert asked.group(a=1, b=1)["family"] == "declared"
    assert asked.families == {"declared": {"tests": 13, "share": 1.0}, "exploratory": {"tests": 0, "share": 1.0}}
    assert whylight.audit(made(), correction="bh", **settings).correction == "bh"


def test_the_files(tmp_path: Path) -> None:
    table = made(a=0.05) | {"other": made(seed=1)["said"]}
    settings: dict[str, Any] = {"label": "there", "prediction": "said", "against": "other", "groups": "a,b"}
    written = whylight.audit(table, **settings).write(tmp_path / "report")
    assert [path.name for path in written] == ["audit.json", "groups.csv", "summary.txt", "report.html"]
    text = written[0].read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found["groups"][0]["group"] == {}
    assert set(found["groups"][0]) >= {"group", "n", "accuracy", "interval"}
    assert found["groups"][2]["group"] == {"a": "1"}
    low, high = found["groups"][2]["interval"]
    assert low < found["groups"][2]["accuracy"] < high
    assert len(found["groups"]) == 1 + 2 + 4 + 8
    rows = list(csv.DictReader(io.StringIO(written[1].read_text(encoding="utf-8"))))
    assert len(rows) == len(found["groups"])
    assert float(rows[2]["accuracy"]) == found["groups"][2]["accuracy"]
    assert (rows[2]["a"], rows[2]["b"]) == ("1", "")
    assert whylight.audit(table, **settings).to_json() + "\n" == text


def test_seeds() -> None:
    """Classifiers of three seeds against three that are worse by five points."""
    table = made(rows=4000)
    dice = np.random.default_rng(5)
    for kind, miss in (("x", 0.05), ("y", 0.10)):
        for i in range(3):
            table[f"{kind}{i}"] = np.where(dice.random(4000) < miss, 1 - table["there"], table["there"])
    found = whylight.audit(table, label="there", prediction=["x0", "x1", "x2"], against="y0,y1,y2", groups="a")
    seeds = found.groups[0]["change"]["seeds"]
    assert len(seeds["each"]) == len(seeds["against"]) == 3
    assert seeds["accuracy"] == pytest.approx(np.mean(seeds["each"]) - np.mean(seeds["against"]))
    assert seeds["interval"][0] < 0.05 < seeds["interval"][1]
    assert any(line.startswith("Over 3 and 3 seeds") for line in found.summary)


def test_calibration_by_group() -> None:
    """Probabilities that are right for one group, and too high by 0.1 for the other."""
    dice = np.random.default_rng(2)
    score = dice.uniform(0.2, 0.8, 8000)
    group = dice.integers(0, 2, 8000)
    there = (dice.random(8000) < score - 0.1 * group).astype(int)
    found = whylight.audit({"g": group}, label=there, prediction=score, groups="g")
    good, high = (found.group(g=one)["calibration"] for one in (0, 1))
    assert good["interval"][0] < 0 < good["interval"][1]
    assert high["interval"][0] < 0.1 < high["interval"][1]
    assert high["error_interval"][0] < 0.1 < high["error_interval"][1]
    assert good["error"] < 0.04


@pytest.mark.parametrize(
    ("text", "failed", "words"),
    [
        ("gap(a) > 0.02", True, "fails: gap(a) is 0.0"),
        ("gap(a) > 50%", False, "holds: gap(a) is"),
        ("accuracy(a=1) < 0.99", True, "fails: accuracy(a=1) is 0.8"),
        ("accuracy() < 0.5", False, "holds: accuracy() is 0.9"),
        ("gap(b, a)>=0", True, "from a 1 and b"),
    ],
)
def test_limits(text: str, failed: bool, words: str) -> None:
    found = judge(whylight.audit(made(a=0.08), label="there", prediction="said", groups="a,b"), limit(text))
    assert found.failed is failed
    assert words in found.text
    assert "[" in found.text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gap > 2", "is no limit; write gap"),
        ("gap() > 0.1", r"gap\(\) takes columns"),
        ("gap(a=1) > 0.1", r"gap\(\) takes columns"),
        ("accuracy(a) < 0.1", "the others take COLUMN=VALUE"),
        ("gap(c) > 0.1", "these columns were not combined; there are a; b; a,b"),
        ("accuracy(a=7) < 0.1", "group a=7: there is none"),
        ("change(a=1) < 0", "there are no predictions to compare with"),
    ],
)
def test_limits_that_make_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        judge(whylight.audit(made(), label="there", prediction="said", groups="a,b"), limit(text))


def test_attention_becomes_part_of_it() -> None:
    class Seen:
        def to_json(self) -> dict[str, int]:
            return {"eyes": 1}

    found = whylight.audit(made(), label="there", prediction="said", groups="a", attention=Seen())
    assert found.to_dict()["attention"] == {"eyes": 1}
