"""`whylight evaluate faithfulness`, `whylight evaluate sanity` and `whylight explain --verify` from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import CLASSES, Run, ledger


@pytest.fixture
def labelled(good: Path) -> Path:
    """The pictures in folders called like classes."""
    for name, files in {"face": ["a.jpg", "more/a.jpg"], "no face": ["b.png"]}.items():
        (good / name).mkdir()
        for number, file in enumerate(files):
            (good / file).rename(good / name / f"{number}{Path(file).suffix}")
    (good / "more").rmdir()
    return good


def test_faithfulness(run: Run, labelled: Path, model: str, tmp_path: Path) -> None:
    asked = ("evaluate", "faithfulness", "--model", model, "--data", labelled, "--methods", "gradcam,eigencam")
    asked = (*asked, "--measures", "insertion,deletion", "--steps", 3, "--out", "out")
    outcome = run(*asked)
    assert outcome.code == 0, outcome.err
    assert outcome.out.index("insertion, higher is better") < outcome.out.index("deletion, lower is better")
    assert "Deletion is a weak judge" in outcome.out
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["pictures"] == 3
    assert result["protocol"]["class"] == "the picture's own"
    assert {cell["method"] for cell in result["cells"]} == {"gradcam", "eigencam", "centred blob", "random 7 × 7 map"}
    assert (tmp_path / "out" / "report.html").is_file()
    lines = (tmp_path / "out" / "pictures.jsonl").read_text()
    again = run(*asked, "--json", "-")
    assert again.lines == [result]
    assert (tmp_path / "out" / "pictures.jsonl").read_text() == lines


def test_faithfulness_of_pictures_without_classes(run: Run, pictures: Path, model: str, tmp_path: Path) -> None:
    """And one that is broken: it is named, the rest is done."""
    outcome = run(
        *("evaluate", "faithfulness", "--model", model, "--data", pictures, "--measures", "drop", "--out", "out"),
        *("--json", "-", "--limit", 4),
    )
    assert outcome.code == 1
    assert "broken.jpg" in outcome.err
    (result,) = outcome.lines
    assert result["pictures"] == 3
    assert result["protocol"]["class"] == "the most probable one"


def test_a_limit_spreads_evenly() -> None:
    from whylight.work.evaluation import spread

    assert spread(range(250), 5) == [0, 50, 100, 150, 200]
    assert spread(range(3), None) == spread(range(3), 9) == [0, 1, 2]


def test_sanity(run: Run, labelled: Path, model: str, tmp_path: Path) -> None:
    asked = (
        "evaluate",
        "sanity",
        "--model",
        model,
        "--data",
        labelled,
        "--methods",
        "hirescam,eigencam",
        "--stages",
        2,
    )
    outcome = run(*asked, "--random-labels", model, "--out", "out")
    assert outcome.code == 0, outcome.err
    assert "All weights random: rank correlation, nearer 0 is better" in outcome.out
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert any(remark.startswith("hirescam: ") and "the weights" in remark for remark in result["remarks"])
    (labels,) = [
        cell
        for cell in result["cells"]
        if cell["method"] == "hirescam" and cell["measure"].startswith("Labels at random")
    ]
    assert labels["value"]["mean"] == pytest.approx(1)  # it is the same model
    other = run(*asked, "--random-labels", tmp_path / "none.safetensors", "--out", "other")
    assert other.code == 2
    assert "--random-labels" in other.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--measures", "delete"], "no measure is called 'delete'; choose among insertion"),
        (["--blur", "4"], "blur: expected an odd side"),
        (["--target", "some"], "--target 'some': choose one of auto, true, predicted"),
        (["--methods", "gradcan"], "'gradcan' is not known"),
    ],
)
def test_bad_usage_of_faithfulness(run: Run, labelled: Path, model: str, arguments: list[str], words: str) -> None:
    outcome = run("evaluate", "faithfulness", "--model", model, "--data", labelled, *arguments)
    assert outcome.code == 2
    assert words in outcome.err


def test_verify_says_it_in_a_sentence_and_in_the_record(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    asked = ("explain", good / "a.jpg", "--model", model, "--method", "eigencam", "--target", "face", "--out", "out")
    outcome = run(*asked, "--verify")
    assert outcome.code == 0
    found, receipt = outcome.out.splitlines()
    assert found.startswith(f"{good / 'a.jpg'}: face (")
    assert receipt.startswith("  removing the hottest 10 % of the picture ")
    assert "of 100 random removals" in receipt
    (record,) = ledger(tmp_path / "out")
    assert record["verified"]["sentence"] == receipt.strip()
    assert record["verified"]["draws"] == 100
    assert record["verified"]["networks"] == 3
    again = run(*asked, "--verify", "--json", "-")
    assert again.lines[0]["skipped"]
    assert again.lines[0]["verified"] == record["verified"]


def test_verify_after_a_run_without_it_replaces_the_same_file(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    asked = ("explain", good, "--model", model, "--target", CLASSES[0], "--out", "out")
    run(*asked)
    before = {record["file"] for record in ledger(tmp_path / "out")}
    outcome = run(*asked, "--verify")
    assert " of 3 maps pass both checks; " in outcome.out.splitlines()[-1]
    after = ledger(tmp_path / "out")
    assert {record["file"] for record in after} == before
    assert all("verified" in record for record in after)
