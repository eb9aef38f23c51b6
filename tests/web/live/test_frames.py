"""Frames by HTTP: what is no small picture is refused in words, nothing is stored, and the database is never asked."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from hostile import uploads
from whylight.web.live import frames
from whylight.web.pictures import intake

TAB = "abcdefghij0123456789"


@pytest.fixture(autouse=True)
def site(home: Path) -> Iterator[Path]:
    """A data folder, and processes that end with the test. No database: pytest-django fails a test that asks it."""
    for kept in (frames.eye, frames.seats, intake.decoders):
        kept.cache_clear()
    yield home
    frames.eye().close()
    intake.decoders().close()


def encoded(picture: Image.Image, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def send(client: Client, data: bytes, **asked: str) -> Any:
    query = "&".join(f"{key}={value}" for key, value in {"tab": TAB, **asked}.items())
    return client.post(f"/live/frame/?{query}", data, content_type="image/jpeg")


def seen(client: Client, data: bytes, **asked: str) -> Any:
    """An answer that sees, once the eye is there."""
    end = time.monotonic() + 120
    while (answer := send(client, data, **asked)).status_code == 202:
        assert answer.json() == {"state": "starting"}
        assert time.monotonic() < end
        time.sleep(0.05)
    assert answer.status_code == 200, answer.content
    return answer.json()


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", ["JPEG", *(pytest.param(one, marks=pytest.mark.long) for one in ("PNG", "WEBP"))])
def test_a_frame_is_looked_at_and_nothing_of_it_is_kept(client: Client, photo: Path, site: Path, kind: str) -> None:
    before = files(site)
    with Image.open(photo) as file:
        small = file.convert("RGB").resize((160, 120))
    told = seen(client, encoded(small, kind), model="face", target="0")
    assert (told["label"], told["width"], told["height"]) == ("face", 160, 120)
    assert np.asarray(told["map"]).shape == (14, 14)
    assert files(site) == before


@pytest.mark.long
def test_hostile_frames_are_refused_and_the_eye_lives_on(client: Client, photo: Path) -> None:
    with Image.open(photo) as file:
        good = encoded(file.convert("RGB").resize((160, 120)))
    seen(client, good)
    eye = frames.eye().pid
    statuses = {}
    for name, data in list(uploads())[::25]:
        answer = send(client, data)
        statuses[name] = answer.status_code
        if answer.status_code != 200:
            assert answer.json()["error"]
    assert set(statuses.values()) <= {200, 400, 413, 415}, statuses
    assert list(statuses.values()).count(200) < len(statuses) / 2
    assert seen(client, good)["label"] == "face"
    assert frames.eye().pid == eye


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"GIF89a" + bytes(100), 415, "a GIF"),
        (b"\xff\xd8\xff\xe0" + bytes(100), 400, "damaged"),
        (bytes(frames.BYTES + 1), 413, "256 kB"),
    ],
)
def test_what_is_no_frame_is_told(client: Client, data: bytes, status: int, words: str) -> None:
    answer = send(client, data)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert frames.eye().pid is None  # nobody was woken for it


def test_a_frame_has_a_megapixel_at_most(client: Client) -> None:
    large = encoded(Image.new("L", (1100, 1000)), "PNG")
    assert len(large) < frames.BYTES
    assert send(client, large).status_code == 413


@pytest.mark.parametrize(
    "asked",
    [{"model": "nosuch"}, {"target": "9"}, {"target": "-1"}, {"target": "face"}, {"target": "²"}, {"tab": "short"}],
)
def test_what_is_not_offered_is_told(client: Client, asked: dict[str, str]) -> None:
    answer = send(client, b"\xff\xd8\xff", **asked)
    assert answer.status_code == 400
    assert next(iter(asked)) in answer.json()["error"]


def test_a_frame_from_elsewhere_is_refused(photo: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    assert send(client, photo.read_bytes()).status_code == 403
    page = client.get("/live/")
    token = page.context["csrf_token"]
    told = client.post(f"/live/frame/?tab={TAB}", b"x", content_type="image/jpeg", headers={"X-CSRFToken": str(token)})
    assert told.status_code == 415
    theirs = {"X-CSRFToken": str(token), "Origin": "https://elsewhere.example"}
    assert client.post(f"/live/frame/?tab={TAB}", b"x", content_type="image/jpeg", headers=theirs).status_code == 403
    assert client.get("/live/frame/").status_code == 405


def test_too_many_visitors_are_told_to_come_back(client: Client, settings: Any) -> None:
    settings.WHYLIGHT_LIVE_VISITORS = 1
    assert send(client, b"x").status_code == 415
    answer = send(client, b"x", tab=TAB[::-1])
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "camera" in answer.json()["error"]


def test_the_camera_is_allowed_on_this_page_alone(client: Client) -> None:
    assert "camera=(self)" in client.get("/live/")["Permissions-Policy"]
    for path in ("/", "/about/", "/models/", "/nowhere/"):
        assert "camera=()" in client.get(path)["Permissions-Policy"]
