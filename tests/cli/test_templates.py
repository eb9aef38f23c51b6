"""`--name`: results called as people want them, in folders if they like, never outside, and never two the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Run, ledger
from whylight.errors import WhylightError
from whylight.jobs import Job
from whylight.jobs.templates import FIELDS, Template

FACTS = {"method": "gradcam++", "label": "tench, Tinca tinca", "target": 0, "probability": 0.98765, "score": 3.25}


def files(out: Path) -> list[str]:
    found = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith((".jsonl", ".json")) and not name.startswith("."))


@pytest.mark.parametrize(
    ("text", "stem", "place"),
    [
        ("{stem}-{method}-{label}", "a", "a-gradcam++-tench_Tinca_tinca"),
        ("{stem}-{method}-{label}", "sub/a", "sub/a-gradcam++-tench_Tinca_tinca"),  # mirrored, as ever
        ("{label}/{stem}", "sub/a", "tench_Tinca_tinca/a"),  # not mirrored: the place is said
        ("{folder}/{target}/{stem}", "sub/deep/a", "sub/deep/0/a"),
        ("{folder}/{stem}", "a", "a"),
        ("x{folder}-{stem}", "sub/deep/a", "xsub_deep-a"),
        ("{probability}-{score} {stem}.png", "a", "0.988-3.250 a"),
        ("{{{stem}}}", "a", "{a}"),
        ("{stem}-{model}-{style}", "a.b", "a.b-none-none"),
        ("{stem}", "..", "_"),
        ("..{stem}", "x", "..x"),
        ("{method}{label}", "sub/a", "sub/gradcam++tench_Tinca_tinca"),
    ],
)
def test_places(text: str, stem: str, place: str) -> None:
    assert Template(text, "png").place(stem, FACTS) == place
    assert Template(text, "png").place(stem, FACTS, taken=2) == f"{place}-3"


@pytest.mark.parametrize(
    "label", ["../../etc/passwd", "/etc/passwd", "..", ".", "", "\x00\n", "a" * 999, "C:\\x", "é" * 300]
)
@pytest.mark.parametrize("text", ["{label}/{stem}", "{stem}/{label}", "{stem}{label}", "{label}/{label}/{label}"])
def test_no_name_leads_out(label: str, text: str, tmp_path: Path) -> None:
    place = Template(text, "png").place("a", {**FACTS, "label": label})
    path = Path(f"{tmp_path}/{place}.map.npz")
    assert path.resolve().is_relative_to(tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert ".." not in path.parts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{stm}", "{stm} is no field, did you mean {stem}?; there are {stem}, {folder}, "),
        ("{stem.__class__}", "{stem.__class__} is no field"),
        ("{stem[0]}", "is no field"),
        ("{stem!r}", "{stem!r} is no field"),
        ("{target:05}-{stem}", "{target:05} is no field"),
        ("{}", "{} is no field"),
        ("{0}", "is no field"),
        ("{stem", "a brace that is meant is written twice"),
        ("stem}", "a brace that is meant is written twice"),
        ("../{stem}", "leads out of the results folder"),
        ("a/../../{stem}", "leads out"),
        ("/tmp/{stem}", "leads out"),
        ("{label}/", "leads out"),
        ("", "leads out"),
        ("a\\{stem}", "a backslash"),
        ("a\n{stem}", "a control character"),
        ("result", "all results would have one name"),
        ("{folder}/{style}", "all results would have one name"),
        ("{stem}.pdf", "it ends in .pdf: say --format pdf"),
    ],
)
def test_templates_that_cannot_be_used(text: str, says: str, run: Run, good: Path, model: str, tmp_path: Path) -> None:
    with pytest.raises(WhylightError) as caught:
        Template(text, "png")
    assert says in str(caught.value)
    outcome = run("explain", good, "--model", model, "--out", "out", "--name", text)
    assert outcome.code == 2
    assert "whylight: --name" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_results_sorted_into_folders_by_class(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    command = (
        "explain",
        good,
        "--model",
        model,
        "-t",
        "top2",
        "--save-map",
        "-o",
        "out",
        "--name",
        "{label}/{stem}-{method}",
    )
    outcome = run(*command, "--json", "-")
    assert outcome.code == 0, outcome.err
    out = tmp_path / "out"
    assert [Path(line["file"]).is_file() and Path(line["map"]).is_file() for line in outcome.lines] == [True] * 6
    names = files(out)
    assert len(names) == 12
    assert {Path(name).parent.name for name in names} <= {"face", "no_face", "tench_Tinca_tinca"}
    for line in outcome.lines:
        stem = line["file"].removesuffix(".png")
        assert line["map"] == f"{stem}.map.npz"
        with np.load(line["map"]) as raw:
            assert str(raw["label"]) == line["label"]
    assert any("-2.png" in name for name in names)  # two pictures are called a.jpg
    again = run(*command, "--json", "-")
    assert [line["skipped"] for line in again.lines] == [True] * 6
    assert files(out) == names


def test_two_results_of_one_name_are_numbered(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    outcome = run(
        "explain", good / "a.jpg", "--model", model, "--method", "cam,gradcam", "-o", "out", "--name", "{stem}"
    )
    assert outcome.code == 0, outcome.err
    assert files(tmp_path / "out") == ["a-2.png", "a.png"]


def test_no_picture_is_overwritten(run: Run, good: Path, model: str) -> None:
    before = {path: path.read_bytes() for path in good.rglob("*.*")}
    run("explain", good, "--model", model, "-o", good, "--name", "{stem}", "--format", "jpg", "--save-map")
    assert {path: path.read_bytes() for path in before} == before
    assert (good / "a-2.jpg").is_file()
    assert (good / "more" / "a-2.jpg").is_file()
    assert (good / "b.jpg").is_file()  # beside b.png


def test_another_template_renames_what_is_there(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """Nothing is computed again, nothing is left behind, and there is no way that a result is lost on."""
    out = tmp_path / "out"
    command = ("explain", good, "--model", model, "-o", out, "--save-map", "--json", "-")
    first = run(*command)
    bytes_before = {Path(line["file"]).read_bytes() for line in first.lines}
    for template in ("{label}/{stem}", "{stem}-{target}", None, "{method}/{folder}/{stem}"):
        renamed = run(*command, *(() if template is None else ("--name", template)))
        assert renamed.code == 0, renamed.err
        assert [line["skipped"] for line in renamed.lines] == [True] * 3
        assert len(files(out)) == 6
        assert len(ledger(out)) == 3
        assert {Path(line["file"]).read_bytes() for line in renamed.lines} == bytes_before
        assert sorted(files(out)) == sorted(record[key] for record in ledger(out) for key in ("file", "map"))
        assert not [path for path in out.rglob("*") if path.is_dir() and not any(path.iterdir())]
        assert Job.read(out).settings["name"] == template
    assert (out / "gradcam" / "more" / "a.png").is_file()
    # What is made again takes its new name, too.
    assert run(*command, "--overwrite", "--name", "{stem}!").code == 0
    assert len(files(out)) == 6
    assert all("!" in name for name in files(out))
    assert len(ledger(out)) == 3


def test_a_rename_that_was_interrupted_is_made_good(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("explain", good / "a.jpg", "--model", model, "-o", out)
    run(*command)
    (record,) = ledger(out)
    (out / "x").mkdir()
    shutil.move(out / record["file"], out / "x" / "a.png")  # killed before it was noted down
    assert run(*command, "--name", "x/{stem}").code == 0
    assert files(out) == ["x/a.png"]
    assert [one["file"] for one in ledger(out)] == ["x/a.png"]


def test_a_map_of_two_drawings_is_kept_for_both(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ("explain", good / "a.jpg", "--model", model, "-o", out, "--save-map", "-t", "face")
    run(*common)
    run(*common, "--style", "panel")
    assert files(out) == ["a.gradcam.face.map.npz", "a.gradcam.face.panel.png", "a.gradcam.face.png"]
    assert run(*common, "--name", "moved-{stem}").code == 0
    assert files(out) == ["a.gradcam.face.map.npz", "a.gradcam.face.panel.png", "moved-a.map.npz", "moved-a.png"]
    again = run(*common, "--style", "panel", "--json", "-")
    assert [line["skipped"] for line in again.lines] == [True]


def test_a_panels_map_is_another_where_it_is_another(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """The names of the pictures differ by style, those of the maps do not: the mirrored average must not take the plain one's."""
    out = tmp_path / "out"
    common = (
        "explain",
        good / "a.jpg",
        "--model",
        model,
        "-o",
        out,
        "--save-map",
        "-t",
        "face",
        "--method",
        "hirescam",
    )
    run(*common)
    run(*common, "--style", "panel", "--flip")
    plain, flipped = (record["map"] for record in ledger(out))
    assert plain != flipped
    with np.load(out / plain) as one, np.load(out / flipped) as two:
        assert not np.array_equal(one["map"], two["map"])


def test_maps_of_earlier_versions_stay_good(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("explain", good / "a.jpg", "--model", model, "-o", out, "--save-map", "-t", "face")
    run(*command)
    ledger_file = out / "explanations.jsonl"
    ledger_file.write_text(ledger_file.read_text().replace(".map.npz", ".npz"))
    (out / "a.gradcam.face.map.npz").rename(out / "a.gradcam.face.npz")
    again = run(*command, "--json", "-")
    assert (again.lines[0]["skipped"], again.lines[0]["map"]) == (True, str(out / "a.gradcam.face.npz"))
    run(*command, "--alpha", "0.7")  # drawn anew: the map is called as maps are now, and lies there once
    assert files(out) == ["a.gradcam.face.map.npz", "a.gradcam.face.png"]


def test_a_map_that_was_not_asked_for_before_is_made(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    command = ("explain", good / "a.jpg", "--model", model, "-o", "out", "-t", "face")
    run(*command)
    assert run(*command, "--save-map").code == 0
    assert files(tmp_path / "out") == ["a.gradcam.face.map.npz", "a.gradcam.face.png"]
    run(*command, "--overwrite", "--alpha", "0.7")
    assert "a.gradcam.face.map.npz" in files(tmp_path / "out")  # a raw map that was asked for stays


@pytest.mark.parametrize("style", ["overlay", "panel", "map"])
@pytest.mark.parametrize("format_", ["pdf", "svg"])
def test_for_papers(run: Run, good: Path, model: str, style: str, format_: str) -> None:
    outcome = run("explain", good / "a.jpg", "--model", model, "--style", style, "--format", format_, "--json", "-")
    assert outcome.code == 0, outcome.err
    data = Path(outcome.lines[0]["file"]).read_bytes()
    assert data.startswith(b"%PDF" if format_ == "pdf" else b"<?xml")
    assert Path(outcome.lines[0]["file"]).suffix == f".{format_}"
    if style == "panel" and format_ == "svg":
        assert outcome.lines[0]["label"].encode() in data
    again = run("explain", good / "a.jpg", "--model", model, "--style", style, "--format", format_, "--overwrite")
    assert again.code == 0
    assert Path(outcome.lines[0]["file"]).read_bytes() == data


def test_fields_are_those_of_the_record(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    name = "-".join(f"{{{field}}}" for field in FIELDS if field != "folder")
    outcome = run(
        "explain", good / "b.png", "--model", model, "-t", "no face", "-o", "out", "--name", name, "--json", "-"
    )
    assert outcome.code == 0, outcome.err
    line = outcome.lines[0]
    shown = f"b-gradcam-no_face-1-overlay-{model.replace('/', '_').replace('.', '_').strip('_')[:80]}"
    assert Path(line["file"]).name.startswith(shown[:60])
    assert f"{line['probability']:.3f}-{line['score']:.3f}.png" in line["file"]
    with Image.open(line["file"]) as drawn:
        assert drawn.size == (90, 120)


def test_a_grid_has_one_name_for_all_its_maps(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("explain", good / "a.jpg", "--model", model, "--method", "cam,gradcam", "-t", "face", "--style", "grid")
    command += ("-o", out, "--save-map", "--json", "-")
    assert run(*command, "--name", "{stem}-{method}").code == 0
    named = ["a-cam+gradcam.png", "a-cam.map.npz", "a-gradcam.map.npz"]
    assert files(out) == named
    before = (out / named[0]).read_bytes()
    for template, file in (("{label}/{stem}", "face/a.png"), (None, "a.grid.png"), ("{stem}-{method}", named[0])):
        outcome = run(*command, *(() if template is None else ("--name", template)))
        assert [line["skipped"] for line in outcome.lines] == [True, True], outcome.err
        assert {Path(line["file"]) for line in outcome.lines} == {out / file}
        assert (out / file).read_bytes() == before
        assert len(files(out)) == 3
        assert len(ledger(out)) == 2
        for line in outcome.lines:
            with np.load(line["map"]) as raw:
                assert str(raw["method"]) == line["method"]
    assert files(out) == named


@pytest.mark.parametrize("format_", ["pdf", "svg"])
def test_a_grid_for_papers(run: Run, good: Path, model: str, format_: str) -> None:
    command = (
        "explain",
        good / "a.jpg",
        "--model",
        model,
        "--method",
        "cam,gradcam",
        "--style",
        "grid",
        "--format",
        format_,
    )
    outcome = run(*command, "--json", "-", "--html")
    assert outcome.code == 0, outcome.err
    file = Path(outcome.lines[0]["file"])
    assert file.name == f"a.grid.{format_}"
    data = file.read_bytes()
    if format_ == "svg":
        assert b">gradcam<" in data
    else:
        assert b"/FontFile2" in data
    again = run(*command, "--overwrite")
    assert again.code == 0
    assert file.read_bytes() == data


def test_a_page_of_documents_says_where_they_are(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """A browser shows no PDF as a picture; whoever made results without a page in mind finds them by their link."""
    command = (
        "explain",
        good / "a.jpg",
        "--model",
        model,
        "-t",
        "no face",
        "--method",
        "hirescam",
        "--format",
        "pdf",
        "-o",
        "out",
    )
    assert run(*command).code == 0
    assert run(*command, "--html").code == 0
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "a.hirescam.no_face.pdf" in page
    assert "Drawn as a document: open the file" in page
