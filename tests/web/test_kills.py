"""Whoever is killed, no question is lost, and nobody stays behind; `python -m benchmarks.web.kills` does it under load."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web_site import call, cookie, multipart

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are looked for in /proc")
QUICK, SLOW = {"method": "gradcam"}, {"method": "occlusion"}


def ask(site: Any, who: str, photo: Path, fields: dict[str, str]) -> str:
    """Ask, and do not wait; the job's id."""
    body, kind = multipart({"keep": "true", "wait": "0", **fields}, {"picture": photo.read_bytes()})
    status, told = call(site.url + "/api/explain", "POST", body, Content_Type=kind, Cookie=who)
    assert status == 202, told
    return str(told["id"])


def until(met: Callable[[], Any], seconds: float) -> Any:
    """Wait for something that is so; what it is."""
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)
    return found


def job(site: Any, who: str, name: str) -> dict[str, Any]:
    """How far a question is."""
    status, told = call(f"{site.url}/api/jobs/{name}", Cookie=who)
    assert status == 200, told
    return dict(told)


def below(pid: int) -> dict[int, str]:
    """The processes that come of one, with their commands."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                state, parent = Path(entry.path, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
                command = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it ended meanwhile
                continue
            if state not in "ZX":
                parents[int(entry.name)] = int(parent), command
    found, new = {}, {pid}
    while new:
        new = {one for one, (parent, _) in parents.items() if parent in new}
        found.update({one: parents[one][1] for one in new})
    return found


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.long
def test_what_killed_processes_were_at_is_answered(begin: Any, tmp_path: Path, photo: Path) -> None:
    data = tmp_path / "data"
    site = begin(data)
    who = cookie(site)
    slow = ask(site, who, photo, SLOW)
    until(lambda: job(site, who, slow)["done"] > 0, 40)
    (worker,) = (pid for pid, command in below(site.process.pid).items() if "web.worker slow-" in command)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not is_there(worker), 5)
    quick = [ask(site, who, photo, QUICK) for _ in range(3)]  # the others are answered meanwhile
    until(lambda: all(job(site, who, one)["state"] == "done" for one in quick), 20)
    until(lambda: any("web.worker slow-1.2" in command for command in below(site.process.pid).values()), 20)
    until(lambda: job(site, who, slow)["state"] == "running", 40)  # begun again

    quick = [ask(site, who, photo, QUICK) for _ in range(3)]
    processes = below(site.process.pid)
    assert len(processes) > 2
    site.process.kill()
    site.process.wait()
    until(lambda: not [pid for pid in processes if is_there(pid)], 5)

    again = begin(data)
    until(lambda: all(job(again, who, one)["state"] == "done" for one in [*quick, slow]), 90)
    assert call(f"{again.url}/api/jobs/{slow}/result", Cookie=who)[1]["method"] == "occlusion"
