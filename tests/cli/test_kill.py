"""Stopped in the middle: by Ctrl-C, and by a kill that nothing can catch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.conftest import Run, ledger

MANY = 400


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_what_is_done_is_kept_and_the_rest_resumed(
    sign: signal.Signals, code: int, run: Run, good: Path, model: str, tmp_path: Path
) -> None:
    for number in range(MANY):
        shutil.copy(good / "a.jpg", good / f"{number:04}.jpg")
    command = [sys.executable, "-c", "from whylight.cli import main; main()", "explain", "photos", "--model", model]
    process = subprocess.Popen(
        [*command, "--out", "out", "--batch-size", "8"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    file = tmp_path / "out" / "explanations.jsonl"
    deadline = time.monotonic() + 120
    while not (file.exists() and file.stat().st_size > 0):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    kept = file.read_bytes().count(b"\n")
    assert 0 < kept < MANY + 3
    resumed = run("explain", "photos", "--model", model, "--out", "out", "--json", "-")
    assert resumed.code == 0
    assert sum(line["skipped"] for line in resumed.lines) == kept
    assert len(ledger(tmp_path / "out")) == MANY + 3
    assert not list((tmp_path / "out").glob(".*.new"))
