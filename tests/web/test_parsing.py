"""What never reaches Django is told in the site's words all the same."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest


def send(site: Any, head: bytes) -> tuple[str, str, str]:
    """Status, kind and body of the answer to some bytes."""
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head)
        answer = b""
        while part := connection.recv(2**16):
            answer += part
    top, _, body = answer.decode().partition("\r\n\r\n")
    kind = next(line for line in top.splitlines() if line.lower().startswith("content-type:"))
    return top.split(" ")[1], kind.partition(": ")[2], body


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (b"POST /api/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n", "413", "send fewer"),
        (b"POST /api/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", "400", "damaged"),
        (b"GET /api/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: what\r\n\r\n", "501", "not understood"),
    ],
)
def test_programs_are_told_as_json(site: Any, head: bytes, status: str, words: str) -> None:
    found, kind, body = send(site, head)
    assert (found, kind) == (status, "application/json")
    assert words in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (
            b"POST /pictures/send/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n",
            "413",
            "send fewer",
        ),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, "431", "too long"),
        (b"nonsense\r\n\r\n", "400", "damaged"),
    ],
)
def test_browsers_are_told_in_words(site: Any, head: bytes, status: str, words: str) -> None:
    found, kind, body = send(site, head)
    assert (found, kind) == (status, "text/plain; charset=utf-8")
    assert words in body
    assert "waitress" not in body
