"""`whylight explain --style grid`: one file for each picture, a line for each map, made again when anything in it changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from cli.conftest import Run, ledger
from whylight import jobs
from whylight.errors import WhylightError

ASK = ("--target", "0,1", "--style", "grid", "--out", "out")


def lines(out: Path) -> list[tuple[str, str, str]]:
    return sorted((Path(one["file"]).name, one["method"], one["label"]) for one in ledger(out))


def test_a_grid_is_what_the_library_draws(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    outcome = run("explain", good, "--model", model, "--method", "gradcam,cam", *ASK)
    assert outcome.code == 0
    assert "12 explanations" in outcome.out
    out = tmp_path / "out"
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert names == ["a.grid.png", "b.grid.png", "more/a.grid.png"]
    loaded = whylight.load(model, device="cpu")
    for name, picture in zip(names, ("a.jpg", "b.png", "more/a.jpg"), strict=True):
        exs = whylight.explain(loaded, good / picture, methods=["gradcam", "cam"], targets=[0, 1])
        with Image.open(out / name) as drawn:
            assert np.abs(np.asarray(drawn).astype(int) - np.asarray(whylight.grid(exs))).max() <= 2
        mine = [one for one in ledger(out) if one["file"] == name]
        assert [(one["method"], one["label"]) for one in mine] == [(ex.method, ex.label) for ex in exs]
        assert [one["score"] for one in mine] == pytest.approx([ex.score for ex in exs], abs=1e-4)


def test_a_second_run_does_nothing_and_one_more_method_draws_it_anew(
    run: Run, good: Path, model: str, tmp_path: Path
) -> None:
    def skipped(*methods: str) -> list[bool]:
        found = run("explain", good / "a.jpg", "--model", model, "--method", ",".join(methods), *ASK, "--json", "-")
        return [line["skipped"] for line in found.lines]

    out, grid = tmp_path / "out", tmp_path / "out" / "a.grid.png"
    assert skipped("gradcam") == [False] * 2
    first = grid.read_bytes()
    assert skipped("gradcam") == [True] * 2
    assert skipped("gradcam", "cam") == [False] * 4, "all of it is in the new one"
    assert grid.read_bytes() != first
    assert skipped("gradcam", "cam") == [True] * 4
    assert lines(out) == [("a.grid.png", m, t) for m in ("cam", "gradcam") for t in ("face", "no face")]
    assert skipped("gradcam") == [False] * 2
    assert grid.read_bytes() == first
    assert lines(out) == [("a.grid.png", "gradcam", t) for t in ("face", "no face")], (
        "no line names what is shown no longer"
    )
    grid.unlink()
    assert skipped("gradcam") == [False] * 2
    assert len((out / "explanations.jsonl").read_text().splitlines()) == 2


def test_a_grid_noted_in_part_is_made_again_whole(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    arguments = ("explain", good, "--model", model, "--method", "gradcam,cam", *ASK, "--json", "-")
    run(*arguments)
    store = tmp_path / "out" / "explanations.jsonl"
    every, before = store.read_text().splitlines(keepends=True), lines(tmp_path / "out")
    store.write_text("".join(every[:-3]))  # as a kill between two lines of one picture leaves it
    assert sorted(line["skipped"] for line in run(*arguments).lines) == [False] * 4 + [True] * 8
    assert len(store.read_text().splitlines()) == len(every), "none is there twice"
    assert lines(tmp_path / "out") == before


def test_raw_maps_of_a_grid_have_names_of_their_own(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    common = ("explain", good / "a.jpg", "--model", model, "--method", "gradcam,cam", "--save-map", "--out", "out")
    run(*common, "--target", "0")
    run(*common, "--target", "0", "--style", "grid")
    records = ledger(tmp_path / "out")
    assert len({one["map"] for one in records}) == 4
    for one in records:
        with np.load(tmp_path / "out" / one["map"]) as stored:
            assert str(stored["method"]) == one["method"]
    outcome = run(*common, "--target", "0", "--json", "-")
    assert [line["skipped"] for line in outcome.lines] == [True, True], "what was there before stays"


def test_another_model_draws_another_grid(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    for name in (model, "face"):
        assert run("explain", good / "a.jpg", "--model", name, "--style", "grid", "--out", "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a.grid-2.png", "a.grid.png"]


def test_grids_among_the_pictures_are_not_explained_in_turn(run: Run, good: Path, model: str) -> None:
    for _ in range(2):
        outcome = run("explain", good, "--model", model, "--style", "grid", "--out", good / "out", "--json", "-")
        assert {Path(line["picture"]).name for line in outcome.lines} == {"a.jpg", "b.png"}


def test_more_than_fits_is_refused_before_a_model_is_loaded(good: Path, tmp_path: Path) -> None:
    job = jobs.Job("explain", [str(good)], str(tmp_path / "out"), model="nowhere", settings={"style": "grid"})
    asked = {"methods": [f"m{number}" for number in range(21)], "targets": ["top20"]}
    with pytest.raises(WhylightError, match="style: a grid has room for 400 maps, and each picture would have 420"):
        jobs.run(jobs.Job.of({**job.to_dict(), "questions": asked}, out=job.out))


def test_a_broken_picture_is_named_and_the_rest_is_drawn(run: Run, pictures: Path, model: str, tmp_path: Path) -> None:
    assert run("explain", pictures, "--model", model, *ASK).code == 1
    (error,) = [json.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_text().splitlines()]
    assert error["picture"].endswith("broken.jpg")
    assert len(list((tmp_path / "out").rglob("*.grid.png"))) == 3
