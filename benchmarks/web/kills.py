"""What is lost when processes of the site are killed under load: no question, and no picture is left behind.

    python -m benchmarks.web.kills [--times 10] [--people 4] [--dry]

Several visitors send a picture, to be kept, and do not wait for the answer. Meanwhile the worker that answers them is killed
(kill -9) while it is at a question, and then `whylight serve` itself, which is started again on the same data folder. In the end
each question that was accepted is done, or failed with a reason. Then the pictures' time is over: the data folder, searched byte
by byte, holds no 64 bytes of the upload, of its pixels, or of the pictures that pages showed. Exit code 1: something was lost, or
left.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.report import Row, record
from benchmarks.web.visits import Caller, Site, form, left_in, megapixel

PAUSE = 0.15  # seconds between two pictures of a visitor
PATIENCE = 300  # seconds for the last answers
CHUNK = 64
# The time of all pictures is over, and the sweeper looks: in a process of its own, as nothing of the site runs any more.
SWEEP = """
import django; django.setup()
from django.utils import timezone
from whylight.web.pictures.models import Picture
from whylight.web.tasks import sweeper
Picture.objects.update(expires=timezone.now())
sweeper.sweep(grace=0)
"""


@dataclass
class Sender(threading.Thread):
    """Sends pictures under one cookie and keeps in mind which questions were accepted, whether the site is there or not."""

    site: Site
    over: threading.Event
    jobs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.caller = Caller(self.site)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Send."""
        body, headers = form(megapixel(), method="gradcam", keep="true", wait="0")
        while not self.over.wait(PAUSE):
            try:
                status, told = self.caller.call("POST", "/api/explain", body, headers)
            except (OSError, http.client.HTTPException, ValueError):  # it is being killed
                continue
            if status in (200, 202):
                self.jobs.append(told.get("id") or told["job"])
            elif status not in (429, 503):  # too many wait
                self.wrong.append(f"{status}: {str(told)[:200]}")


def at_work(site: Site) -> int:
    """Wait until a worker is at a question; its process."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with sqlite3.connect(f"file:{site.data}/site.db?mode=ro", uri=True, timeout=20) as database:
            busy = database.execute(
                "select worker from tasks_task where state = 'running' and lane = 'quick'"
            ).fetchall()
        database.close()
        for name, pid in site.workers().items():
            if (name,) in busy:
                return pid
        time.sleep(0.005)
    raise SystemExit("no worker is at any question")


def bytes_left(folder: Path, secrets: list[bytes]) -> list[str]:
    """The files of a folder that hold 64 bytes of something, wherever they begin there, at a multiple of 64 here."""
    wanted = {one[at : at + CHUNK] for one in secrets for at in range(0, len(one) - CHUNK, CHUNK)}
    wanted = {one for one in wanted if len(set(one)) > 7}  # a grey area may lie in any file
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        data = path.read_bytes()
        if any(data[at : at + CHUNK] in wanted for at in range(len(data) - CHUNK + 1)):
            found.append(str(path.relative_to(folder)))
    return found


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB")).tobytes()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    given = parser.parse_args()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        site, over, outlived, back = Site(Path(folder) / "site"), threading.Event(), [], []
        site.start()
        senders = [Sender(site, over) for _ in range(given.people)]
        for sender in senders:
            sender.start()
        for _ in range(given.times):
            killed = at_work(site)
            time.sleep(chance.uniform(0, 0.05))
            os.kill(killed, signal.SIGKILL)
            began = time.monotonic()
            while at_work(site) == killed:
                time.sleep(0.02)
            back.append(time.monotonic() - began)
            time.sleep(chance.uniform(0, 1))
            outlived += site.kill()
            site.start()
        over.set()
        for sender in senders:
            sender.join()
        ends = [end for sender in senders for end in ended(sender)]
        accepted = len(ends)
        secrets = shown(senders[0])
        site.stop()
        before = bytes_left(site.data, secrets)
        environment = {**os.environ, "WHYLIGHT_SITE": str(site.data), "DJANGO_SETTINGS_MODULE": "whylight.web.settings"}
        subprocess.run([sys.executable, "-c", SWEEP], env=environment, check=True)
        left = left_in(site.data)
        after = bytes_left(site.data, secrets)
    done, failed = ends.count("done"), [end for end in ends if end.startswith("failed: ")]
    lost = [end for end in ends if end != "done" and end not in failed]
    wrong = [one for sender in senders for one in sender.wrong]
    remains = [*left["pictures"], *left["tasks"], *after]
    assert before, "the search finds nothing where all still lies"
    for one in [*lost[:5], *failed[:5], *wrong[:5], *remains[:5]]:
        print(one)
    rows = [
        Row("kills of the worker at work; as many of the site", float(given.times), "times"),
        Row("questions accepted meanwhile", float(accepted), "questions"),
        Row("of these done", float(done), "questions"),
        Row("of these failed, with a reason", float(len(failed)), "questions"),
        Row("of these lost", float(len(lost)), "questions", 0.0, "lower"),
        Row("other errors than that the site was away", float(len(wrong)), "requests", 0.0, "lower"),
        Row("processes that outlive the site by five seconds", float(len(outlived)), "processes", 0.0, "lower"),
        Row("until another worker answers, longest", max(back), "s"),
        Row("files and folders of pictures left when their time is over", float(len(remains)), "files", 0.0, "lower"),
    ]
    if given.dry:
        for row in rows:
            print(f"{row.name}: {row.figure}")
    else:
        record("web/kills", "The site under kills", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
    return 1 if lost or wrong or outlived or remains else 0


def ended(sender: Sender) -> list[str]:
    """How each question of a visitor ended."""
    ends, limit = [], time.monotonic() + PATIENCE
    for job in sender.jobs:
        while True:
            status, told = sender.caller.call("GET", f"/api/jobs/{job}")
            state = told["state"] if status == 200 else f"{status}: {told}"
            if state not in ("queued", "running") or time.monotonic() > limit:
                break
            time.sleep(0.1)
        reason = told.get("reason") or told.get("error")
        ends.append(f"failed: {reason}" if state == "failed" and reason else state)
    return ends


def shown(sender: Sender) -> list[bytes]:
    """What must not be left of a picture: the upload, its pixels, and what pages show of it and of the map over it."""
    sent = megapixel()
    job = next(one for one in sender.jobs if sender.caller.call("GET", f"/api/jobs/{one}")[1]["state"] == "done")
    picture = sender.caller.call("GET", f"/api/jobs/{job}")[1]["picture"]
    view = sender.caller.call("GET", f"/api/pictures/{picture}/view.jpg")[1]
    return [sent, pixels(sent), view, pixels(view)]


if __name__ == "__main__":
    sys.exit(main())
