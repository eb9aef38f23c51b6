"""Hostile requests against a running site; `python -m benchmarks.web.hostile_http` sends the hostile pictures that way as well."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hostile_requests import FORM, head, requests, send
from web_site import post

SLOW = 60  # connections that send next to nothing


def port_of(site: Any) -> int:
    port = urlsplit(site.url).port
    assert port is not None
    return port


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
def test_each_is_answered_and_never_breaks_anything(
    begin: Any, tmp_path: Path, photo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site = begin(tmp_path / "data")
    port, asked, before = port_of(site), list(requests(photo.read_bytes())), files_of(tmp_path)
    assert len(asked) > 300
    broken, over, waits = [], threading.Event(), []

    def visit() -> None:
        while not over.wait(0.1):
            began = time.perf_counter()
            with urllib.request.urlopen(f"{site.url}/api/models", timeout=30) as answer:
                assert answer.status == 200
            waits.append(time.perf_counter() - began)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        for request in asked:
            answer = send(port, request)
            # 501: the server does not know this way of sending. All else is the sender's fault, or none.
            fine = request.hangs_up if answer.status == 0 else answer.status < 500 or answer.status == 501
            if not fine or answer.seconds > 5:
                broken.append((request.name, answer.status, answer.seconds, answer.body[:200]))
            told = answer.body.partition(b"\r\n\r\n")[2]
            if answer.status >= 400 and b"application/json" in answer.body and told[:1] == b"{":
                assert json.loads(told)["error"], request.name
    finally:
        over.set()
        visitor.join()
    assert not broken
    assert max(waits) < 5
    assert post(site, "/api/explain", {}, photo)["map"]
    end = time.monotonic() + 20  # what nobody asked to keep is deleted when it is answered
    while (left := {one for one in files_of(tmp_path) - before if "site.db" not in one}) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left
    assert "Traceback" not in capfd.readouterr().err


def test_who_sends_slowly_keeps_nobody_else_waiting(site: Any, photo: Path) -> None:
    port = port_of(site)
    top = head(b"/api/explain", b"Content-Type: " + FORM, b"Content-Length: 1000000")
    slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(SLOW)]
    try:
        for number, connection in enumerate(slow):  # half of them do not even finish the head
            connection.sendall(top[: 30 if number % 2 else None])
        for _ in range(3):
            for connection in slow:
                connection.sendall(b"x")
            began = time.perf_counter()
            assert post(site, "/api/explain", {}, photo)["map"]
            assert time.perf_counter() - began < 5
    finally:
        for connection in slow:
            connection.close()
