"""Those who wait for an answer, and those who listen how far it is: answered at once, to the end, and in bounded numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from whylight.web.api import patience
from whylight.web.pictures import store
from whylight.web.pictures.models import Picture
from whylight.web.tasks import asking
from whylight.web.tasks.models import Task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def test_what_takes_longer_is_answered_with_a_job_and_kept(client: Client, photo: Path) -> None:
    answer = client.post("/api/explain", {"picture": SimpleUploadedFile("x", photo.read_bytes()), "wait": "0.05"})
    assert answer.status_code == 202
    assert client.get(f"/api/jobs/{answer.json()['id']}").status_code == 200  # by the cookie that came with it
    page = client.get(f"/api/pictures/{answer.json()['picture']}/view.jpg")
    assert b"".join(page.streaming_content)[:2] == b"\xff\xd8"  # made now: nobody thought that it would be looked at


def test_the_picture_of_a_caller_who_hangs_up_is_deleted(client: Client, photo: Path) -> None:
    picture = SimpleUploadedFile("x", photo.read_bytes())
    answer = client.post("/api/explain", {"picture": picture}, **{"waitress.client_disconnected": lambda: True})
    assert answer.status_code == 404
    assert not Picture.objects.exists()
    assert store.all_of("pictures") == []


def test_those_who_wait_leave_room_for_others(client: Client, photo: Path, settings: Any) -> None:
    taken = [patience.waiting().acquire(blocking=False) for _ in range(settings.WHYLIGHT_THREADS)]
    try:
        answer = client.post("/api/explain", {"picture": SimpleUploadedFile("x", photo.read_bytes()), "wait": "30"})
        assert answer.status_code == 202
    finally:
        for _ in filter(None, taken):
            patience.waiting().release()


def test_so_do_those_who_listen(task: Task, keyed: Any, settings: Any) -> None:
    places = [patience.listening().acquire(blocking=False) for _ in range(settings.WHYLIGHT_THREADS)]
    answer = keyed("me").get(f"/api/jobs/{task.pk}/events")
    assert answer.status_code == 503
    assert "too many listen" in answer.json()["error"]
    assert int(answer["Retry-After"]) > 0
    patience.listening().release()
    stream = keyed("me").get(f"/api/jobs/{task.pk}/events")
    assert stream.status_code == 200
    stream.close()  # gives the place back
    assert patience.listening().acquire(blocking=False)
    for _ in filter(None, places):
        patience.listening().release()


def test_events_begin_at_once_and_end_with_the_question(task: Task, keyed: Any) -> None:
    mine = keyed("me")
    stream = iter(mine.get(f"/api/jobs/{task.pk}/events").streaming_content)
    assert next(stream).startswith(b"event: progress\ndata: {")
    asking.cancel(task)
    last = next(stream)
    assert last.startswith(b"event: end\n")
    assert json.loads(last.partition(b"data: ")[2])["state"] == "cancelled"
    assert list(stream) == []


def test_events_of_a_question_that_is_deleted_end(task: Task, keyed: Any) -> None:
    stream = iter(keyed("me").get(f"/api/jobs/{task.pk}/events").streaming_content)
    next(stream)
    asking.delete(task)
    assert list(stream) == [b'event: end\ndata: {"state": "deleted"}\n\n']
