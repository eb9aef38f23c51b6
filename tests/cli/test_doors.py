"""Pictures that come in on other ways: very large ones, one that is piped in, and folders in which other things lie too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whylight
from cli.conftest import Run
from whylight import images, jobs

SMALL = "0.1"  # megapixels; the astronaut has 0.26


def piped(*words: object, data: bytes, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "whylight", *map(str, words)], input=data, cwd=cwd, capture_output=True, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_explain_tells_places_in_pixels_of_the_original(run: Run, photo: Path, tmp_path: Path) -> None:
    whole = run("explain", photo, "--out", "whole")
    outcome = run("explain", photo, "--out", "out", "--max-megapixels", SMALL, "--save-map")
    assert outcome.code == whole.code == 0, outcome.err
    ((expected,), (found,)) = (
        records(tmp_path / "whole/explanations.jsonl"),
        records(tmp_path / "out/explanations.jsonl"),
    )
    assert "reduced" not in expected
    assert (found["width"], found["height"], found["reduced"]) == (512, 512, 2)
    assert (found["peak_x"], found["peak_y"]) == (expected["peak_x"], expected["peak_y"])
    with Image.open(tmp_path / "out" / found["file"]) as drawn, np.load(tmp_path / "out" / found["map"]) as kept:
        assert drawn.size == (256, 256)
        assert kept["picture_size"].tolist() == [512, 512]
        assert kept["region"].tolist() == [0, 0, 512, 512]
    assert outcome.err.count("so large that it was read") == 1
    assert (
        f"{photo}: so large that it was read at 1/2 of its width and height; places are told in pixels" in outcome.err
    )
    again = run("explain", photo, "--out", "out")  # another limit is no reason to do it again
    assert "done before" in again.out
    assert again.err == ""
    assert jobs.Job.read(tmp_path / "out").max_megapixels == 0.1
    assert "max_megapixels" not in (tmp_path / "whole" / "job.json").read_text()


@pytest.mark.long
@pytest.mark.parametrize(("more", "off"), [((), 12), (("--sequential",), 40)])  # which looks closer, at fewer pixels
def test_locate_does(run: Run, photo: Path, tmp_path: Path, more: tuple[str, ...], off: int) -> None:
    words = ("locate", photo, "--target", "face", *more)
    assert run(*words, "--out", "whole").code == 0
    outcome = run(*words, "--out", "out", "--max-megapixels", SMALL, "--strip")
    assert outcome.code == 0, outcome.err
    (expected,), (found,) = records(tmp_path / "whole/boxes.jsonl"), records(tmp_path / "out/boxes.jsonl")
    assert (found["picture_size"], found["reduced"]) == ([512, 512], 2)
    for one, other in zip(found["boxes"], expected["boxes"], strict=True):
        assert [one[side] for side in ("x0", "y0", "x1", "y1")] == [
            pytest.approx(other[side], abs=off) for side in ("x0", "y0", "x1", "y1")
        ]
    with Image.open(tmp_path / "out" / found["file"]) as drawn:
        assert drawn.size == (256, 256)
        box = found["boxes"][0]
        rim = np.asarray(drawn.convert("RGB")).astype(int)[box["y0"] // 2 + 8 : box["y1"] // 2 - 8]
        before = np.asarray(images.decode(photo).resize((256, 256))).astype(int)[
            box["y0"] // 2 + 8 : box["y1"] // 2 - 8
        ]
        changed = np.abs(rim - before).max(2).mean(0)
        assert (
            abs(
                int(changed.argmax())
                - min((box["x0"] // 2, box["x1"] // 2), key=lambda x: abs(x - int(changed.argmax())))
            )
            <= 3
        )


def test_face_does(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("face", photo, "--out", "whole").code == 0
    outcome = run("face", photo, "--out", "out", "--max-megapixels", SMALL)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("read at 1/2") == 1
    (expected,), (found,) = (
        json.loads((tmp_path / one / "astronaut.face.json").read_text()) for one in ("whole", "out")
    )
    assert found["reduced"] == 2
    assert found["face"]["box"] == [pytest.approx(side, abs=16) for side in expected["face"]["box"]]
    for name, point in expected["face"]["points"].items():
        assert found["face"]["points"][name] == [pytest.approx(value, abs=12) for value in point]


def test_python_does(photo: Path) -> None:
    model = whylight.load("face", device="cpu")
    whole = whylight.explain(model, photo)
    with images.allowing(0.1):
        ex = whylight.explain(model, photo)
    assert (ex.picture.size, ex.size, ex.times, whole.times) == ((256, 256), (512, 512), 2, 1)
    assert ex.peak == whole.peak
    assert [tuple(box[:4]) for box in ex.boxes(0.5)] == [
        pytest.approx(tuple(box[:4]), abs=8) for box in whole.boxes(0.5)
    ]
    assert ex.panel().size[0] > 500
    assert ex.to_dict()["picture_size"] == [512, 512]
    with photo.open("rb") as file:
        for source in (photo.read_bytes(), file):
            assert whylight.explain(model, source).peak == whole.peak


@pytest.mark.parametrize("value", ["0", "1001", "nan"])
def test_a_limit_that_is_none(run: Run, photo: Path, value: str) -> None:
    outcome = run("explain", photo, "--out", "out", "--max-megapixels", value)
    assert outcome.code == 2
    assert "max megapixels" in outcome.err


@pytest.mark.long
def test_a_picture_that_is_piped_in(
    run: Run, photo: Path, model: str, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photo.read_bytes()
    done = piped("explain", "-", "-m", model, "-o", "out", "--json", "-", data=data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = map(json.loads, done.stdout.splitlines())
    name = line["picture"]
    assert name.startswith("stdin-")
    assert Path(line["file"]).name.startswith(f"{name}.gradcam.")
    monkeypatch.chdir(tmp_path / "photos")
    again = run("explain", "-", "-m", model, "-o", "out", data=data)
    assert again.code == 0, again.err
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "out").rename(tmp_path / "elsewhere")
    again = run("explain", "-", "-m", model, "-o", "out", data=data)
    assert "done before" in again.out
    other = run("explain", "-", good, "-m", model, "-o", "out", data=(good / "a.jpg").read_bytes())
    assert other.code == 0, other.err
    found = records(tmp_path / "out" / "explanations.jsonl")
    assert len({one["file"] for one in found}) == 5  # both that were piped in, and three of the folder
    assert all((tmp_path / "out" / one["file"]).is_file() for one in found)
    assert jobs.Job.read(tmp_path / "out").inputs[0] == "-"


@pytest.mark.long
def test_locate_and_face_take_it_too(run: Run, photo: Path, tmp_path: Path) -> None:
    data = photo.read_bytes()
    done = run("locate", "-", "-o", "out", "--also", "coco,csv", "--fast", data=data)
    assert done.code == 0, done.err
    (listed,) = json.loads((tmp_path / "out" / "coco.json").read_text())["images"]
    assert listed["file_name"].startswith("stdin-")
    for words in (("face", "-", "-o", "who"), ("face", "-", "-o", "who", "--json", "-")):
        done = run(*words, data=data)
        assert done.code == 0, done.err
    assert json.loads(done.out)["picture"] == listed["file_name"]
    assert (tmp_path / "who" / f"{listed['file_name']}.face.json").is_file()
    done = run("face", "compare", photo, "-", data=data)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("words", "data", "says"),
    [
        (("explain", "-"), b"", "-: what was piped in is empty; cat photo.jpg | whylight explain -"),
        (("explain", "-", "-"), b"GIF", "-: stands for one picture that is piped in; give it once"),
        (("locate", "-"), b"words", "not a picture whylight reads"),
        (("face", "-"), b"\x89PNG\r\n\x1a\n", "stdin-4c4b6a3be1314ab8: the picture is damaged or cut short"),
        (("face", "compare", "-", "-"), b"GIF", "-: stands for one picture that is piped in; give the other's path"),
    ],
)
def test_pipes_that_hold_no_picture(run: Run, words: tuple[str, ...], data: bytes, says: str) -> None:
    done = run(*words, "-o", "out", data=data)
    assert done.code != 0
    assert says in done.err
    assert "Traceback" not in done.err


def test_what_lies_beside_the_pictures_is_told_once(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    for name in ("clip.MP4", "more/x.nef", "notes.txt", "Thumbs.db", ".hidden.mov", "job.json"):
        (good / name).write_bytes(b"")
    words = ("explain", good, "--model", model, "--out", good / "out", "--json", "-")
    for _ in range(2):  # and not what the first run wrote
        outcome = run(*words)
        assert outcome.code == 0, outcome.err
        (line,) = outcome.err.splitlines()[:1]
        assert line.startswith(
            f"whylight: skipped in {good}/: 1 video (.mp4), 1 raw photograph (.nef), 1 other file (.txt); take single"
        )
        assert line.endswith(f"mkdir -p frames && ffmpeg -i {good}/clip.MP4 -vf fps=1 frames/%05d.png")
        assert outcome.err.count("skipped in") == 1
        assert all(json.loads(one)["file"] for one in outcome.out.splitlines())


def test_a_video_that_is_named_fails_alone(run: Run, good: Path, model: str) -> None:
    (good / "clip.mp4").write_bytes(b"\0\0\0\x14ftypisom\0\0\2\0mp41" + bytes(40))
    outcome = run("explain", good / "a.jpg", good / "clip.mp4", "--model", model, "--out", "out")
    assert outcome.code == 1
    assert "clip.mp4: this is a video, no picture that whylight reads: take" in outcome.err
    assert f"ffmpeg -i {good}/clip.mp4 -vf fps=1 frames/%05d.png" in outcome.err
    assert "1 explanation" in outcome.out
