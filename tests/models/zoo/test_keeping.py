"""Between jobs of one process models are kept as long as they are the same; what jobs answer does not depend on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import whylight
from whylight.jobs import Cancel, Job, run
from whylight.models.zoo.bundled import file_of
from whylight.models.zoo.choice import ModelChoice
from whylight.models.zoo.keeping import Kept, keeping


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "explanations.jsonl").read_text().splitlines()]


def job(photo: Path, out: Path, **questions: Any) -> Job:
    return Job("explain", [str(photo)], str(out), model="face", questions=questions, settings={"save_map": True})


def test_outside_nothing_is_kept() -> None:
    assert ModelChoice().load() is not ModelChoice().load()


def test_the_same_choice_is_loaded_once() -> None:
    with keeping(Kept()):
        assert ModelChoice().load() is ModelChoice().load()
        assert ModelChoice().load() is not ModelChoice("person").load()
        assert ModelChoice().load() is not ModelChoice(multilabel=True).load()


def test_a_file_that_has_changed_is_loaded_anew(tmp_path: Path) -> None:
    bundled, other = file_of("face"), file_of("person")
    assert bundled is not None
    assert other is not None
    mine = tmp_path / "mine.safetensors"
    shutil.copy(bundled, mine)
    with keeping(Kept()):
        first = ModelChoice(str(mine)).load()
        assert ModelChoice(str(mine)).load() is first
        shutil.copy(other, mine)
        assert ModelChoice(str(mine)).load().classes != first.classes


def test_what_was_not_wanted_for_longest_goes() -> None:
    kept = Kept(most=2)
    first = kept.get("a", object)
    kept.get("b", object)
    assert kept.get("a", object) is first
    kept.get("c", object)
    assert kept.get("a", object) is first
    again = kept.get("b", lambda: "again")
    assert again == "again"


@pytest.mark.parametrize("verify", [False, pytest.param(True, marks=pytest.mark.long)])
def test_answers_are_the_same(photo: Path, tmp_path: Path, verify: bool) -> None:
    def one(out: Path) -> Job:
        return Job("explain", [str(photo)], str(out), model="face", settings={"save_map": True, "verify": verify})

    run(one(tmp_path / "alone"))
    with keeping(Kept()):
        run(one(tmp_path / "first"))
        run(one(tmp_path / "second"))
    alone, first, second = (lines(tmp_path / name) for name in ("alone", "first", "second"))
    for record in (*alone, *first, *second):
        record.pop("stamp")
    assert alone == first == second
    raw = [(tmp_path / name / alone[0]["map"]).read_bytes() for name in ("alone", "second")]
    assert raw[0] == raw[1]


def test_a_job_that_was_cancelled_or_failed_leaves_the_model_as_it_was(photo: Path, tmp_path: Path) -> None:
    cancel = Cancel()
    with keeping(Kept()):
        model = ModelChoice().load()
        assert isinstance(model, whylight.Model)
        before = {name: value.clone() for name, value in model.module.state_dict().items()}
        stopped = run(job(photo, tmp_path / "a", methods=["rise"]), on_event=lambda event: cancel.set(), cancel=cancel)
        assert stopped.cancelled
        (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
        assert run(job(tmp_path / "broken.jpg", tmp_path / "b")).failed
        run(job(photo, tmp_path / "c"))
        assert ModelChoice().load() is model
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    assert not any(module._forward_hooks for module in model.module.modules())


@pytest.mark.long
def test_boxes_are_noted_where_they_are_asked_for(photo: Path, tmp_path: Path) -> None:
    run(Job("explain", [str(photo)], str(tmp_path / "out"), model="face", settings={"boxes": True}))
    run(Job("explain", [str(photo)], str(tmp_path / "without"), model="face"))
    (record,), (other,) = lines(tmp_path / "out"), lines(tmp_path / "without")
    wanted = whylight.explain(whylight.load("face"), photo).boxes()
    assert [(box["x0"], box["y0"], box["x1"], box["y1"], box["score"]) for box in record["boxes"]] == [
        (box.x0, box.y0, box.x1, box.y1, box.score) for box in wanted
    ]
    assert "boxes" not in other
