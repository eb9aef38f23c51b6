"""Stopped in the middle: by Ctrl-C, and by a kill that nothing can catch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cli.conftest import Run, ledger

MANY = 300
LEDGER = Path("out") / "explanations.jsonl"
ARGUMENTS = ("explain", "photos", "--out", "out", "--batch-size", "8")

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


def assert_resumes(run: Run, model: str, many: int) -> None:
    kept = LEDGER.read_bytes().count(b"\n")
    assert 0 < kept < many
    resumed = run(*ARGUMENTS, "--model", model, "--json", "-")
    assert resumed.code == 0
    assert sum(line["skipped"] for line in resumed.lines) == kept
    assert len(ledger(Path("out"))) == many


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
    assert_resumes(run, model, many)


def test_a_kill_loses_no_more_than_what_was_in_flight(run: Run, many: int, model: str) -> None:
    main = [sys.executable, "-c", "from whylight.cli import main; main()"]
    process = subprocess.Popen(
        [*main, *ARGUMENTS, "--model", model], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_results()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert_resumes(run, model, many)
