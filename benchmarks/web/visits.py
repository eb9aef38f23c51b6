"""A site that a benchmark may harm, and those who visit it."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.common.places import PHOTO

MARK = "a-line-that-no-picture-holds"


@dataclass
class Site:
    """`whylight serve` in a process of its own."""

    data: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "whylight",
            "serve",
            "--port",
            str(self.port),
            "--data",
            str(self.data),
            *self.options,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r":(\d+)/", line)
        if found is None:
            raise SystemExit(f"the site did not start: {line}")
        self.port = int(found[1])

    def workers(self) -> dict[str, int]:
        """The processes that answer questions, by their names."""
        assert self.process is not None
        commands = {pid: _command(pid).split(b"\0") for pid in descendants(self.process.pid)}
        return {
            words[words.index(b"whylight.web.worker") + 1].decode(): pid
            for pid, words in commands.items()
            if b"whylight.web.worker" in words
        }

    def stop(self) -> None:
        """End it in good order."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(20)

    def kill(self) -> list[int]:
        """End it as if the machine had done so; returns those of its processes that outlive it by more than five seconds."""
        assert self.process is not None
        assert self.process.stdout is not None
        below = {pid: _born(pid) for pid in descendants(self.process.pid)}
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        end = time.monotonic() + 5
        while (left := [pid for pid, born in below.items() if born and _born(pid) == born]) and time.monotonic() < end:
            time.sleep(0.05)
        return left


@contextmanager
def site(data: Path, *options: str) -> Iterator[Site]:
    """A site until the block ends."""
    found = Site(data, options)
    found.start()
    try:
        yield found
    finally:
        found.stop()


def megapixel() -> bytes:
    """A photograph of 1152 × 896 pixels, 1.03 million, as a camera's JPEG."""
    with Image.open(PHOTO) as opened:
        picture = opened.resize((1152, 896), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def form(picture: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a request that sends a picture."""
    parts = [
        f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{MARK}\r\nContent-Disposition: form-data; name="picture"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = b"".join(parts) + head.encode() + picture + f"\r\n--{MARK}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={MARK}"}


@dataclass
class Caller:
    """A program that keeps its cookie, so that what it sends stays its own."""

    site: Site
    cookie: str = ""

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """The status of an answer, and its JSON or its bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        try:
            mine = {"Cookie": self.cookie} if self.cookie else {}
            connection.request(method, path, body, {**(headers or {}), **mine})
            answer = connection.getresponse()
            for one in answer.headers.get_all("Set-Cookie") or []:
                if one.startswith("whylight="):
                    self.cookie = one.partition(";")[0]
            kind, data = answer.headers.get_content_type(), answer.read()
            return answer.status, json.loads(data) if kind == "application/json" else data
        finally:
            connection.close()


@dataclass
class Visitor(threading.Thread):
    """Asks again as soon as it is answered, over one connection, until told to stop."""

    port: int
    body: bytes
    headers: dict[str, str]
    over: threading.Event
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    most: int | None = None

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Ask."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.over.is_set() and (self.most is None or len(self.seconds) < self.most):
            began = time.perf_counter()
            try:
                connection.request("POST", "/api/explain", self.body, self.headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status != 200 or not told.get("map"):
                    self.errors.append(f"{answer.status}: {str(told)[:200]}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.errors.append(repr(error))
                connection.close()
                time.sleep(0.05)
            self.seconds.append(time.perf_counter() - began)
        connection.close()


def visit(port: int, people: int, seconds: float | None, most: int | None = None, **fields: str) -> list[Visitor]:
    """So many visitors at once, for so long, or until each has asked so often."""
    body, headers = form(megapixel(), **fields)
    over = threading.Event()
    visitors = [Visitor(port, body, headers, over, most=most) for _ in range(people)]
    for visitor in visitors:
        visitor.start()
    if seconds is not None:
        time.sleep(seconds)
        over.set()
    for visitor in visitors:
        visitor.join()
    return visitors


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def memory(pids: list[int]) -> float:
    """Megabytes that processes hold, what they share counted once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def share(values: list[float], part: float) -> float:
    """The value that so large a part of the others does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))]


def _born(pid: int) -> str:
    """When a process was started; "" where there is none any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def left_in(folder: Path) -> dict[str, Any]:
    """What of pictures and results lies in a data folder."""
    return {kind: sorted(path.name for path in (folder / kind).iterdir()) for kind in ("pictures", "tasks")}
