"""`--html`: all results of a folder as one page, whatever ran before, was stopped, failed or is gone since."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from cli.conftest import Run, ledger
from pages.reading import data_of, pictures_of


@pytest.fixture
def labelled(tmp_path: Path, photo: Path) -> Path:
    """Pictures in folders, two of which are called like classes of the model."""
    folder = tmp_path / "data"
    for place, name in enumerate(("face/a.jpg", "tench/b.jpg", "2/c.jpg", "holiday/d.jpg", "e.jpg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photo) as picture:
            picture.resize((100 + place, 80)).save(folder / name)
    return folder


def views(page: Path) -> dict[str, list[dict[str, object]]]:
    return {entry["name"]: entry.get("views", []) for entry in data_of(page)["entries"]}


def test_every_answer_is_on_the_page(run: Run, pictures: Path, model: str, tmp_path: Path) -> None:
    command = ("explain", pictures, "--model", model, "--method", "gradcam,cam", "--verify", "--html", "--out", "out")
    outcome = run(*command)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == "all results on one page → out/index.html"
    page = tmp_path / "out" / "index.html"
    data, records = data_of(page), ledger(tmp_path / "out")
    entries = {entry["name"]: entry for entry in data["entries"]}
    assert list(entries) == ["a.jpg", "b.png", "broken.jpg", "more/a.jpg"]
    assert [question["name"] for question in data["questions"]] == ["gradcam", "cam"]
    assert entries["broken.jpg"]["error"].startswith("the picture is damaged or cut short")
    assert entries["a.jpg"]["size"] == [120, 90]
    for record in records:
        name = os.path.relpath(record["picture"], pictures)
        place = ["gradcam", "cam"].index(record["method"])
        (view,) = [view for view in entries[name]["views"] if view["question"] == place]
        assert view["label"] == record["label"]
        assert view["value"] == pytest.approx(record["probability"], rel=1e-5)
        assert view["receipt"] == record["verified"]["sentence"]
        assert view.get("holds") == record["verified"]["holds"]
        assert (tmp_path / "out" / view["file"]).is_file()
        assert ("layer" in view) != record["blank"]
        assert ("nothing" in view) == record["blank"]
        assert "right" not in view  # no folder is called like a class
    assert str(tmp_path) not in page.read_text()  # who gets the page need not know where it was made


def test_labels_are_the_folders_called_like_classes(run: Run, labelled: Path, model: str, tmp_path: Path) -> None:
    assert run("explain", labelled, "--model", model, "--method", "cam", "--html", "--out", "out").code == 0
    entries = {entry["name"]: entry for entry in data_of(tmp_path / "out" / "index.html")["entries"]}
    truths = {name: entry.get("truth") for name, entry in entries.items()}
    assert truths == {
        "face/a.jpg": "face",
        "tench/b.jpg": "tench, Tinca tinca",
        "2/c.jpg": None,
        "holiday/d.jpg": None,
        "e.jpg": None,
    }
    for record in ledger(tmp_path / "out"):
        name = os.path.relpath(record["picture"], labelled)
        (view,) = entries[name]["views"]
        assert view.get("right") == (None if truths[name] is None else record["label"] == truths[name])


def test_a_class_that_was_asked_for_is_not_the_model_s_answer(
    run: Run, labelled: Path, model: str, tmp_path: Path
) -> None:
    out = ("--model", model, "--html", "--out", "out")
    assert run("explain", labelled, *out, "--target", "face").code == 0
    page = tmp_path / "out" / "index.html"
    assert not any("right" in view for some in views(page).values() for view in some)
    assert run("explain", labelled, *out, "--target", "face,top1").code == 0
    answer = {
        os.path.relpath(r["picture"], labelled): r["label"] for r in ledger(tmp_path / "out") if r["asked"] == "rank0"
    }
    told = views(page)
    assert [len(told[name]) for name in answer] == [2] * 5
    assert [view["right"] for view in told["face/a.jpg"]] == [answer["face/a.jpg"] == "face"] * 2


def test_a_done_folder_needs_no_model(run: Run, labelled: Path, model: str, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copy(model, own)
    command = ("explain", labelled, "--model", own, "--html", "--out", "out")
    assert run(*command).code == 0
    page = tmp_path / "out" / "index.html"
    before, facts = page.read_bytes(), own.stat()
    page.unlink()
    own.write_bytes(b"\0" * facts.st_size)  # whoever loads it now is told so
    os.utime(own, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    outcome = run(*command)
    assert outcome.code == 0
    assert "nothing left to do" in outcome.out
    assert page.read_bytes() == before


def test_a_folder_made_without_a_page_gets_one(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    command = ("explain", good, "--model", model, "--target", "0,1,2", "--out", "out")
    assert run(*command).code == 0
    assert not (tmp_path / "out" / "index.html").exists()
    assert run(*command, "--html").out.count("9 done before") == 1
    page = tmp_path / "out" / "index.html"
    told = [view for some in views(page).values() for view in some]
    assert len(told) == 9
    assert {view["kind"] for view in told if "layer" in view} == {"drawn"}  # what was drawn serves as it is
    assert all(data[8:12] == b"WEBP" for data in pictures_of(page))


def test_a_run_that_goes_on_has_the_whole_folder_on_its_page(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    assert run("explain", good / "a.jpg", "--model", model, "--html", "--out", "out").code == 0
    shutil.rmtree(tmp_path / "out" / ".page")
    assert run("explain", good, "--model", model, "--html", "--out", "out").code == 0
    page = tmp_path / "out" / "index.html"
    assert set(views(page)) == {"a.jpg", "b.png", "more/a.jpg"}
    assert len(pictures_of(page)) >= 3


def test_what_is_gone_leaves_the_page(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    command = ("explain", good, "--model", model, "--html", "--out", "out")
    assert run(*command).code == 0
    kept = len(list((tmp_path / "out" / ".page").iterdir()))
    (good / "b.png").unlink()
    (
        tmp_path / "out" / next(r["file"] for r in ledger(tmp_path / "out") if r["picture"].endswith("more/a.jpg"))
    ).unlink()
    (good / "more" / "a.jpg").unlink()
    assert run(*command).code == 0
    assert list(views(tmp_path / "out" / "index.html")) == ["a.jpg"]
    assert len(list((tmp_path / "out" / ".page").iterdir())) < kept


def test_results_with_other_settings_are_questions_of_their_own(
    run: Run, good: Path, model: str, tmp_path: Path
) -> None:
    command = ("explain", good, "--model", model, "--html", "--out", "out")
    assert run(*command, "--layer", "layer1").code == 0
    assert run(*command, "--colormap", "jet").code == 0
    assert run(*command, "--style", "panel").code == 0
    data = data_of(tmp_path / "out" / "index.html")
    assert [question["name"] for question in data["questions"]] == ["gradcam", "gradcam · layer layer1"]
    assert all(sorted(view["question"] for view in entry["views"]) == [0, 1] for entry in data["entries"])


def test_somebody_else_s_page_is_left_alone(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("<h1>My holiday</h1>")
    outcome = run("explain", good, "--model", model, "--html", "--out", "out")
    assert outcome.code == 2
    assert "index.html is not a page of whylight's" in outcome.err
    assert (tmp_path / "out" / "index.html").read_text() == "<h1>My holiday</h1>"


def test_hostile_file_names(run: Run, tmp_path: Path, photo: Path, model: str) -> None:
    names = [
        "<img src=x onerror=alert(1)>.jpg",
        "a\u202egpj.jpg",
        os.fsdecode(b"caf\xe9.jpg"),
        "javascript:alert(1)#x?.jpg",
    ]
    (tmp_path / "in").mkdir()
    for name in names:
        shutil.copy(photo, tmp_path / "in" / name)
    assert run("explain", tmp_path / "in", "--model", model, "--html", "--out", "out").code == 0
    page = tmp_path / "out" / "index.html"
    told = views(page)
    assert set(told) == {
        "<img src=x onerror=alert(1)>.jpg",
        "a\\u202egpj.jpg",
        "caf\\xe9.jpg",
        "javascript:alert(1)#x?.jpg",
    }
    assert "<img src=x" not in page.read_text()
    links = {view["file"] for some in told.values() for view in some}
    assert all(str(link).startswith("./") and not set("<>#?\u202e") & set(str(link)) for link in links)


def test_locate_draws_its_boxes(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(photo, tmp_path / "in")
    command = ("locate", tmp_path / "in", "--model", "face", "--fast", "--html", "--out", "out")
    outcome = run(*command)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "all results on one page → out/index.html"
    page = tmp_path / "out" / "index.html"
    (record,) = [json.loads(line) for line in (tmp_path / "out" / "boxes.jsonl").read_text().splitlines()]
    ((view,),) = views(page).values()
    assert len(pictures_of(page)) == 1
    wanted = [[box[key] / 512 for key in ("x0", "y0", "x1", "y1")] for box in record["boxes"]]
    assert wanted
    assert view["boxes"] == [pytest.approx(box, rel=1e-5) for box in wanted]
    again = page.read_bytes()
    assert run(*command).code == 0  # done before: the page is not a setting of the boxes
    assert page.read_bytes() == again


def test_faces_with_their_sentences(run: Run, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photo, folder)
    Image.new("RGB", (200, 200), "grey").save(folder / "nobody.jpg")
    outcome = run("face", folder, "--html", "--out", "out")
    assert outcome.code == 3
    assert outcome.out.splitlines()[-1] == "all results on one page → out/index.html"
    entries = {entry["name"]: entry for entry in data_of(tmp_path / "out" / "index.html")["entries"]}
    (view,) = entries["astronaut.jpg"]["views"]
    assert str(view["sentence"]).startswith("There is a face")
    assert view["kind"] == "drawn"
    assert "layer" in view
    assert "views" not in entries["nobody.jpg"]
    assert str(entries["nobody.jpg"]["error"]).startswith("no face")  # the path is not said again


def test_a_page_of_faces_needs_a_folder(run: Run, photo: Path) -> None:
    outcome = run("face", photo, "--html")
    assert outcome.code == 2
    assert "--html: the page goes into the folder of the results; give --out FOLDER" in outcome.err


def test_without_its_model_a_done_folder_has_a_page_without_labels(
    run: Run, labelled: Path, model: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.safetensors"
    shutil.copy(model, own)
    command = ("explain", labelled, "--model", own, "--out", "out")
    assert run(*command).code == 0
    facts = own.stat()
    own.write_bytes(b"\0" * facts.st_size)
    os.utime(own, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    outcome = run(*command, "--html")
    assert outcome.code == 0
    assert "the page tells nothing correct or wrong, since the model's classes are not known: " in outcome.err
    assert len(views(tmp_path / "out" / "index.html")) == 5
    shutil.copy2(model, own)
    os.utime(own, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert run(*command, "--html").err == ""
    entries = data_of(tmp_path / "out" / "index.html")["entries"]
    assert sum("truth" in entry for entry in entries) == 2
