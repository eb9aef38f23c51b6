"""Stopped in the middle: by Ctrl-C, and, in each verb, by kills that nothing can catch, at moments that nobody chose."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.conftest import Run, ledger
from cli.forking import Forking

MANY = 300
LEDGER = Path("out") / "explanations.jsonl"
ARGUMENTS = ("explain", "photos", "--out", "out", "--batch-size", "8")
KILLS = int(os.environ.get("WHYLIGHT_KILLS", "2"))  # in each verb; `make test-kills` does ten

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def many(good: Path) -> int:
    """A folder of many pictures; how many there are."""
    for number in range(MANY):
        shutil.copy(good / "a.jpg", good / f"{number:04}.jpg")
    return MANY + 3


def wait_for_results() -> None:
    deadline = time.monotonic() + 120
    while not (LEDGER.exists() and LEDGER.stat().st_size > 0):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_ctrl_c_keeps_what_is_done(run: Run, many: int, model: str) -> None:
    def interrupt() -> None:
        wait_for_results()
        signal.raise_signal(signal.SIGINT)  # delivered to the main thread, as from the keyboard

    pressing = threading.Thread(target=interrupt)
    pressing.start()
    outcome = run(*ARGUMENTS, "--model", model)
    pressing.join()
    assert outcome.code == 130
    assert outcome.err == "whylight: stopped; what is done is kept, the same command goes on from there\n"
    drawn = {path.name for path in Path("out").glob("*.png")}
    assert {record["file"] for record in ledger(Path("out"))} == drawn  # nothing drawn that is not noted down
    kept = LEDGER.read_bytes().count(b"\n")
    assert 0 < kept < many
    resumed = run(*ARGUMENTS, "--model", model, "--json", "-")
    assert resumed.code == 0
    assert sum(line["skipped"] for line in resumed.lines) == kept
    assert len(ledger(Path("out"))) == many


@pytest.fixture(scope="module")
def forking() -> Iterator[Forking]:
    with Forking() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """A dozen small pictures in two folders called as classes, and a box in each."""
    root = tmp_path_factory.mktemp("kills")
    rows = ["file,label,x0,y0,x1,y1"]
    with Image.open(photo) as picture:
        for number in range(12):
            name = f"{'face' if number % 2 else 'no face'}/{number:02}.png"
            (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            picture.resize((240 + number, 240)).save(root / "photos" / name)
            rows.append(f"{name},{name.split('/', maxsplit=1)[0]},80,28,130,95")
    (root / "boxes.csv").write_text("\n".join(rows) + "\n")
    return root


VERBS: dict[str, tuple[str, ...]] = {
    "explain": ("explain", "../photos", "--method", "gradcam,cam", "--save-map", "--out", "out"),
    "grid": ("explain", "../photos", "--method", "gradcam,cam", "--style", "grid", "--save-map", "--out", "out"),
    "locate": ("locate", "../photos", "--fast", "--target", "face", "--also", "csv", "--out", "out"),
    "face": ("face", "../photos", "--threshold", "0", "--files", "crop,heat", "--out", "out"),
    "localization": ("evaluate", "localization", "--data", "../photos", "--boxes", "../boxes.csv", "--out", "out"),
    "faithfulness": ("evaluate", "faithfulness", "--data", "../photos", "--steps", "4", "--out", "out"),
    "sanity": ("evaluate", "sanity", "--data", "../photos", "--stages", "2", "--out", "out"),
    "calibrate": (
        *("calibrate", "--data", "../photos", "--boxes", "../boxes.csv", "--method", "gradcam", "--iou", "0.05"),
        *("--save-as", "new.safetensors", "--out", "out"),
    ),
}


QUICK = ("explain",)  # all go by the same job; the others are among the long tests


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=() if verb in QUICK else pytest.mark.long) for verb in VERBS]
)
def test_kills_lose_nothing_and_do_nothing_twice(verb: str, forking: Forking, folder: Path, model: str) -> None:
    arguments = [*VERBS[verb], *(() if verb == "face" else ("--model", model))]
    whole, killed = folder / f"{verb}-whole", folder / f"{verb}-killed"
    whole.mkdir()
    killed.mkdir()
    start = time.monotonic()
    code = forking.run(whole, *arguments)
    lasts = time.monotonic() - start
    assert code == 0, (whole / "said.txt").read_text()
    chance, kills = random.Random(verb), 0
    for _ in range(10 * KILLS):
        noted = lines(killed)
        if forking.run(killed, *arguments, kill_after=chance.uniform(0.02, 0.9) * lasts) == 0:
            lasts *= 0.8  # it was done before the moment came: begin again, and come sooner
            shutil.rmtree(killed)
            killed.mkdir()
            continue
        kills += 1
        assert [line for line in noted if line not in lines(killed)] == []  # what was noted down stays
        for record in records(killed):
            for name in (record.get("file"), record.get("map")):
                assert name is None or (killed / "out" / name).is_file()  # and what it names is there
        if verb == "calibrate":
            (killed / "new.safetensors").unlink(missing_ok=True)  # which is not written over
        if kills == KILLS:
            break
    assert kills == KILLS
    assert forking.run(killed, *arguments) == 0, (killed / "said.txt").read_text()
    assert sorted(lines(killed)) == sorted(lines(whole))
    assert files(killed) == files(whole)


def lines(run: Path) -> list[str]:
    """The whole lines of a run's store, without the head, in the words of the other run."""
    found = [path for path in (run / "out").glob("*.jsonl") if path.name != "errors.jsonl"]
    text = found[0].read_bytes() if found else b""
    every = text[: text.rfind(b"\n") + 1].decode().splitlines()
    return [line for line in every if '"whylight"' not in line]


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(run)]


def files(run: Path) -> dict[str, bytes]:
    """Every file that a run left, hidden ones too, but for what was said and the order of the store's lines."""
    found = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "said.txt" and path.suffix != ".jsonl"}
