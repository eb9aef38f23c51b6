"""A run into a map store: what is there afterwards, and what a second run does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import whylight
from mapstore.conftest import Run
from whylight.errors import DataError, WhylightError
from whylight.mapstore import parts
from whylight.mapstore.plan import Plan


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "maps").iterdir())}


def test_explanations_come_back_as_they_were_made(run: Run, photos: Path, tmp_path: Path) -> None:
    outcome = run(questions={"methods": ["gradcam", "layercam"], "targets": ["face", "1"]})
    store = whylight.open_maps(tmp_path / "run")
    assert outcome.result.is_complete
    assert store.is_complete
    assert (outcome.result.pictures, outcome.result.failed, outcome.result.maps) == (9, 1, 8 * 4)
    assert len(store) == 8 * 4
    model = whylight.load("face", device="cpu")
    for place in (0, 5, 17, 31, -1):
        found = store[place]
        row = store.row(place)
        target = row["asked"]
        made = whylight.explain(
            model, found.source, method=found.method, target=target if target == "face" else int(target)
        )
        assert (found.label, found.target, found.method, found.units) == (
            made.label,
            made.target,
            made.method,
            made.units,
        )
        assert found.score == pytest.approx(made.score, rel=1e-5)
        assert found.probability == pytest.approx(made.probability, abs=1e-6)
        most = float(made.map.abs().max())
        torch.testing.assert_close(found.map, made.map, rtol=0, atol=max(most * 2**-11, 1e-6))
        assert (found.region, found.span, found.level, found.scale) == (made.region, made.span, made.level, made.scale)
        assert (found.size, found.flat) == (made.size, made.flat)
        sides = ("x0", "y0", "x1", "y1", "score")
        wanted = [{side: pytest.approx(getattr(box, side)) for side in sides} for box in made.boxes()]
        assert row["boxes"] == wanted
    assert [Path(name).name for name, _ in store.failed()] == ["broken.png"]
    assert {one.label for one in store.of(label="face", method="layercam")} == {"face"}
    assert len(store.sample(5, seed=1)) == 5
    assert [row["method"] for row in store.rows(columns=["method"], method="layercam")] == ["layercam"] * 16
    with pytest.raises(DataError, match="no column of a map store"):
        list(store.rows(columns=["nose"]))
    with pytest.raises(IndexError, match="there are 32"):
        store.row(32)


def test_other_programs_read_it(run: Run, tmp_path: Path) -> None:
    import pandas as pd

    run()
    frame = pd.read_parquet(tmp_path / "run" / "maps")
    assert sorted(frame["row"]) == list(range(9))
    assert frame["status"].value_counts().to_dict() == {"ok": 8, "failed": 1}
    one = frame[frame["status"] == "ok"].iloc[0]
    cells = np.frombuffer(one["map"], "<f2").reshape(int(one["map_height"]), int(one["map_width"])) * one["map_unit"]
    whole = whylight.explain(whylight.load("face", device="cpu"), one["picture"])
    np.testing.assert_allclose(cells, whole.map.numpy(), atol=float(whole.map.abs().max()) * 2**-10)
    (first, *_) = (tmp_path / "run" / "maps").iterdir()
    told = pq.read_schema(first).metadata
    plan = Plan.read(tmp_path / "run")
    assert plan is not None
    assert told[b"whylight.run"].decode() == plan.run
    assert told[b"whylight.schema"] == b"1"


def test_a_second_run_does_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    before = files(tmp_path / "run")
    again = run()
    assert (again.progress.done, again.result.before) == (0, 9)
    assert files(tmp_path / "run") == before
    assert json.loads((tmp_path / "run" / "_SUCCESS").read_text())["pictures"] == 9


def test_what_is_missing_is_made_and_is_the_same(run: Run, tmp_path: Path) -> None:
    run()
    folder = tmp_path / "run"
    before = files(folder)
    marks = sorted((folder / "done").iterdir())
    marks[0].unlink()  # killed between the part and its mark
    mark = json.loads(marks[1].read_text())
    (folder / mark["file"]).unlink()  # somebody took a part away
    (folder / "maps" / f"part-000002-{'0' * 16}.parquet").write_bytes(b"left behind")
    (folder / "_SUCCESS").unlink()
    done = run()
    assert done.progress.done == 6
    assert files(folder) == before
    assert (folder / "_SUCCESS").is_file()
    marks[2].write_text("{")  # cut short
    assert run().progress.done == 3
    assert files(folder) == before


def test_an_input_that_grew_is_gone_on_with(run: Run, photos: Path, tmp_path: Path) -> None:
    run()
    before = files(tmp_path / "run")
    for name in ("8.png", "a.png"):
        (photos / name).write_bytes((photos / "0.png").read_bytes())
    grown = run()
    assert grown.progress.done == 2
    assert any("2 pictures more" in note for note in grown.result.notes)
    after = files(tmp_path / "run")
    assert before.items() < after.items()
    assert [row["row"] for row in whylight.open_maps(tmp_path / "run").rows(columns=["row"])][-2:] == [9, 10]


def test_failed_pictures_are_rows_and_asked_again_when_that_is_wanted(run: Run, photos: Path, tmp_path: Path) -> None:
    run()
    (photos / "broken.png").write_bytes((photos / "1.png").read_bytes())
    assert run().result.failed == 1
    again = run(retry_failed=True)
    assert (again.progress.done, again.result.failed, again.result.maps) == (1, 0, 9)
    assert not list(whylight.open_maps(tmp_path / "run").failed())
    rows = [row["row"] for row in whylight.open_maps(tmp_path / "run").rows(columns=["row"])]
    assert rows == list(range(9))
    assert len(files(tmp_path / "run")) == 3  # what was there before is gone


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"questions": {"methods": ["layercam"]}}, "another setting, methods"),
        ({"questions": {"targets": ["face"]}}, "another setting, targets"),
        ({"flip": True}, "another setting, flip"),
        ({"part_size": 4}, "its parts have 3 pictures"),
    ],
)
def test_another_question_is_another_run(run: Run, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    run()
    before = files(tmp_path / "run")
    with pytest.raises(WhylightError, match=said):
        run(**changes)
    assert files(tmp_path / "run") == before
    assert run(**changes, overwrite=True).result.is_complete
    plan = Plan.read(tmp_path / "run")
    assert plan is not None
    assert parts.done(tmp_path / "run", plan.run)


def test_a_folder_that_holds_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no map store"):
        whylight.open_maps(tmp_path)
    (tmp_path / "plan").mkdir()
    for text, said in (
        ("{", "cut short"),
        ('{"whylight": "maps", "format": 9}', "another|this version"),
        ("[]", "this version"),
    ):
        (tmp_path / "plan" / "plan.json").write_text(text)
        with pytest.raises(DataError, match=said):
            whylight.open_maps(tmp_path)


def test_a_picture_that_changed_is_told(run: Run, photos: Path, tmp_path: Path) -> None:
    run()
    store = whylight.open_maps(tmp_path / "run")
    place = next(n for n in range(len(store)) if store.row(n)["picture"].endswith("0.png"))
    (photos / "0.png").write_bytes((photos / "1.png").read_bytes())
    with pytest.raises(WhylightError, match=r"is 300 × 300 pixels now, and was 80 × 60"):
        store[place]
    assert store.map(place).shape == store[place + 1].map.shape
