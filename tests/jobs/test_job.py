"""A job: written as JSON, read back, run from Python, stopped, gone on with; and every way in which one can be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight import jobs
from whylight.errors import ImageError, WhylightError
from whylight.jobs import Cancel, Failed, Job, Known, Noted, Planned, Progress, Step, run
from whylight.models.zoo.choice import ModelChoice


@pytest.fixture
def photos(tmp_path: Path, photo: Path) -> Path:
    """Five small pictures, and one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(photo) as picture:
        for number in range(5):
            picture.resize((96 + number, 96)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    import torch

    from whylight.images.preprocess import Preprocess
    from whylight.models.zoo.architectures import build
    from whylight.models.zoo.files import ModelSpec, save_weights

    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build("test_resnet", classes=2), ModelSpec("test_resnet", ("a", "b"), Preprocess(size=(64, 64))))
    return str(path)


def lines(out: Path, name: str = "explanations.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def test_a_job_is_written_and_read_back(tmp_path: Path, photos: Path, tiny: str) -> None:
    choice = ModelChoice(tiny, pretrained=False, precision="fp32")
    questions = {"methods": ["gradcam", "cam"], "targets": ["a"], "options": {"gradcam": {}}}
    job = Job(
        "explain", [str(photos)], str(tmp_path / "out"), choice, questions, {"style": "panel", "scales": [1, 1.5]}
    )
    assert Job.read(job.write()).to_dict() == job.to_dict()
    again = Job.read(tmp_path / "out")
    assert (again.kind, again.out, again.choice) == ("explain", str(tmp_path / "out"), choice)
    assert again.inputs == (str(photos),)


def test_events_tell_everything_and_a_second_run_does_only_what_is_missing(
    tmp_path: Path, photos: Path, tiny: str
) -> None:
    out = tmp_path / "out"
    job = Job("explain", [str(photos)], str(out), tiny, {"methods": ["gradcam", "cam"], "targets": ["a"]})
    events: list[jobs.Event] = []
    outcome = run(job, on_event=events.append)
    assert isinstance(events[0], Planned)
    assert events[0].pictures == 6
    assert sum(isinstance(event, Noted) for event in events) == 10
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert isinstance(failed.error, ImageError)
    assert outcome.failed == [{"picture": str(photos / "broken.png"), "error": str(failed.error), "kind": "ImageError"}]
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert last == outcome.progress
    assert (last.done, last.total, last.failed) == (6, 6, 1)
    assert last.rate == pytest.approx(6 / last.seconds)
    assert set(last.costs) == {"decode", "model", "draw", "encode", "write"}
    assert last.limit in last.costs
    assert not outcome.cancelled

    events.clear()
    again = run(Job.read(out), on_event=events.append)  # as a worker would that finds the folder
    assert sum(isinstance(event, Known) for event in events) == 10
    assert not any(isinstance(event, Noted) for event in events)
    assert len(again.failed) == 1
    assert len(lines(out)) == 10


def test_a_cancel_is_heeded_at_the_next_picture(tmp_path: Path, photos: Path, tiny: str) -> None:
    cancel, seen = Cancel(), []

    def stop(event: jobs.Event) -> None:
        seen.append(event)
        if isinstance(event, Noted):
            cancel.set()

    job = Job("explain", [str(photos)], str(tmp_path / "out"), tiny)
    outcome = run(job, on_event=stop, cancel=cancel, batch_size=1, workers=1)
    assert outcome.cancelled
    made = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert {record["file"] for record in lines(tmp_path / "out")} == made  # what was drawn is noted down
    assert 1 <= len(made) < 5
    assert not run(job).cancelled
    assert len(lines(tmp_path / "out")) == 5


def test_a_cancel_is_heeded_inside_of_a_slow_method(tmp_path: Path, photos: Path, tiny: str) -> None:
    cancel, steps = Cancel(), []

    def stop(event: jobs.Event) -> None:
        if isinstance(event, Step):
            steps.append(event)
            cancel.set()

    questions = {"methods": ["rise"], "options": {"rise": {"masks": 4000}}}
    outcome = run(Job("explain", [str(photos)], str(tmp_path / "out"), tiny, questions), on_event=stop, cancel=cancel)
    assert outcome.cancelled
    assert len(steps) == 1
    assert steps[0].done < steps[0].total
    assert not (tmp_path / "out").exists()  # nothing was finished, so nothing is left


@pytest.mark.parametrize("stage", ["decode", "model", "draw", "encode", "write"])
def test_whatever_happens_to_one_picture_is_its_own_line(
    stage: str, tmp_path: Path, photos: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that nobody foresaw, at each stage: the others are done, and the picture is named with it."""
    from whylight import engine, explanation, render
    from whylight.pipeline import ahead
    from whylight.pipeline import explain as asking
    from whylight.work import explain as work

    (photos / "broken.png").unlink()
    odd = 98  # width of the one picture

    def faulty(real: Any, is_it: Any) -> Any:
        def called(*args: Any, **named: Any) -> Any:
            if is_it(*args, **named):
                raise KeyError("on purpose")
            return real(*args, **named)

        return called

    with Image.open(photos / "2.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    if stage == "decode":
        monkeypatch.setattr(ahead, "decode", faulty(ahead.decode, lambda path: Path(path).name == "2.png"))
    elif stage == "model":
        import whylight

        x = whylight.load(tiny).preprocess(pixels)
        found = faulty(engine.look, lambda model, batch, *rest, **more: any((one == x).all() for one in batch))
        monkeypatch.setattr(asking, "look", found)
    elif stage == "draw":
        monkeypatch.setattr(
            explanation, "drawn", faulty(explanation.drawn, lambda ex, *_, **__: ex.picture.width == odd)
        )
    elif stage == "encode":
        monkeypatch.setattr(render, "encode", faulty(render.encode, lambda drawn, *_, **__: drawn.shape[1] == odd))
    else:
        monkeypatch.setattr(work, "put", faulty(work.put, lambda out, name, data: name.startswith("2.")))
    out = tmp_path / "out"
    outcome = run(Job("explain", [str(photos)], str(out), tiny))
    assert [Path(one["picture"]).name for one in outcome.failed] == ["2.png"]
    assert "KeyError: 'on purpose'" in outcome.failed[0]["error"]
    assert lines(out, "errors.jsonl") == outcome.failed
    assert sorted(Path(record["picture"]).name for record in lines(out)) == ["0.png", "1.png", "3.png", "4.png"]
    monkeypatch.undo()
    assert run(Job("explain", [str(photos)], str(out), tiny)).failed == []
    assert not (out / "errors.jsonl").exists()
    assert len(lines(out)) == 5


def test_results_are_where_the_pictures_are(tmp_path: Path, photos: Path, tiny: str) -> None:
    job = Job("explain", [str(photos)], str(photos), tiny)
    run(job)
    events: list[jobs.Event] = []
    run(job, on_event=events.append)
    assert isinstance(events[0], Planned)
    assert events[0].pictures == 6  # results of the first run are no pictures
    assert sum(isinstance(event, Known) for event in events) == 5


def test_what_a_killed_run_left_half_written_is_swept_up(tmp_path: Path, photos: Path, tiny: str) -> None:
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    for half in (out / ".0123456789abcdef.part", out / "deep" / ".fedcba9876543210.part"):
        half.write_bytes(b"half")
    (out / "mine.part").write_bytes(b"somebody's")
    run(Job("explain", [str(photos)], str(out), tiny))
    assert [path.name for path in out.rglob("*.part")] == ["mine.part"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "explian"}, "kind 'explian': choose one of explain"),
        ({"inputs": []}, "inputs: there are none"),
        ({"questions": {"methodes": ["cam"]}}, "questions: methodes"),
        ({"settings": {"style": "panels"}}, "settings: style"),
        ({"settings": {"alpha": "much"}}, "settings: alpha"),
        ({"questions": {"methods": ["cam"], "options": {"rise": {"masks": 3}}}}, "method 'rise' is not among those"),
    ],
)
def test_a_job_that_is_wrong_is_told_in_one_sentence(
    change: dict[str, Any], said: str, tmp_path: Path, photos: Path, tiny: str
) -> None:
    given = {"kind": "explain", "inputs": [str(photos)], "out": str(tmp_path / "out"), "model": tiny, **change}
    with pytest.raises(WhylightError) as caught:
        run(Job(**given))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text[: len(text) // 2], "is cut short or no JSON"),
        (lambda text: "[" * 200_000, "is cut short or no JSON"),
        (
            lambda text: text.replace('"format": 1', '"format": 2'),
            "was written by another version of whylight (format 2",
        ),
        (lambda text: text.replace('"kind"', '"kinds"'), "kind"),
        (lambda text: text.replace('"inputs": [', '"inputs": [3, '), "inputs.0"),
        (lambda text: text.replace('"pretrained": true', '"pretrained": "perhaps"'), "model.pretrained"),
        (lambda text: text.replace('"precision": "auto"', '"precision": "fp8"'), "model.precision"),
        (lambda text: "[]", "is no job of whylight's"),
        (lambda text: '{"a": NaN}', "no JSON"),
    ],
)
def test_a_job_file_that_was_changed_is_named(edit: Any, said: str, tmp_path: Path, photos: Path) -> None:
    path = Job("explain", [str(photos)], str(tmp_path / "out"), "face").write()
    path.write_text(edit(path.read_text()))
    with pytest.raises(WhylightError) as caught:
        Job.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_job_file_cannot_lead_out_of_its_folder(tmp_path: Path, photos: Path, tiny: str) -> None:
    path = Job("explain", [str(photos)], str(tmp_path / "out"), tiny).write()
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "out": "/tmp/elsewhere"}))
    with pytest.raises(WhylightError, match="out: Unexpected"):
        Job.read(path)


@pytest.mark.skipif(os.name != "posix", reason="names in bytes as POSIX has them")
def test_names_that_are_no_utf8_are_pictures_like_others(tmp_path: Path, photos: Path, tiny: str) -> None:
    odd = os.fsdecode(os.fsencode(photos) + b"/caf\xe9 \x1b[31m\n.png")
    os.rename(photos / "1.png", odd)
    out = tmp_path / "out"
    job = Job("explain", [str(photos)], str(out), tiny, settings={"save_map": True})
    assert len(run(job).failed) == 1
    (record,) = [one for one in lines(out) if one["picture"] == odd]
    assert (out / record["file"]).is_file()
    assert (out / record["map"]).is_file()
    events: list[jobs.Event] = []
    run(Job.read(out), on_event=events.append)
    assert sum(isinstance(event, Known) for event in events) == 5
