"""`whylight face`: what is said, what is written, the exit codes, and galleries made and changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from cli.conftest import Run


@pytest.fixture
def people(tmp_path: Path, photo: Path) -> Path:
    """Two people with three pictures each, made of one photograph: as it is, and in negative."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    folder = tmp_path / "people"
    for name, change in (("Ada Ä.", lambda p: p), ("Bob", lambda p: ImageOps.posterize(ImageOps.autocontrast(p), 2))):
        (folder / name).mkdir(parents=True)
        for i, box in enumerate(((0, 0, 512, 512), (40, 0, 512, 472), (0, 0, 450, 450))):
            change(picture.crop(box)).save(folder / name / f"{i}.png")
    return folder


def test_one_photograph_is_told_in_words(run: Run, photo: Path, tmp_path: Path) -> None:
    outcome = run("face", photo, "--threshold", "0.1", "--out", "out")
    assert outcome.code == 0, outcome.err
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{photo}: There is a face (probability 9")
    assert "→ out/card_" in line
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert [name.rsplit("_", 1)[0] for name in names if "_" in name] == ["blended", "card", "gc_map", "heat_map"]
    assert {"cropped.jpg", "face.json", "faces.jsonl"} <= {*names}


def test_json_goes_to_stdout_alone(run: Run, photo: Path) -> None:
    outcome = run("face", photo, "--threshold", "0.1", "--json", "-")
    assert outcome.code == 0, outcome.err
    (record,) = outcome.lines
    assert (record["code"], record["name"], record["files"]) == (0, "face", {})
    assert {feature["name"] for feature in record["features"]} >= {"right_eye", "nose", "background"}
    assert record["sentence"] in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.jpg"], 1, "none.jpg"),
        (["text.jpg"], 1, "text.jpg"),
        (["astronaut.jpg", "--cascades", "nowhere"], 2, "nowhere"),
        (["grey.png"], 3, "no face was found"),
        (["astronaut.jpg", "--rather-than", "Bob"], 2, "nobody"),
        (["astronaut.jpg", "--method", "rollout"], 4, "no explanation"),
        (["astronaut.jpg", "--gallery", "nowhere"], 5, "nowhere"),
        (["astronaut.jpg", "--threshold", "1"], 6, "lower the threshold"),
    ],
)
def test_each_failure_has_its_exit_code(
    run: Run, photo: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    shutil.copy(photo, tmp_path / "astronaut.jpg")
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey.png")
    (tmp_path / "text.jpg").write_text("no picture")
    outcome = run("face", *arguments)
    assert outcome.code == code, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_what_cannot_be_combined_is_bad_usage(run: Run, photo: Path) -> None:
    for arguments in (
        ["--gallery", "g", "--vggface", "v"],
        ["--names", "n.txt"],
        ["--files", "mask"],
        ["--faces", "two"],
    ):
        outcome = run("face", photo, *arguments)
        assert outcome.code == 2
        assert "whylight: " in outcome.err


def test_a_gallery_from_enrolment_to_deletion(run: Run, people: Path, tmp_path: Path) -> None:
    (people / "Bob" / "empty.png").write_bytes(b"")
    outcome = run("face", "enroll", "gallery", *sorted(people.iterdir()))
    assert outcome.code == 1  # one picture was passed over
    assert "empty.png" in outcome.err
    assert "6 pictures added: 2 people in gallery" in outcome.out
    assert "not an identity model" in outcome.out
    again = run("face", "enroll", "gallery", people / "Ada Ä.")
    assert "0 pictures added, 3 were there" in again.out

    listed = run("face", "people", "gallery")
    assert "Ada Ä.: 3 pictures" in listed.out

    found = run("face", people / "Bob" / "0.png", "--gallery", "gallery", "--threshold", "0", "--json", "-", "--margin")
    (record,) = found.lines
    assert record["name"] == "Bob"
    assert record["measure"] == "similarity"
    assert record["rather_than"] == "Ada Ä."
    assert record["limit"] is not None

    assert run("face", "remove", "gallery", "Dora").code == 2
    gone = run("face", "remove", "gallery", "Ada Ä.")
    assert gone.code == 0, gone.err
    assert "Ada" not in run("face", "people", "gallery").out
    stored = b"".join(path.read_bytes() for path in (tmp_path / "gallery").rglob("*") if path.is_file())
    assert b"Ada" not in stored


def test_two_photographs_are_compared(run: Run, people: Path, tmp_path: Path) -> None:
    outcome = run(
        "face", "compare", people / "Bob" / "0.png", people / "Bob" / "1.png", "--threshold", "0", "--out", "out", "--json", "-"
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    first, second = outcome.lines
    assert first["score"] == pytest.approx(second["score"], abs=1e-5)
    assert (tmp_path / "out" / "1" / "card_0.png").is_file()
    assert (tmp_path / "out" / "2" / "card_0.png").is_file()
    with Image.open(tmp_path / "out" / "both.png") as both, Image.open(tmp_path / "out" / "1" / "card_0.png") as one:
        assert (both.width, both.height > 1.8 * one.height) == (one.width, True)


def test_a_folder_goes_on_where_it_was_stopped(run: Run, people: Path, tmp_path: Path) -> None:
    (people / "Bob" / "broken.png").write_bytes(b"\x89PNG")
    asked = ("face", people, "--threshold", "0", "--out", "out", "--files", "crop", "--json", "-")
    first = run(*asked)
    assert first.code == 1
    assert len(first.lines) == 7
    assert sum(record["code"] == 0 for record in first.lines) == 6
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("cropped.jpg")}
    assert len(made) == 6
    again = run(*asked)
    assert "6 done before" in again.err
    assert [record for record in again.lines if record["code"] == 0] == [r for r in first.lines if r["code"] == 0]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    other = run(*asked, "--language", "de")
    assert "0 done before" in other.err
    assert "Hier ist ein Gesicht" in other.err
    records = [json.loads(line) for line in (tmp_path / "out" / "faces.jsonl").read_text().splitlines()]
    assert len(records) == 6


def test_another_answer_leaves_nothing_of_the_old_one(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("face", photo, "--threshold", "0", "--out", "out").code == 0
    card = tmp_path / "out" / "card_0.png"
    card.unlink()
    assert run("face", photo, "--threshold", "0", "--out", "out").code == 0
    assert card.is_file()  # what is missing is made again
    assert run("face", photo, "--threshold", "0", "--out", "out", "--files", "crop").code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.??g")) == ["cropped.jpg"]
