"""Uploads as they stream in: counted, kept in memory, without their names; too much is 413 and a sentence."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.multipartparser import MultiPartParserError

from whylight.web.intake import Refused
from whylight.web.intake.receiving import Receiving

EDGE = b"frontier"


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.FILE_UPLOAD_HANDLERS = ["whylight.web.intake.receiving.InMemory"]
    settings.WHYLIGHT_MAX_BYTES = 200_000
    settings.WHYLIGHT_MAX_REQUEST = 600_000
    settings.WHYLIGHT_MAX_FILES = 3
    settings.WHYLIGHT_REFUSAL = None
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 100
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 50
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000


def part(name: str, body: bytes, file: str | None = None, *more: str) -> bytes:
    told = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
    return b"--" + EDGE + b"\r\n" + "\r\n".join([told, *more]).encode() + b"\r\n\r\n" + body + b"\r\n"


def form(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts) + b"--" + EDGE + b"--\r\n"


def request(body: bytes, *, length: object = None, kind: str = "", path: str = "/") -> WSGIRequest:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": kind or f"multipart/form-data; boundary={EDGE.decode()}",
        "CONTENT_LENGTH": str(len(body) if length is None else length),
        "wsgi.input": io.BytesIO(body),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
    }
    return WSGIRequest(environ)


class Seen:
    """A view that notes what it is shown."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, str | None, bytes]] = []
        self.asked = 0

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self.asked += 1
        for field, files in request.FILES.lists():
            self.files += [(field, str(file.name), file.content_type, file.read()) for file in files]
        return HttpResponse("seen")


def answer(*asked: WSGIRequest) -> tuple[int, str, Seen]:
    seen = Seen()
    response = Receiving(seen)(asked[0])
    assert isinstance(response, HttpResponse)
    return response.status_code, response.content.decode().strip(), seen


def test_bytes_come_whole_and_without_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bodies = [bytes([number]) * 150_000 for number in range(3)]
    files = (part("picture", body, f"../../Me & Ann {body[0]}.jpg", "Content-Type: text/html") for body in bodies)
    status, _, seen = answer(request(form([part("model", b"face"), *files])))
    assert status == 200
    assert seen.files == [("picture", "picture", "application/octet-stream", body) for body in bodies]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([part("picture", bytes(200_001), "a.jpg")], "a file has more than 0.190735 MB; send a smaller picture"),
        ([part("picture", bytes(200_000), "a.jpg")] * 3, "more than 0.572205 MB came at once"),
        ([part("picture", b"a", "a.jpg")] * 4, "more than 3 files came at once; send fewer"),
        ([part("picture", b"a", "a.jpg")] * 10_000, "came at once"),
        ([part("picture", b"a", "a.jpg")] * 101, "more than 3 files came at once; send fewer"),
        ([part("a", b"b")] * 53, "the form has too many fields"),
        ([part("a", b"b" * 10_001)], "the form holds too much text"),
        ([b"--" + EDGE + b"\r\n\r\n"] * 10_000, "the form has too many fields"),
        ([part("picture", b"YWJj" * 70_000, "a.jpg", "Content-Transfer-Encoding: base64")], "a file has more than"),
    ],
)
def test_too_much(parts: list[bytes], words: str) -> None:
    status, text, seen = answer(request(form(parts)))
    assert (status, seen.asked) == (413, 0)
    assert words in text


def test_a_length_above_the_limit_is_not_even_read() -> None:
    asked = request(b"never looked at", length=600_001)
    status, text, seen = answer(asked)
    assert (status, seen.asked) == (413, 0)
    assert "came at once" in text
    assert asked.environ["wsgi.input"].tell() == 0


def test_what_is_too_large_is_read_to_its_end_so_that_the_answer_is_seen() -> None:
    asked = request(form([part("picture", bytes(500_000), "a.jpg"), part("picture", b"small", "b.jpg")]))
    assert answer(asked)[0] == 413
    assert not asked.environ["wsgi.input"].read()


def test_more_than_the_length_says_is_not_read() -> None:
    body = form([part("picture", bytes(1000), "a.jpg")])
    asked = request(body + bytes(5000), length=len(body))
    assert answer(asked)[2].files[0][3] == bytes(1000)
    assert asked.environ["wsgi.input"].tell() == len(body)


@pytest.mark.parametrize("length", ["-1", "1e9", "٣", "9" * 5000, "12 "])
def test_a_length_that_is_none(length: str) -> None:
    status, _, seen = answer(request(form([part("a", b"b")]), length=length))
    assert (status in (400, 413), seen.asked) == (True, 0)


@pytest.mark.parametrize("cut", [10, 60, 150, 900])
def test_an_upload_that_breaks_off_is_no_upload(cut: int) -> None:
    body = form([part("picture", bytes(1000), "a.jpg")])
    assert answer(request(body[:cut], length=len(body)))[2].files == []


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=é", "multipart/form-data; boundary=" + "x" * 300]
)
def test_an_edge_that_is_none_is_djangos_400(kind: str) -> None:
    with pytest.raises(MultiPartParserError):
        answer(request(form([part("a", b"b")]), kind=kind))


def test_a_program_is_answered_in_json() -> None:
    status, text, _ = answer(request(form([part("picture", bytes(300_000), "a.jpg")]), path="/api/explain"))
    assert status == 413
    assert "send a smaller picture" in json.loads(text)["error"]


def test_whoever_shows_refusals_is_asked(settings: Any) -> None:
    settings.WHYLIGHT_REFUSAL = f"{__name__}.shown"
    assert answer(request(form([part("picture", bytes(300_000), "a.jpg")])))[:2] == (418, "413")


def shown(request: HttpRequest, refused: Refused) -> HttpResponse:
    return HttpResponse(str(refused.status), status=418)


def test_a_refusal_that_a_view_lets_through_is_the_answer() -> None:
    response = Receiving(Seen()).process_exception(request(b""), Refused(415, "this is a GIF"))
    assert isinstance(response, HttpResponse)
    assert (response.status_code, response.content) == (415, b"this is a GIF\n")
    assert Receiving(Seen()).process_exception(request(b""), ValueError("ours")) is None


def test_other_bodies_are_left_to_the_view() -> None:
    asked = request(b'{"a": 1}', kind="application/json")
    assert answer(asked)[0] == 200
    assert asked.body == b'{"a": 1}'


@pytest.mark.parametrize(
    "body",
    [
        (b"\r\n--frontie" * 60_000)[:590_000],
        b"--" + EDGE + b"\r\n" + b"Content-Disposition: form-data; name=" + b"a;" * 200_000,
        form([b"--" + EDGE + b"\r\n" + b"A: b\r\n" * 60_000 + b"\r\n\r\n"]),
        form([part("picture", b"\r\n" * 90_000, "a.jpg")]),
    ],
    ids=["near misses", "an endless header", "many headers", "ends of lines"],
)
def test_parsing_is_quick_whatever_comes(body: bytes) -> None:
    start = time.perf_counter()
    with suppress(MultiPartParserError):
        answer(request(body))
    assert time.perf_counter() - start < 2
