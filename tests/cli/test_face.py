"""`whylight face`: what is said, what is written, the exit codes, and galleries made and changed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from cli.conftest import Run
from whylight.jobs.lock import only_run


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
    assert line.endswith("→ out/astronaut.face1.card.png")
    names = sorted(path.name for path in (tmp_path / "out").glob("astronaut.*"))
    assert names == [
        "astronaut.face.json", "astronaut.face1.blend.jpg", "astronaut.face1.card.png", "astronaut.face1.crop.jpg",
        "astronaut.face1.grey.png", "astronaut.face1.heat.png",
    ]  # fmt: skip
    assert (tmp_path / "out" / "faces.jsonl").is_file()


def test_a_second_photograph_joins_the_first(run: Run, photo: Path, people: Path, tmp_path: Path) -> None:
    """Whatever folder it comes from, and though both are called alike."""
    other = tmp_path / "elsewhere" / photo.name
    other.parent.mkdir()
    with Image.open(photo) as picture:
        picture.crop((0, 0, 480, 480)).save(other)
    asked = ("--threshold", "0", "--out", "out", "--files", "card")
    assert run("face", photo, *asked).code == 0
    before = (tmp_path / "out" / "astronaut.face1.card.png").read_bytes()
    assert run("face", people / "Bob" / "0.png", *asked).code == 0
    outcome = run("face", other, *asked)
    assert outcome.out.rstrip().endswith("→ out/astronaut-2.face1.card.png")
    assert (tmp_path / "out" / "astronaut.face1.card.png").read_bytes() == before
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["0.face1.card.png", "astronaut-2.face1.card.png", "astronaut.face1.card.png"]
    records = [json.loads(line) for line in (tmp_path / "out" / "faces.jsonl").read_text().splitlines()]
    assert [record["file"] for record in records] == ["astronaut.face.json", "0.face.json", "astronaut-2.face.json"]
    assert "done before" in run("face", photo, people / "Bob" / "0.png", *asked).out


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
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.crop.jpg")}
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
    card = tmp_path / "out" / "astronaut.face1.card.png"
    card.unlink()
    assert run("face", photo, "--threshold", "0", "--out", "out").code == 0
    assert card.is_file()  # what is missing is made again
    assert run("face", photo, "--threshold", "0", "--out", "out", "--files", "crop").code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.??g")) == ["astronaut.face1.crop.jpg"]


def test_what_is_known_is_told_among_the_rest_in_order(run: Run, people: Path) -> None:
    folder = people / "Bob"
    asked = ("--threshold", "0", "--out", "out", "--files", "crop", "--json", "-")
    assert run("face", folder / "0.png", folder / "2.png", *asked).code == 0
    outcome = run("face", folder, *asked)
    assert [Path(record["picture"]).name for record in outcome.lines] == ["0.png", "1.png", "2.png"]
    assert "3 faces in 3 pictures (2 done before, " in outcome.err
    assert outcome.err.splitlines()[-1].endswith(" → out/")


def test_nothing_is_written_without_a_folder(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("face", photo, "--threshold", "0", "--overwrite").code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_what_cannot_be_written_fails_alone_and_keeps_what_was_there(run: Run, people: Path, tmp_path: Path) -> None:
    folder, out = people / "Bob", tmp_path / "out"
    asked = ("face", folder, "--threshold", "0", "--out", "out", "--files", "crop,card")
    assert run(*asked).code == 0
    (out / "1.face1.card.png").unlink()
    (out / "1.face1.card.png").mkdir()
    outcome = run(*asked, "--language", "de", "--json", "-")
    assert outcome.code == 1
    assert [record["code"] for record in outcome.lines] == [0, 1, 0]
    assert outcome.err.count("cannot be written") == 1
    assert "1 without an answer" in outcome.err
    known = [json.loads(line) for line in (out / "faces.jsonl").read_text().splitlines()]
    assert sorted((one["file"], one["settings"]["language"]) for one in known) == [
        ("0.face.json", "de"), ("1.face.json", "en"), ("2.face.json", "de")
    ]  # fmt: skip
    (out / "1.face1.card.png").rmdir()
    assert run(*asked, "--language", "de").code == 0
    assert not list(out.rglob("*.part"))


@pytest.mark.long
def test_no_link_leads_out_of_the_folder(run: Run, people: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "mine.jpg").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "0.face1.crop.jpg").symlink_to(outside / "mine.jpg")
    assert run("face", people / "Bob", "--threshold", "0", "--out", "out").code == 0
    assert (outside / "mine.jpg").read_text() == "mine"
    assert not (out / "0.face1.crop.jpg").is_symlink()
    (out / "Bob").symlink_to(outside / "sub")
    outcome = run("face", people, "--threshold", "0", "--out", "out", "--language", "de")
    assert outcome.code == 1
    assert "leads out of out" in outcome.err
    assert list((outside / "sub").iterdir()) == []
    assert list(out.glob("*/2.face1.card.png"))


@pytest.mark.long
def test_a_line_that_was_tampered_with_leads_nowhere(run: Run, photo: Path, tmp_path: Path) -> None:
    asked = ("face", photo, "--threshold", "0", "--out", "out", "--files", "crop", "--json", "-")
    assert run(*asked).code == 0
    lines = tmp_path / "out" / "faces.jsonl"
    (line,) = lines.read_text().splitlines()
    (tmp_path / "mine.jpg").write_text("mine")
    (tmp_path / "out" / "mine.jpg").write_text("mine")
    for file in ("../mine.jpg", "faces.jsonl", "a\0b"):
        record = json.loads(line)
        record["results"][0]["files"]["card"] = file
        lines.write_text(json.dumps(record) + "\n")
        assert run(*asked, "--overwrite").code == 0
        assert len(lines.read_text().splitlines()) == 1
        assert (tmp_path / "mine.jpg").is_file()
        assert (tmp_path / "out" / "mine.jpg").is_file()
    for change in (
        {"results": [{}]},
        {"results": "x"},
        {"file": "../face.json"},
        {"settings": {"a": [[]]}},
        {"stamp": 1},
    ):
        lines.write_text(json.dumps({**json.loads(line), **change}).replace("[[]]", "[" * 700 + "]" * 700) + "\n")
        assert run(*asked).code == 0


@pytest.mark.skipif(os.name != "posix", reason="names as POSIX has them")
@pytest.mark.long
def test_odd_names_are_spelled_out(run: Run, people: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\x1b[2J")
    (people / "Bob").rename(people / name)
    folder = people / name
    (folder / "1.png").rename(folder / os.fsdecode(b"\xff\x1b[2J.png"))
    (folder / "2.png").write_bytes(b"")
    assert run("face", "enroll", "gallery", folder).code == 1
    outcomes = [
        run("face", folder, "--threshold", "0", "--out", "out", "--json", "j.jsonl", "--gallery", "gallery"),
        run("face", folder, "--threshold", "0", "--out", "out", "--json", "-", "--gallery", "gallery"),
        run("face", "people", "gallery"),
        run("face", "compare", folder / "0.png", folder / os.fsdecode(b"\xff\x1b[2J.png"), "--out", "two"),
        run("face", "remove", "gallery", name + "x"),
        run("face", "remove", "gallery", name),
    ]
    assert [outcome.code for outcome in outcomes] == [1, 1, 0, 0, 2, 0]
    assert len(outcomes[1].lines) == 3
    for outcome in outcomes:
        assert "\x1b" not in outcome.out + outcome.err


def test_a_comparison_has_its_folder_to_itself(run: Run, photo: Path) -> None:
    with only_run(Path("out")):
        outcome = run("face", "compare", photo, photo, "--out", "out")
    assert (outcome.code, "another run" in outcome.err) == (2, True)


def test_results_among_the_photographs_are_not_asked_about(run: Run, people: Path) -> None:
    asked = ("face", people / "Bob", "--threshold", "0", "--out", people / "Bob" / "out", "--json", "-")
    assert len(run(*asked).lines) == 3
    again = run(*asked)
    assert len(again.lines) == 3
    assert "3 done before" in again.err
