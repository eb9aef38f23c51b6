"""What cannot be answered is said as JSON, in one sentence, with the status that fits; nothing here needs a worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from whylight.web.caller import COOKIE
from whylight.web.pictures.models import Picture
from whylight.web.tasks.models import State, Task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
NOWHERE = "x" * 22
FORM = "multipart/form-data; boundary=mark"


def told(answer: Any, status: int, words: str) -> None:
    """The answer is a sentence as JSON."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


@pytest.mark.parametrize("path", ["explain", "locate", "face", "pictures"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/jpeg", "application/xml"])
def test_pictures_come_as_forms(client: Client, path: str, kind: str) -> None:
    told(client.post(f"/api/{path}", b"{}", content_type=kind), 415, "multipart/form-data")


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("explain", b"", 400, "picture: there is none"),
        ("explain", b"nonsense", 400, "picture: there is none"),
        ("explain", b"--mark\r\n\r\n\r\n", 400, "picture: there is none"),
        ("pictures", b"", 400, "picture: is missing"),
        ("pictures", b'--mark\r\nContent-Disposition: form-data; name="picture"\r\n\r\nx\r\n--mark--', 400, "picture:"),
    ],
)
def test_forms_that_are_none(client: Client, path: str, body: bytes, status: int, words: str) -> None:
    told(client.post(f"/api/{path}", body, content_type=FORM), status, words)


@pytest.mark.parametrize("path", ["explain", "locate", "face"])
def test_one_picture_is_asked_about_at_a_time(client: Client, photo: Path, path: str) -> None:
    with photo.open("rb") as one, photo.open("rb") as two:
        told(client.post(f"/api/{path}", {"picture": [one, two]}), 400, "one at a time")


def test_a_form_without_a_boundary(client: Client) -> None:
    answer = client.post("/api/explain", b"x", content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"picture_id": NOWHERE}, 404, "no such picture"),
        ({"picture_id": "\0"}, 404, "no such picture"),
        ({"picture_id": "../" * 1000}, 404, "no such picture"),
        ({"model": "\0"}, 400, "not offered here"),
        ({"model": "face\n"}, 400, "not offered here"),
        ({"model": "http://elsewhere.example/model"}, 400, "not offered here"),
        ({"method": "\0"}, 400, "did you mean"),
        ({"method": "x" * 100_000}, 400, "did you mean"),
        ({"target": "top99"}, 400, "can be asked at once"),
        ({"target": "-1"}, 400, "no class"),
        ({"target": "٣"}, 400, "no class"),
        ({"target": "9" * 5000}, 400, "no class"),
        ({"target": "a >> b >> c"}, 400, "expected two classes"),
        ({"target": "face >> cat"}, 400, "no class 'cat'"),
        ({"verify": "null"}, 400, "verify: expected true or false"),
        ({"keep": "2"}, 400, "keep: expected true or false"),
        ({"keep": ""}, 400, "keep: expected true or false"),
        ({"wait": ""}, 400, "wait"),
        ({"wait": "-1"}, 400, "wait: input should be greater"),
        ({"wait": "61"}, 400, "wait: input should be less"),
        ({"wait": "inf"}, 400, "wait"),
        ({"wait": "1" * 5000}, 400, "wait"),
    ],
    ids=lambda one: json.dumps(one)[:40] if isinstance(one, dict) else None,
)
def test_fields_that_make_no_sense(client: Client, fields: dict[str, str], status: int, words: str) -> None:
    told(client.post("/api/explain", fields), status, words)


def test_a_sentence_is_short_and_names_no_place_of_the_site(client: Client, home: Path) -> None:
    answer = client.post("/api/explain", {"model": str(home / "secret.key") * 100})
    assert len(answer.json()["error"]) < 200


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("locate", {"target": "top2"}, "no class"),
        ("locate", {"target": "face >> no face"}, "no class"),
        ("locate", {"sequential": "maybe"}, "sequential: expected true or false"),
        ("face", {"language": "xx"}, "not spoken here"),
        ("face", {"every": "all"}, "every: expected true or false"),
    ],
)
def test_fields_of_other_questions(client: Client, path: str, fields: dict[str, str], words: str) -> None:
    told(client.post(f"/api/{path}", fields), 400, words)


def test_too_many_fields_and_too_much_text(client: Client) -> None:
    told(client.post("/api/explain", {f"f{number}": "x" for number in range(300)}), 413, "too many fields")
    told(client.post("/api/explain", {"target": "x" * 2**21}), 413, "too much text")


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"", "application/json", 400, "the request: is missing"),
        (b"{", "application/json", 400, "cannot parse"),
        (b"\xff\xfe", "application/json", 400, "cannot parse"),
        (b"[" * 100_000, "application/json", 400, "cannot parse"),
        (b"null", "application/json", 400, "name"),
        (b"[]", "application/json", 400, "name"),
        (b"{}", "application/json", 400, "name: is missing"),
        (b'{"name": null}', "application/json", 400, "name: input should be a valid string"),
        (b'{"name": 5}', "application/json", 400, "name: input should be a valid string"),
        (b'{"name": ""}', "application/json", 400, "name: string should have at least 1"),
        (b'{"name": "  "}', "application/json", 400, "name: call the key something"),
        (b'{"name": "a\\u0000"}', "application/json", 400, "name: call the key something"),
        (b'{"name": "\\ud800"}', "application/json", 400, "name"),
        (b'{"name": "x"}', "text/plain", 415, "application/json"),
        (json.dumps({"name": "x" * 61}).encode(), "application/json", 400, "name: string should have at most 60"),
        (json.dumps({"name": "x" * 2**21}).encode(), "application/json", 413, "more than fits"),
    ],
)
def test_keys_that_cannot_be_made(client: Client, body: bytes, kind: str, status: int, words: str) -> None:
    told(client.post("/api/keys", body, content_type=kind), status, words)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/api/nothing", "/api/jobs/short", "/api/keys/x", "/api/jobs/%00", "/api/explain/"])
def test_addresses_that_lead_nowhere(client: Client, method: str, path: str) -> None:
    told(getattr(client, method)(path), 404, "there is no such page")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("explain", "POST"),
        ("models", "GET"),
        ("jobs", "GET"),
        ("keys", "GET, POST"),
        (f"jobs/{NOWHERE}/cancel", "POST"),
    ],
)
def test_methods_that_an_address_does_not_take(client: Client, path: str, allowed: str) -> None:
    for method in ("PUT", "PATCH", "TRACE", "OPTIONS"):
        answer = client.generic(method, f"/api/{path}")
        told(answer, 405, "other methods")
        assert sorted(answer["Allow"].split(", ")) == sorted(allowed.split(", "))


OF_A_JOB = [
    ("get", ""),
    ("get", "/result"),
    ("get", "/overlay.png"),
    ("get", "/files"),
    ("get", "/files/x.jpg"),
    ("get", "/events"),
    ("post", "/cancel"),
    ("post", "/share"),
    ("delete", "/share"),
    ("delete", ""),
]


@pytest.mark.parametrize(("method", "rest"), OF_A_JOB)
def test_somebody_elses_job_is_not_there(task: Task, keyed: Any, method: str, rest: str) -> None:
    for job in (task.pk, NOWHERE):
        told(getattr(keyed("you"), method)(f"/api/jobs/{job}{rest}"), 404, "there is no such")
    assert Task.objects.get(pk=task.pk).state == State.QUEUED


@pytest.mark.parametrize(("method", "rest"), [("get", ""), ("get", "/view.jpg"), ("delete", "")])
def test_somebody_elses_picture_is_not_there(task: Task, keyed: Any, method: str, rest: str) -> None:
    told(getattr(keyed("you"), method)(f"/api/pictures/{task.picture_id}{rest}"), 404, "no such picture")
    assert Picture.objects.filter(pk=task.picture_id).exists()


def test_lists_hold_what_is_mine(task: Task, keyed: Any) -> None:
    assert [one["id"] for one in keyed("me").get("/api/jobs").json()] == [task.pk]
    assert [one["id"] for one in keyed("me").get("/api/pictures").json()] == [task.picture_id]
    assert keyed("you").get("/api/jobs").json() == keyed("you").get("/api/pictures").json() == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1", "offset=1e9", "limit=" + "9" * 5000])
def test_pages_of_lists_that_are_none(client: Client, query: str) -> None:
    told(client.get(f"/api/jobs?{query}"), 400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("method", "rest"), [("get", "/result"), ("get", "/files"), ("get", "/overlay.png"), ("post", "/share")]
)
def test_what_is_not_done_is_not_told(task: Task, keyed: Any, method: str, rest: str) -> None:
    told(getattr(keyed("me"), method)(f"/api/jobs/{task.pk}{rest}"), 409, "waiting")


def test_a_question_that_waits_is_told_cancelled_and_deleted(task: Task, keyed: Any) -> None:
    mine = keyed("me")
    job = mine.get(f"/api/jobs/{task.pk}").json()
    assert (job["state"], job["ahead"], job["served"], job["result"]) == ("queued", 0, False, None)
    assert mine.post(f"/api/jobs/{task.pk}/cancel").json()["state"] == "cancelled"
    assert mine.delete(f"/api/jobs/{task.pk}").status_code == 204
    assert mine.delete(f"/api/jobs/{task.pk}").status_code == 404


def test_too_many_requests_are_told_when_to_come_again(client: Client, settings: Any) -> None:
    from django.core.cache import cache

    cache.clear()
    settings.WHYLIGHT_RATE = "1/m"
    assert client.post("/api/explain", REMOTE_ADDR="203.0.113.7").status_code == 400
    answer = client.post("/api/explain", REMOTE_ADDR="203.0.113.7")
    told(answer, 429, "too much at a time")
    assert 0 < int(answer["Retry-After"]) <= 60
    cache.clear()


def test_a_site_that_is_still_starting_says_so(client: Client, home: Path) -> None:
    (home / "catalogue.json").unlink()
    for answer in (client.get("/api/models"), client.post("/api/explain")):
        told(answer, 503, "the site is starting")
        assert int(answer["Retry-After"]) > 0


def test_a_name_that_is_not_ours_is_refused(client: Client) -> None:
    told(client.get("/api/models", headers={"Host": "rebound.example"}), 400, "makes no sense")


def test_a_fault_of_ours_is_told_as_one(client: Client, home: Path) -> None:
    (home / "catalogue.json").write_text("{}")
    client.raise_request_exception = False
    told(client.get("/api/models"), 500, "noted down")


def test_a_cookie_that_was_changed_is_nobodys(client: Client, task: Task) -> None:
    client.cookies[COOKIE] = "me:forged"
    told(client.get(f"/api/jobs/{task.pk}"), 404, "there is no such")
