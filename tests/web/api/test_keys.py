"""Keys: made on a page or by a call, shown once, known by a digest, and over when they are deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from whylight.web.keys import making
from whylight.web.keys.models import Key

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def made(answer: Any) -> str:
    found = re.search(r'<code id="key">(wl_[\w-]{43})</code>', answer.content.decode())
    assert found
    return found[1]


def test_a_page_makes_a_key_and_shows_it_once(client: Client) -> None:
    secret = made(client.post("/keys/", {"name": "my script"}))
    again = client.get("/keys/").content.decode()
    assert "my script" in again
    assert secret not in again
    assert secret[: len(Key.objects.get().start)] == Key.objects.get().start
    assert secret not in str(list(Key.objects.values()))
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/keys").json()[0]["name"] == "my script"


def test_a_page_deletes_it(client: Client) -> None:
    secret = made(client.post("/keys/", {"name": "x"}))
    assert client.post(f"/keys/{Key.objects.get().pk}/delete/")["Location"] == "/keys/"
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/models").status_code == 401


def test_somebody_elses_key_is_not_there(client: Client) -> None:
    client.post("/keys/", {"name": "x"})
    number = Key.objects.get().pk
    for caller in (Client(), Client(headers={"Authorization": f"Bearer {making.make('you', 'y')[0]}"})):
        assert caller.delete(f"/api/keys/{number}").status_code == 404
    assert Client().post(f"/keys/{number}/delete/").status_code == 404
    assert client.delete("/api/keys/" + "9" * 19).status_code == 404
    assert client.delete(f"/api/keys/{number}").status_code == 204


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\nb\u2028"])
def test_a_page_says_what_is_wrong_with_a_name(client: Client, name: str) -> None:
    answer = client.post("/keys/", {"name": name})
    assert answer.status_code == 400
    assert "call the key something" in answer.content.decode()
    assert not Key.objects.exists()


def test_a_name_is_text_and_nothing_else(client: Client) -> None:
    page = client.post("/keys/", {"name": "<b>Küche</b>"}).content.decode()
    assert "&lt;b&gt;Küche&lt;/b&gt;" in page
    assert "<b>Küche" not in page


def test_there_are_so_many_and_no_more(client: Client) -> None:
    answers = [client.post("/keys/", {"name": "x"}) for _ in range(making.MOST + 1)]
    assert [answer.status_code for answer in answers] == [200] * making.MOST + [409]
    refused = client.post("/api/keys", {"name": "x"}, content_type="application/json")
    assert refused.status_code == 409
    assert "delete one first" in refused.json()["error"]


def test_a_key_cannot_make_another(client: Client) -> None:
    caller = Client(headers={"Authorization": f"Bearer {made(client.post('/keys/', {'name': 'x'}))}"})
    answer = caller.post("/api/keys", {"name": "y"}, content_type="application/json")
    assert answer.status_code == 403
    assert "cannot make another" in answer.json()["error"]


def test_a_form_from_elsewhere_makes_none() -> None:
    assert Client(enforce_csrf_checks=True).post("/keys/", {"name": "x"}).status_code == 403
    assert not Key.objects.exists()
