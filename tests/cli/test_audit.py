"""`whylight audit`: files, words, limits and their exit code, errors that name options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.conftest import Run


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """A table of labels and groups, and one of predictions that are worse for `a` = 1."""
    dice = np.random.default_rng(0)
    a, there = dice.integers(0, 2, 1500), dice.integers(0, 2, 1500)
    said = np.where(dice.random(1500) < 0.03 + 0.07 * a, 1 - there, there)
    labels, predictions = tmp_path / "labels.csv", tmp_path / "said.csv"
    labels.write_text(
        "file,a,there\n" + "".join(f"{i}.jpg,{x},{y}\n" for i, (x, y) in enumerate(zip(a, there, strict=True)))
    )
    predictions.write_text("file,said,dull\n" + "".join(f"{i}.jpg,{x},1\n" for i, x in reversed(list(enumerate(said)))))
    return labels, predictions


def test_an_audit(run: Run, tables: tuple[Path, Path], tmp_path: Path) -> None:
    labels, predictions = tables
    asked = ("audit", labels, "--label", "there", "--prediction", "said", "--groups", "a", "--predictions", predictions)
    done = run(*asked, "--out", "report")
    assert done.code == 0, done.err
    assert "a: 0 is served better than 1" in done.out
    assert json.loads((tmp_path / "report" / "audit.json").read_text())["rows"] == 1500
    assert (tmp_path / "report" / "groups.csv").is_file()
    (drawing,) = (tmp_path / "report" / "figures").iterdir()
    assert drawing.name == "accuracy_a.svg"
    rows = {
        row["group"]["a"]: row["n"]
        for row in json.loads((tmp_path / "report" / "audit.json").read_text())["groups"][1:]
    }
    said = set(re.findall(r">([^<>]+)</text>", drawing.read_text()))
    assert {f"a = {value} (n = {n})" for value, n in rows.items()} <= said
    assert run(*asked, "--out", "report", "--quiet").out == ""


def test_limits_decide_the_exit_code(run: Run, tables: tuple[Path, Path]) -> None:
    asked = ("audit", *tables, "--label", "there", "--prediction", "said", "--groups", "a", "--out", "report")
    done = run(*asked, "--fail-on", "gap(a) > 0.02", "--fail-on", "accuracy(a=0) < 0.5")
    assert done.code == 1
    assert "fails: gap(a) is 0.0" in done.err
    assert "holds: accuracy(a=0) is 0.9" in done.out
    assert run(*asked, "--fail-on", "gap(a) > 0.5").code == 0
    assert run(*asked, "--fail-on", "gap(a) is large").code == 2


def test_a_limit_that_cannot_be_told_hides_none_that_is_passed(run: Run, tables: tuple[Path, Path]) -> None:
    asked = ("audit", *tables, "--label", "there", "--prediction", "said", "--groups", "a", "--out", "report")
    both = run(*asked, "--fail-on", "accuracy(a=9) < 0.5", "--fail-on", "gap(a) > 0.02")
    assert both.code == 1
    assert "fails: gap(a) is 0.0" in both.err
    assert "a=9" in both.err
    alone = run(*asked, "--fail-on", "accuracy(a=9) < 0.5")
    assert alone.code == 2
    assert "there is none" in alone.err


def test_level_alpha_and_seed_are_given(run: Run, tables: tuple[Path, Path], tmp_path: Path) -> None:
    asked = ("audit", *tables, "--label", "there", "--prediction", "said", "--groups", "a", "--out", "report")

    def told(*more: str) -> Any:
        assert run(*asked, *more).code == 0
        return json.loads((tmp_path / "report" / "audit.json").read_text())["groups"][1]

    usual, narrow = told(), told("--level", "0.8", "--seed", "3")
    assert narrow["interval"][0] > usual["interval"][0]
    assert narrow["interval"][1] < usual["interval"][1]
    assert usual["verdict"] == "better"
    p = usual["p_corrected"]
    assert told("--alpha", repr(p / 2))["verdict"] != "better"
    assert told("--alpha", repr(p * 2))["verdict"] == "better"
    for wrong in (("--level", "95"), ("--alpha", "0"), ("--alpha", "1e-300"), ("--alpha", "nan")):
        refused = run(*asked, *wrong)
        assert refused.code == 2
        assert f"{wrong[0][2:]}: " in refused.err


def test_two_predictions(run: Run, tables: tuple[Path, Path]) -> None:
    done = run(
        "audit", *tables, "--label", "there", "--prediction", "said", "--against", "dull", "--groups", "a", "--out", "r"
    )
    assert done.code == 0
    assert "Against dull: said is right more often in all" in done.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--groups", "b"), "no column 'b'; there are file, a, there, said, dull"),
        (("--groups", ""), "--groups: none named"),
        (("--groups", "a", "--key", "name"), "no column 'name' to join it by; name the column that all tables share (--key name)"),
        (("--groups", "a", "--positive", "9"), "--positive: '9' is no value of there"),
        (("--groups", "a", "--declare", "a,c"), "--declare: 'c' is none of the groups"),
        (("--groups", "a", "--correction", "none"), "--correction 'none': choose one of holm, bh"),
        (("--groups", "a", "--margin", "2"), "--margin: 2.0 given"),
    ],
)  # fmt: skip
def test_errors_name_options(run: Run, tables: tuple[Path, Path], arguments: tuple[str, ...], complaint: str) -> None:
    done = run("audit", *tables, "--label", "there", "--prediction", "said", "--out", "r", *arguments)
    assert done.code == 2
    assert complaint in done.err


def test_a_folder_that_cannot_be_written(run: Run, tables: tuple[Path, Path]) -> None:
    done = run("audit", *tables, "--label", "there", "--prediction", "said", "--groups", "a", "--out", tables[0])
    assert done.code == 3
    assert "labels.csv: cannot be written" in done.err
