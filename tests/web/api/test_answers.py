"""What the API answers is what Python answers; what cannot be answered is said in a sentence."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import whylight
from web_site import call, cookie, multipart, post


@pytest.mark.parametrize(
    ("model", "method", "target"),
    [
        ("face", "gradcam", ""),
        ("face", "Grad-CAM++", "1"),
        ("face", "gradcam", "face >> no face"),
        ("person", "eigencam", ""),
        pytest.param("face", "layercam", "no face", marks=pytest.mark.long),
        pytest.param("face", "integrated-gradients", "rank1", marks=pytest.mark.long),
    ],
)
def test_every_number_is_that_of_python(site: Any, photo: Path, model: str, method: str, target: str) -> None:
    answer = post(site, "/api/explain", {"model": model, "method": method, "target": target}, photo)
    asked = whylight.targets.parse(target)[0] if target else None
    ex = whylight.explain(whylight.load(model), photo, method=method, target=int(asked) if target == "1" else asked)
    told = json.loads(json.dumps(ex.to_dict()))
    assert answer["map"] == told["map"]
    for key in (
        "label",
        "score",
        "probability",
        "target",
        "method",
        "units",
        "blank",
        "flat",
        "level",
        "region",
        "peak",
    ):
        assert answer[key] == told[key], key
    assert [answer["width"], answer["height"]] == told["picture_size"]


def test_several_targets_are_all_answered(site: Any, photo: Path) -> None:
    answer = post(site, "/api/explain", {"target": "top2"}, photo)
    assert [one["label"] for one in answer["answers"]] == ["face", "no face"]
    assert answer["answers"][0]["map"] == answer["map"]
    assert answer["job"] is None
    assert answer["picture"] is None


def test_nothing_stays_of_what_was_not_to_be_kept(site: Any, photo: Path) -> None:
    before = {path for kind in ("pictures", "tasks") for path in (site.data / kind).iterdir()}
    post(site, "/api/explain", {}, photo)
    after = {path for kind in ("pictures", "tasks") for path in (site.data / kind).iterdir()}
    assert after <= before


def test_boxes_and_faces(site: Any, photo: Path) -> None:
    found = post(site, "/api/locate", {"target": "face"}, photo)
    wanted = whylight.locate(whylight.load("face"), photo, target="face")
    assert [[box[side] for side in ("x0", "y0", "x1", "y1")] for box in found["boxes"]] == [
        list(box[:4]) for box in wanted.boxes
    ]
    faces = post(site, "/api/face", {}, photo)
    assert faces["results"][0]["code"] == 0
    assert faces["results"][0]["features"]
    assert str(site.data) not in json.dumps([found, faces])


def ask(site: Any, holder: str, photo: Path | None, **fields: str) -> tuple[int, Any]:
    body, kind = multipart(fields, {} if photo is None else {"picture": photo.read_bytes()})
    return call(f"{site.url}/api/explain", "POST", body, Content_Type=kind, Cookie=holder)


def test_a_slow_question_is_watched_cancelled_and_deleted(site: Any, photo: Path) -> None:
    mine, theirs = cookie(site), cookie(site)
    status, job = ask(site, mine, photo, model="person", method="rise", wait="0")
    assert status == 202
    at = f"{site.url}/api/jobs/{job['id']}"
    events: list[tuple[str, Any]] = []

    def listen() -> None:
        with urllib.request.urlopen(
            urllib.request.Request(f"{at}/events", headers={"Cookie": mine}), timeout=60
        ) as stream:
            name = ""
            for line in stream:
                if line.startswith(b"event: "):
                    name = line[7:].decode().strip()
                elif line.startswith(b"data: "):
                    events.append((name, json.loads(line[6:])))

    listener = threading.Thread(target=listen)
    listener.start()
    end = time.monotonic() + 40
    while call(at, Cookie=mine)[1]["done"] == 0 and time.monotonic() < end:
        time.sleep(0.1)
    for path, method in (
        ("", "GET"),
        ("/result", "GET"),
        ("/events", "GET"),
        ("/cancel", "POST"),
        ("", "DELETE"),
        ("/share", "POST"),
    ):
        assert call(at + path, method, b"" if method == "POST" else None, Cookie=theirs)[0] == 404
    asked = time.monotonic()
    assert call(f"{at}/cancel", "POST", b"", Cookie=mine)[0] == 200
    while call(at, Cookie=mine)[1]["state"] == "running":
        time.sleep(0.02)
    assert time.monotonic() - asked < 1.5
    listener.join(10)
    assert [name for name, _ in events][-1] == "end"
    assert events[-1][1]["state"] == "cancelled"
    done = [one["done"] for _, one in events]
    assert done == sorted(done)
    assert call(f"{at}/result", Cookie=mine)[0] == 409
    assert call_empty(at, "DELETE", mine) == 204
    assert call(at, Cookie=mine)[0] == 404


def call_empty(url: str, method: str, holder: str) -> int:
    with urllib.request.urlopen(
        urllib.request.Request(url, method=method, headers={"Cookie": holder}), timeout=30
    ) as answer:
        assert answer.read() == b""
        return int(answer.status)


def test_a_picture_is_sent_once_and_asked_about_often(site: Any, photo: Path) -> None:
    mine = cookie(site)
    body, kind = multipart({}, {"picture": photo.read_bytes()})
    status, picture = call(f"{site.url}/api/pictures", "POST", body, Content_Type=kind, Cookie=mine)
    assert status == 201
    for method in ("gradcam", "layercam"):
        status, answer = ask(site, mine, None, picture_id=picture["id"], method=method)
        assert status == 200
        assert answer["picture"] == picture["id"]
    assert len(call(f"{site.url}/api/pictures/{picture['id']}", Cookie=mine)[1]["jobs"]) == 2
    status, shared = call(f"{site.url}/api/jobs/{answer['job']}/share", "POST", b"", Cookie=mine)
    assert status == 200
    assert shared["url"].startswith(f"{site.url}/shared/")
    assert call_empty(f"{site.url}/api/pictures/{picture['id']}", "DELETE", mine) == 204
    assert ask(site, mine, None, picture_id=picture["id"])[0] == 404
    assert call(f"{site.url}/api/jobs/{answer['job']}", Cookie=mine)[0] == 404


def test_a_key_calls_as_its_maker_until_it_is_deleted(site: Any, photo: Path) -> None:
    mine = cookie(site)
    body = json.dumps({"name": "script"}).encode()
    _, key = call(f"{site.url}/api/keys", "POST", body, Content_Type="application/json", Cookie=mine)
    bearer = f"Bearer {key['key']}"
    form, kind = multipart({"keep": "true"}, {"picture": photo.read_bytes()})
    status, answer = call(f"{site.url}/api/explain", "POST", form, Content_Type=kind, Authorization=bearer)
    assert status == 200
    assert call(f"{site.url}/api/jobs/{answer['job']}", Cookie=mine)[0] == 200
    assert call_empty(f"{site.url}/api/keys/{key['id']}", "DELETE", mine) == 204
    assert call(f"{site.url}/api/jobs", Authorization=bearer)[0] == 401


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "resnet50"}, 400, "not offered here"),
        ({"model": "../../etc/passwd"}, 400, "not offered here"),
        ({"method": "nosuch"}, 400, "did you mean"),
        ({"method": "legrad"}, 400, "cannot be asked with legrad"),
        ({"target": "cat"}, 400, "no class 'cat'"),
        ({"target": "\0"}, 400, "no class"),
        ({"target": "x" * 100_000}, 400, "no class"),
        ({"target": "99"}, 400, "numbered from 0 to 1"),
        ({"wait": "soon"}, 400, "wait"),
        ({"wait": "1e9"}, 400, "wait"),
        ({"wait": "nan"}, 400, "wait"),
        ({"keep": "perhaps"}, 400, "keep"),
        ({"picture_id": "x" * 22}, 400, "there are two"),
    ],
)
def test_what_cannot_be_asked_is_said(site: Any, photo: Path, fields: dict[str, str], status: int, words: str) -> None:
    found, answer = ask(site, cookie(site), photo, **fields)
    assert found == status
    assert words in answer["error"]
    assert "Traceback" not in answer["error"]


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"GIF89a" + bytes(100), 415, "GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "SVG"),
        (b"<html>", 415, "JPEG, PNG or WebP"),
        (b"\xff\xd8\xff\xe0" + bytes(500), 400, "damaged"),
        (bytes(25 * 2**20), 413, "20 MB"),
    ],
    ids=["empty", "gif", "svg", "html", "damaged", "large"],
)
def test_what_is_no_picture_is_said(site: Any, data: bytes, status: int, words: str) -> None:
    body, kind = multipart({}, {"picture": data})
    found, answer = call(f"{site.url}/api/explain", "POST", body, Content_Type=kind)
    assert found == status
    assert words in answer["error"]


def test_a_caller_who_hangs_up_is_not_answered(site: Any, photo: Path) -> None:
    holder = cookie(site)
    body, kind = multipart({"model": "person", "method": "rise", "wait": "60"}, {"picture": photo.read_bytes()})
    address = urlsplit(site.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
    connection.request("POST", "/api/explain", body, {"Content-Type": kind, "Cookie": holder})
    assert until(lambda: len(call(f"{site.url}/api/pictures", Cookie=holder)[1]) == 1)
    connection.close()
    assert until(lambda: call(f"{site.url}/api/pictures", Cookie=holder)[1] == [])


def test_a_listener_who_hangs_up_makes_room(site: Any, photo: Path) -> None:
    holder = cookie(site)
    _, job = ask(site, holder, photo, model="person", method="rise", wait="0", keep="true")
    address = urlsplit(site.url)
    for _ in range(30):  # more than may listen at a time
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
        connection.request("GET", f"/api/jobs/{job['id']}/events", headers={"Cookie": holder})
        answer = connection.getresponse()
        assert answer.status in (200, 503)
        if answer.status == 503:
            assert until(lambda: call(f"{site.url}/api/models")[0] == 200)  # others are answered meanwhile
            time.sleep(0.3)
        else:
            assert answer.readline().startswith(b"event: ")
        answer.close()
        connection.close()
    call(f"{site.url}/api/jobs/{job['id']}/cancel", "POST", b"", Cookie=holder)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
    time.sleep(1)
    connection.request("GET", f"/api/jobs/{job['id']}/events", headers={"Cookie": holder})
    assert connection.getresponse().read().startswith(b"event: ")
    connection.close()


def until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False
