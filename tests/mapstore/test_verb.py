"""`explain --maps` and `status` on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import whylight
from cli.conftest import Run
from cli.conftest import run as run  # the command line in this process
from whylight.mapstore.progress import status


def test_a_store_its_status_and_what_is_left(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run("explain", photos, "--maps", "maps", "--part-size", "2", "--method", "layercam")
    assert done.code == 1  # one is broken
    assert "8 maps, " in done.out
    assert "1 picture of the store failed" in done.out
    assert "broken.png" in done.err
    told = run("status", "maps")
    assert told.out.startswith("9 of 9 pictures (100.0%), 1 failed; ")
    assert told.out.rstrip().endswith("complete")
    assert json.loads(run("status", "maps", "--json").out)["parts"] == 5
    again = run("explain", photos, "--maps", "maps", "--method", "layercam")
    assert again.code == 0
    assert "9 done before, nothing left to do" in again.out
    (tmp_path / "maps" / "done" / "000001.json").unlink()
    found = status(tmp_path / "maps")
    assert (found.done, found.parts_done, found.is_complete) == (7, 4, False)
    assert "nobody seems to be at it" in status(tmp_path / "maps", now=time.time() + 3600).sentence


def test_what_a_run_would_take(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run("explain", photos, "--maps", "maps", "--dry-run")
    assert done.out.startswith("9 pictures: ")
    assert "core-hours), 0.00 GB; by 8 of them, " in done.out
    assert not (tmp_path / "maps" / "plan").exists()
    run("explain", photos, "--maps", "maps")
    assert "9 pictures, 9 of which are done: 0 s on " in run("explain", photos, "--maps", "maps", "--dry-run").out
    assert run("explain", photos, "--dry-run").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--maps", "maps", "--style", "panel"), "--style: nothing is drawn with --maps"),
        (("--maps", "maps", "--out", "x"), "--out: nothing is drawn with --maps"),
        (("--part-size", "3"), "--part-size: goes with --maps"),
        (("--maps", "maps", "--method", "grdcam"), "grdcam"),
        (("--maps", "photos/0.png"), "is a file, not a folder"),
    ],
)
def test_what_cannot_be(run: Run, photos: Path, words: tuple[str, ...], said: str) -> None:
    done = run("explain", photos, *words)
    assert done.code == 2
    assert said in done.err
    assert run("status", photos).code == 2


def test_kills_lose_nothing_and_leave_nothing_twice(photos: Path, tmp_path: Path) -> None:
    for number in range(8, 24):
        (photos / f"{number}.png").write_bytes((photos / f"{number % 2}.png").read_bytes())
    command = [sys.executable, "-m", "whylight", "explain", str(photos), "--part-size", "2", "--quiet", "--maps"]
    subprocess.run([*command, "whole"], cwd=tmp_path, check=False, capture_output=True)
    killed = 0
    for wait in range(int(os.environ.get("WHYLIGHT_KILLS", "2"))):
        before = len(list((tmp_path / "killed" / "done").glob("*"))) if (tmp_path / "killed").exists() else 0
        process = subprocess.Popen(
            [*command, "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(list((tmp_path / "killed" / "done").glob("*"))) <= before:
            time.sleep(0.002)
        time.sleep(0.01 * wait)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed
    last = subprocess.run([*command, "killed"], cwd=tmp_path, capture_output=True, text=True)
    assert last.returncode in (0, 1), last.stderr
    names = [
        {path.name: path.read_bytes() for path in (tmp_path / one / "maps").iterdir()} for one in ("whole", "killed")
    ]
    assert names[0] == names[1]
    assert whylight.open_maps(tmp_path / "killed").is_complete
