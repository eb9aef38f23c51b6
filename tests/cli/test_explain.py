"""`whylight explain` from files to files: what is written, what is said, and what happens when it runs again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from cli.conftest import Run, ledger
from whylight.cli.explain import sentence


def test_one_picture_is_told_in_one_line(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    exs = whylight.explain(whylight.load(model, device="cpu"), good / "a.jpg", targets=[0, 1, 2])
    ex = next(ex for ex in exs if not ex.is_blank)
    outcome = run("explain", good / "a.jpg", "--model", model, "--target", ex.target, "--out", "out")
    assert outcome.code == 0
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{good / 'a.jpg'}: {ex.label} ({100 * ex.probability:.1f} %), the evidence peaks at ")
    assert f"x={ex.peak[0]:.0f} y={ex.peak[1]:.0f}, " in line
    (file,) = (tmp_path / "out").glob("a.gradcam.*.png")
    assert line.endswith(f"→ {file.relative_to(tmp_path)}")
    with Image.open(file) as drawn:
        assert (np.asarray(drawn) == np.asarray(ex.overlay())).all()


@pytest.mark.parametrize(
    ("probability", "blank", "words"),
    [
        (
            0.998,
            False,
            "a.jpg: face (99.8 %), the evidence peaks at x=220 y=110, upper middle of the picture → out/a.png",
        ),
        (0.99996, False, "a.jpg: face (99.996 %), the evidence peaks"),
        (0.99999999, False, "a.jpg: face (> 99.9999 %), the evidence peaks"),
        (1.0, False, "a.jpg: face (100.0 %), the evidence peaks"),
        (1e-5, True, "a.jpg: face (0.001 %), no positive evidence for it anywhere → out/a.png"),
        (None, True, "a.jpg: face (score -1.5), no positive evidence"),
    ],
)
def test_the_sentence(probability: float | None, blank: bool, words: str) -> None:
    peak = {"peak_x": None if blank else 220.3, "peak_y": None if blank else 109.9, "width": 512, "height": 512}
    record = {
        "picture": "a.jpg",
        "label": "face",
        "score": -1.5,
        "probability": probability,
        "blank": blank,
        "file": "a.png",
    }
    assert sentence({**record, **peak}, Path("out")).startswith(words)
    if not blank:
        told = sentence({**record, **peak, "diffuse": True}, Path("out"))
        assert told.endswith("), evidence all over, in no place in particular → out/a.png")


def test_a_folder_with_a_broken_picture(run: Run, pictures: Path, model: str, tmp_path: Path) -> None:
    outcome = run("explain", pictures, "--model", model, "--out", "out", "--method", "gradcam,cam", "--target", "0")
    assert outcome.code == 1
    assert "broken.jpg" in outcome.err
    assert "6 explanations" in outcome.out
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert written == [f"{stem}.{method}.face.png" for stem in ("a", "b", "more/a") for method in ("cam", "gradcam")]
    (error,) = [json.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_text().splitlines()]
    assert error["picture"] == str(pictures / "broken.jpg")
    assert error["kind"] == "ImageError"
    records = ledger(tmp_path / "out")
    assert {(Path(r["picture"]).name, r["method"]) for r in records} == {
        (n, m) for n in ("a.jpg", "b.png") for m in ("cam", "gradcam")
    }
    for record in records:
        assert record["target"] == 0
        assert record["label"] == "face"
        assert 0 < record["probability"] < 1
        assert (tmp_path / "out" / record["file"]).is_file()
        assert record["blank"] == (record["peak_x"] is None)
        with Image.open(record["picture"]) as picture, Image.open(tmp_path / "out" / record["file"]) as drawn:
            assert (record["width"], record["height"]) == picture.size == drawn.size


def test_records_hold_what_the_library_says(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    run("explain", good, "--model", model, "--out", "out", "--save-map", "--target", "no face")
    loaded = whylight.load(model, device="cpu")
    for record in ledger(tmp_path / "out"):
        ex = whylight.explain(loaded, record["picture"], target="no face")
        assert record["score"] == pytest.approx(ex.score, abs=1e-4)
        assert record["probability"] == pytest.approx(ex.probability, abs=1e-5)
        assert (record["peak_x"], record["peak_y"]) == pytest.approx(ex.peak, abs=0.01)
        with np.load(tmp_path / "out" / record["map"]) as stored:
            assert np.abs(stored["map"] - ex.map.numpy()).max() < 1e-4


def test_json_on_stdout_is_json_alone(run: Run, pictures: Path, model: str) -> None:
    outcome = run("explain", pictures, "--model", model, "--json", "-")
    assert outcome.code == 1
    assert len(outcome.lines) == 3
    assert all(Path(line["file"]).is_file() and line["skipped"] is False for line in outcome.lines)
    again = run("explain", pictures / "a.jpg", "--model", model, "--json", "-")
    assert [line["skipped"] for line in again.lines] == [True]
    assert {**again.lines[0], "skipped": False} == outcome.lines[0]
    run("explain", pictures / "a.jpg", "--model", model, "--json", "result.json")
    assert json.loads(Path("result.json").read_text()) == again.lines[0]


def test_a_second_run_does_nothing_and_loads_no_model(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    run("explain", good, "--model", model, "--out", "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    weights = Path(model).read_bytes()
    facts = os.stat(model)
    try:  # the same size and date, but nothing that could be loaded
        Path(model).write_bytes(b"\0" * len(weights))
        os.utime(model, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        outcome = run("explain", good, "--model", model, "--out", "out")
    finally:
        Path(model).write_bytes(weights)
        os.utime(model, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert outcome.code == 0
    assert "3 done before, nothing left to do" in outcome.out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_only_what_is_missing_changed_or_asked_for_anew_is_done_again(
    run: Run, good: Path, model: str, tmp_path: Path
) -> None:
    def redone(*more: str) -> list[str]:
        lines = run("explain", good, "--model", model, "--out", "out", "--json", "-", *more).lines
        return sorted(Path(line["file"]).relative_to("out").as_posix() for line in lines if not line["skipped"])

    everything = redone("--target", "face")
    assert everything == ["a.gradcam.face.png", "b.gradcam.face.png", "more/a.gradcam.face.png"]
    assert redone("--target", "face") == []
    (tmp_path / "out" / "b.gradcam.face.png").unlink()
    assert redone("--target", "face") == ["b.gradcam.face.png"]
    shutil.copy(good / "b.png", good / "more" / "b.png")
    with Image.open(good / "a.jpg") as picture:
        picture.rotate(90).save(good / "a.jpg")
    assert redone("--target", "face") == ["a.gradcam.face.png", "more/b.gradcam.face.png"]
    assert redone("--target", "face,1") == [
        name.replace("face", "no_face") for name in (*everything, "more/b.gradcam.face.png")
    ]
    assert redone("--target", "face", "--method", "cam,gradcam") == [
        name.replace("gradcam", "cam") for name in (*everything, "more/b.gradcam.face.png")
    ]
    assert len(redone("--target", "face", "--colormap", "jet")) == 4
    assert len(redone("--target", "face", "--colormap", "jet", "--overwrite")) == 4
    files = [record["file"] for record in ledger(tmp_path / "out")]
    assert len(files) == len(set(files)) == 12


def test_equal_names_do_not_overwrite_each_other(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    shutil.copy(good / "b.png", good / "a.png")
    run("explain", good, "--model", model, "--out", "out", "--target", "0")
    names = {
        record["file"]: Path(record["picture"]).relative_to(good).as_posix() for record in ledger(tmp_path / "out")
    }
    assert names == {
        "a.jpg.gradcam.face.png": "a.jpg",
        "a.png.gradcam.face.png": "a.png",
        "b.gradcam.face.png": "b.png",
        "more/a.gradcam.face.png": "more/a.jpg",
    }
    # Another run into the same folder, whose pictures would take names that are in use.
    assert run("explain", good / "more", "--model", model, "--out", "out", "--target", "0").code == 0
    run("explain", good / "b.png", "--model", model, "--out", "out", "--target", "0", "--layer", "layer3")
    files = [record["file"] for record in ledger(tmp_path / "out")]
    assert len(files) == len(set(files)) == 5
    assert "b.gradcam.face-2.png" in files
    assert all((tmp_path / "out" / name).is_file() for name in files)


def test_raw_maps_do_not_overwrite_each_other_either(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """`a.png` and `a.jpg` are two names, but the maps beside them would both be `a.map.npz`."""
    common = ("--model", model, "--out", "out", "--save-map", "--target", "face")
    run("explain", good / "a.jpg", *common)
    run("explain", good / "more" / "a.jpg", *common, "--format", "jpg")
    run("explain", good / "a.jpg", *common, "--format", "jpg")  # the same map as the first, so it may share its file
    records = {(Path(r["picture"]).parent.name, Path(r["file"]).suffix): r["map"] for r in ledger(tmp_path / "out")}
    first, second = "a.gradcam.face.map.npz", "a.gradcam.face-2.map.npz"
    assert records == {("photos", ".png"): first, ("more", ".jpg"): second, ("photos", ".jpg"): first}
    for name, picture in ((first, good / "a.jpg"), (second, good / "more" / "a.jpg")):
        with np.load(tmp_path / "out" / name) as stored:
            assert str(stored["picture"]) == str(picture)


def test_results_among_the_pictures_are_not_explained_in_turn(run: Run, good: Path, model: str) -> None:
    first = run("explain", good, "--model", model, "--out", good, "--json", "-")
    assert len(first.lines) == 3
    again = run("explain", good, "--model", model, "--out", good, "--json", "-")
    assert [line["skipped"] for line in again.lines] == [True] * 3


def test_a_line_cut_short_by_a_kill_is_repaired(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    run("explain", good, "--model", model, "--out", "out")
    file = tmp_path / "out" / "explanations.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    outcome = run("explain", good, "--model", model, "--out", "out", "--json", "-")
    assert [line["skipped"] for line in outcome.lines] == [True, True, False]
    assert file.read_bytes().startswith(whole[: whole[:-1].rfind(b"\n") + 1])
    assert [record["file"] for record in ledger(tmp_path / "out")] == [
        json.loads(line)["file"] for line in whole.splitlines()
    ]


def test_labels_and_globs(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    outcome = run(
        "explain", "photos/*.jpg", "photos/b.png", "--model", model, "--target", "tench, Tinca tinca", "--json", "-"
    )
    assert [Path(line["file"]).name for line in outcome.lines] == [
        "a.gradcam.tench_Tinca_tinca.png",
        "b.gradcam.tench_Tinca_tinca.png",
    ]


@pytest.mark.parametrize("style", ["panel", "map", "overlay"])
def test_styles_and_formats(run: Run, good: Path, model: str, style: str) -> None:
    arguments = ("--style", style, "--format", "jpg", "--alpha", "0.8", "--colormap", "viridis", "--target", "0")
    (line,) = run("explain", good / "a.jpg", "--model", model, *arguments, "--json", "-").lines
    assert Path(line["file"]).name == f"a.gradcam.face{'' if style == 'overlay' else f'.{style}'}.jpg"
    with Image.open(line["file"]) as drawn:
        assert drawn.format == "JPEG"
        assert (drawn.size == (120, 90)) == (style != "panel")


def test_names_from_a_file(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Gesicht\nkein Gesicht\nSchleie\n", encoding="utf-8")
    (line,) = run(
        "explain", good / "a.jpg", "--model", model, "--classes", "names.txt", "-t", "Schleie", "--json", "-"
    ).lines
    assert line["target"] == 2
    assert line["file"].endswith("a.gradcam.Schleie.png")


def test_weights_from_elsewhere(run: Run, good: Path, tmp_path: Path) -> None:
    import torch

    from whylight.models.zoo.architectures import build

    torch.save(build("test_resnet", classes=2).state_dict(), tmp_path / "net.pth")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    arguments = ("--model", "test_resnet", "--weights", "net.pth", "--classes", "names.txt", "--target", "dog")
    (line,) = run("explain", good / "a.jpg", *arguments, "--json", "-").lines
    assert (line["target"], line["label"]) == (1, "dog")


def test_one_picture_goes_into_the_file_that_out_names(
    run: Run, photo: Path, good: Path, model: str, tmp_path: Path
) -> None:
    outcome = run("explain", photo, "--out", "sub/res.png", "--save-map", "--json", "-")
    assert outcome.code == 0, outcome.err
    (line,) = outcome.lines
    assert (line["file"], line["map"]) == ("sub/res.png", "sub/res.map.npz")
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == ["res.map.npz", "res.png"]
    with Image.open(tmp_path / "sub" / "res.png") as made, Image.open(photo) as picture:
        assert made.size == picture.size
    again = run("explain", photo, "--out", "res.jpeg", "--style", "grid", "--method", "gradcam,layercam")
    assert again.code == 0, again.err
    assert "→ res.jpeg" in again.out
    with Image.open(tmp_path / "res.jpeg") as grid:
        assert grid.format == "JPEG"
    for arguments, words in (
        ((good,), "asks for the folder"),
        ((photo, photo), "asks for 2 inputs"),
        ((photo, "--method", "gradcam,cam"), "asks for 2 maps (--style grid puts them side by side)"),
        ((photo, "--target", "top2"), "asks for 2 maps"),
        ((photo, "--html"), "a page beside it"),
    ):
        refused = run("explain", *arguments, "--out", "res.svg")
        assert (refused.code, words in refused.err) == (2, True), refused.err
    assert not (tmp_path / "res.svg").exists()
