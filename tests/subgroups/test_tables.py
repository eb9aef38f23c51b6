"""Tables, labels and predictions as people have them: read right, or refused with the way out; what is odd is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from whylight.errors import DataError
from whylight.subgroups.audit import audit
from whylight.subgroups.result import Audit

RIGHT = [1, 1, 1, 0, 1, 0, 1, 1]  # of the eight rows below, at whatever spelling


def check(label: list[Any], said: list[Any], **settings: Any) -> Audit:
    return audit(
        {"g": list("aabbaabb"), "there": label, "said": said}, label="there", prediction="said", groups="g", **settings
    )


@pytest.mark.parametrize(
    ("no", "yes"),
    [(0, 1), (-1, 1), (False, True), ("no", "yes"), ("0", "1"), (0.0, 1.0), ("False", "True"), ("-1", "1")],
)
@pytest.mark.parametrize(("less", "more"), [(0, 1), (-1, 1), (False, True), ("no", "yes"), (0.2, 0.9), ("f", "t")])
def test_spellings_of_no_and_yes(no: Any, yes: Any, less: Any, more: Any) -> None:
    there = [0, 1, 0, 1, 1, 0, 1, 0]
    said = [bit if right else 1 - bit for bit, right in zip(there, RIGHT, strict=True)]
    found = check([yes if one else no for one in there], [more if one else less for one in said])
    everyone = found.groups[0]
    assert everyone["accuracy"] == 0.75
    assert everyone["true_positive_rate"]["value"] == 0.75
    assert everyone["false_positive_rate"]["value"] == 0.25
    assert everyone["prevalence"]["value"] == 0.5
    assert found.positive == str(yes).removesuffix(".0")


def test_texts_need_a_positive_class() -> None:
    there, said = ["w", "m", "w", "m", "w", "m", "w", "m"], ["w", "m", "m", "m", "w", "m", "w", "m"]
    found = check(there, said)
    assert found.groups[0]["accuracy"] == 0.875
    assert "true_positive_rate" not in found.groups[0]
    assert any("positive" in note.text for note in found.notes)
    assert check(there, said, positive="m").groups[0]["false_positive_rate"]["value"] == 0.25
    assert check(there, [0, 1, 1, 1, 0, 1, 0, 1], positive="m").groups[0]["accuracy"] == 0.875
    with pytest.raises(DataError, match=r"its values are 0, 1, the label's m, w; say which of the label's"):
        check(there, [0, 1, 1, 1, 0, 1, 0, 1])
    with pytest.raises(DataError, match="positive: 'x' is no value of there; it has m, w"):
        check(there, said, positive="x")
    with pytest.raises(DataError, match=r"said: its values \(q, r\) are none of the label's"):
        check(there, list("qrqrqrqr"))


def test_three_classes() -> None:
    there, said = [0, 1, 2, 0, 1, 2, 0, 1], [0, 1, 2, 0, 2, 2, 0, 0]
    found = check(there, said)
    assert found.groups[0]["accuracy"] == 0.75
    assert "true_positive_rate" not in found.groups[0]
    one = check(there, said, positive="2")
    assert one.groups[0]["true_positive_rate"]["value"] == 1
    assert one.groups[0]["false_positive_rate"]["value"] == pytest.approx(1 / 6)
    assert any("has 3 classes" in note.text for note in one.notes)
    odd = check(there, [0, 1, 2, 0, 2, 7, 0, 0])
    assert odd.groups[0]["accuracy"] == 0.625
    assert any("1 prediction of said that no label has (7)" in note.text and note.warn for note in odd.notes)


def test_probabilities() -> None:
    there, said = [0, 1, 0, 1, 1, 0, 1, 0], [0.1, 0.9, 0.4, 0.45, 0.8, 0.6, 0.7, 0.2]
    found = check(there, said)
    assert found.threshold == 0.5
    assert found.groups[0]["accuracy"] == 0.75
    assert found.groups[0]["calibration"]["value"] == pytest.approx(np.mean(said) - 0.5)
    assert any("from 0.5 on" in note.text and note.warn for note in found.notes)
    assert check(there, said, threshold=0.43).groups[0]["accuracy"] == 0.875
    with pytest.raises(DataError, match=r"numbers from -3\.1 to 4 are no probabilities; say from which on"):
        check(there, [-3.1, 4, -1, 0, 2, 1, 3, -2])
    logits = check(there, [-3.1, 4, -1, 0, 2, 1, 3, -2], threshold=0.0)
    assert logits.groups[0]["accuracy"] == 0.875
    assert "calibration" not in logits.groups[0]
    with pytest.raises(DataError, match="of which class they are the probability"):
        check(list("wmwmwmwm"), said)


def test_missing_values_are_counted() -> None:
    table = pd.DataFrame(
        {"g": ["a", "b", None, "a", "b", "NA"], "there": [1, None, 0, 1, 0, 1], "said": [1, 1, 0, np.nan, 0, 1]}
    )
    found = audit(table, label="there", prediction="said", groups="g")
    assert found.rows == 4
    assert found.group(g="a")["n"] + found.group(g="b")["n"] == 2
    counts = {note.text: note.count for note in found.notes if note.what == "missing"}
    assert sorted(counts.values()) == [1, 1, 2]
    assert found.group(g="a")["accuracy"] == 1


def test_a_group_of_one() -> None:
    found = audit({"g": list("aaab")}, label=[0, 1, 0, 1], prediction=[0, 1, 1, 1], groups="g")
    row = found.group(g="b")
    assert (row["n"], row["accuracy"], row["verdict"]) == (1, 1.0, "insufficient evidence")
    assert row["interval"][0] < 0.3
    assert row["true_positive_rate"]["n"] == 1
    assert row["false_positive_rate"] == {"value": None, "interval": None, "n": 0}
    assert any(note.what == "small" and note.count == 1 for note in found.notes)


@pytest.mark.parametrize("near", [0, 12])
def test_groups_that_are_the_label(near: int) -> None:
    dice = np.random.default_rng(0)
    label = dice.integers(0, 2, 400)
    group = label.copy()
    group[:near] = 1 - group[:near]
    found = audit({"g": group, "h": dice.integers(0, 2, 400)}, label=label, prediction=label, groups="g,h")
    warned = [note.text for note in found.notes if "nearly the label itself" in note.text]
    assert len(warned) == 1
    assert warned[0].startswith("g is")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_joined_by_file(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", "\ufefffile,g,there\n1.jpg,a,0\n2.jpg,b,1\n3.jpg,a,1\n3.jpg,a,1\n9.jpg,a,1\n")
    two = write(tmp_path / "b.csv", "file,said\n3.jpg,0\n2.jpg,1\n1.jpg,0\n8.jpg,1\n7.jpg,1\n")
    found = audit([one, two], label="there", prediction="said", groups="g")
    assert found.rows == 3
    assert found.groups[0]["accuracy"] == pytest.approx(2 / 3)
    assert found.group(g="b")["accuracy"] == 1
    texts = {note.what: [other.text for other in found.notes if other.what == note.what] for note in found.notes}
    assert len(texts["unmatched"]) == 2
    assert "1 row of" in texts["unmatched"][0]
    assert "9.jpg" in texts["unmatched"][0]
    assert "2 rows of" in texts["unmatched"][1]
    assert "8.jpg, 7.jpg" in texts["unmatched"][1]
    assert "1 row left out that another row of the same file repeats" in texts["duplicates"][0]
    same = audit(pd.read_csv(one), label="there", prediction=[0, 1, 0, 0, 1], groups="g")
    assert (same.rows, same.groups[0]["accuracy"]) == (4, 0.75)


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ("file,g,there\nx/1.jpg,a,0\n", "file,said\n1.jpg,0\n", "none of its 1 values of file is in .*a.csv, such as '1.jpg'"),
        ("file,g,there\n1.jpg,a,0\n", "name,said\n1.jpg,0\n", "b.csv: no column 'file' to join it by"),
        ("file,g,there\n1.jpg,a,0\n", "file,said\n1.jpg,0\n1.jpg,1\n", "with a file that is there before, with other values"),
        ("file,g,there\n1.jpg,a,0\n", "file,said,g\n1.jpg,0,a\n", "column 'g': it is in .*a.csv and in .*b.csv"),
        ("file,g,there\n1.jpg,a,0\n", "file,sad\n1.jpg,0\n", "no column 'said'; there are file, g, there, sad"),
        ("file,g,there\n", "file,said\n1.jpg,0\n", "a.csv: it has no rows"),
        ("", "file,said\n1.jpg,0\n", "a.csv: it has no rows, nor a heading"),
        ("file,g,there,g\n1.jpg,a,0,b\n", "file,said\n1.jpg,0\n", "two columns are called 'g'"),
        ('file,g,there\n1.jpg,"a,0\n', "file,said\n1.jpg,0\n", "cannot be read as a CSV table"),
        ("file,g,there\n1.jpg,a,\n", "file,said\n1.jpg,0\n", "there: no row has a label and a prediction"),
        ("file,g,there\n1.jpg,,1\n", "file,said\n1.jpg,0\n", "groups: g has no value in any row"),
    ],
)  # fmt: skip
def test_tables_that_do_not_fit(tmp_path: Path, first: str, second: str, complaint: str) -> None:
    one, two = write(tmp_path / "a.csv", first), write(tmp_path / "b.csv", second)
    with pytest.raises(DataError, match=complaint):
        audit([one, two], label="there", prediction="said", groups="g")


def test_what_cannot_be_a_table(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00file,\x00\n\x80\n")
    (tmp_path / "more.csv").write_text("there,said,g\n1,1,a\n1,1,a,b\n")
    for table, complaint in (
        (tmp_path / "more.csv", "more.csv: line 3 has 4 values, the heading 3"),
        (tmp_path / "none.csv", "none.csv: there is no such file"),
        (tmp_path / "x.csv", "x.csv: cannot be read as a CSV table in UTF-8"),
        (tmp_path, "cannot be read"),
        (7, "int given; name a CSV file"),
        ({"g": [1, 2], "there": [1]}, "columns of unequal length: g 2, there 1"),
        (pd.DataFrame({"g": []}), "it has no rows"),
    ):
        with pytest.raises(DataError, match=complaint):
            audit(table, label="there", prediction="said", groups="g")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"groups": ""}, "groups: none named"),
        ({"groups": "g,g"}, "groups: g is named twice"),
        ({"groups": "g,h"}, "no column 'h'; there are g, i"),
        ({"groups": "i"}, "i has 150 different values; at most 100 make groups"),
        ({"depth": 0}, "depth: 0 given"),
        ({"alpha": 1.5}, "alpha: 1.5 given"),
        ({"declared": [("g", "h")]}, "declared: 'h' is none of the groups, g"),
        ({"label": [1, 0]}, "label: 2 values given for 150 rows"),
        ({"prediction": "g", "against": "g"}, "against: a column of predictions is named twice"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], complaint: str) -> None:
    bits = list(range(2)) * 75
    given: dict[str, Any] = {"label": bits, "prediction": bits, "groups": "g"} | settings
    with pytest.raises(DataError, match=complaint):
        audit({"g": bits, "i": list(range(150))}, **given)


def test_names_from_outside_stay_names() -> None:
    found = audit({"g\n": ["=1+1", "b\x1b[2J"], "n": [-1, 2]}, label=[1, 0], prediction=[1, 0], groups=["g\n", "n"])
    from whylight.subgroups.telling.writing import table

    text = table(found)
    assert "'=1+1" in text
    assert ",-1," in text
    assert "\x1b" not in "\n".join(found.summary)


def test_a_threshold_for_classes_is_told() -> None:
    table = {"there": ["a", "b"] * 4, "said": ["a", "b"] * 4, "g": [1, 2, 2, 1] * 2}
    found = audit(table, label="there", prediction="said", groups="g", threshold=0.7)
    assert "The threshold 0.7 is not used: the predictions are classes." in found.summary
