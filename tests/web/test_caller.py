"""Who calls is told by cookie or key, from where by proxies that are believed; other sites' pages ask nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from whylight.web.keys.models import Key
from whylight.web.limits import count
from whylight.web.middleware import Caller
from whylight.web.said import Said
from whylight.web.tokens import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


def address(here: str, forwarded: str | None, proxies: list[str], settings: Any) -> str:
    settings.WHYLIGHT_PROXIES = proxies
    found = []
    caller = Caller(lambda request: found.append(request.address) or HttpResponse())  # type: ignore[attr-defined, func-returns-value]
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    caller(RequestFactory().get("/", REMOTE_ADDR=here, **headers))
    return str(found[0])


@pytest.mark.parametrize(
    ("here", "forwarded", "proxies", "wanted"),
    [
        ("203.0.113.9", None, [], "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", [], "203.0.113.9"),  # anybody can write that line
        ("127.0.0.1", "198.51.100.1", ["127.0.0.1"], "198.51.100.1"),
        (
            "127.0.0.1",
            "6.6.6.6, 198.51.100.1",
            ["127.0.0.1"],
            "198.51.100.1",
        ),  # what stands before it came from outside
        ("10.0.0.2", "198.51.100.1, 10.0.0.7", ["10.0.0.0/8"], "198.51.100.1"),
        ("127.0.0.1", None, ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", "nonsense", ["127.0.0.1"], "nonsense"),
        ("::1", "2001:db8::5", ["::1"], "2001:db8::5"),
    ],
)
def test_the_address_is_that_which_the_last_believed_proxy_saw(
    here: str, forwarded: str | None, proxies: list[str], wanted: str, settings: Any
) -> None:
    assert address(here, forwarded, proxies, settings) == wanted


def test_an_unknown_key_is_refused_and_a_known_one_calls_as_its_maker(client: Client) -> None:
    assert client.get("/api/models", headers={"Authorization": "Bearer nosuch"}).status_code == 401
    Key.objects.create(digest=digest("secret"), owner="maker", name="mine", start="secr")
    assert client.get("/api/models", headers={"Authorization": "Bearer secret"}).status_code == 200
    assert client.get("/api/models", headers={"Authorization": "Basic secret"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_may_not_ask(headers: dict[str, str], settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = Client().post("/api/explain", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.json()["error"]


def test_our_own_page_and_programs_may(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    for headers in ({"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}, {}):
        assert Client().post("/api/explain", headers=headers).status_code != 403


def test_a_name_that_is_not_ours_is_refused() -> None:
    assert Client().get("/", headers={"Host": "rebound.example"}).status_code == 400


class Asked:
    """As much of a request as is counted."""

    method, key = "POST", None

    def __init__(self, address: str) -> None:
        self.address = address


def test_others_are_counted_and_the_machine_itself_is_not(settings: Any) -> None:
    from django.core.cache import cache

    cache.clear()
    settings.WHYLIGHT_RATE = "2/m"
    for _ in range(5):
        count(Asked("127.0.0.1"))  # type: ignore[arg-type]
    for _ in range(2):
        count(Asked("203.0.113.9"))  # type: ignore[arg-type]
    with pytest.raises(Said, match="try again in") as refused:
        count(Asked("203.0.113.9"))  # type: ignore[arg-type]
    assert refused.value.status == 429
    assert refused.value.retry is not None
    count(Asked("203.0.113.10"))  # type: ignore[arg-type]
    for last in ("1", "2"):  # a subscriber has many addresses of IPv6
        count(Asked(f"2001:db8:0:1::{last}"))  # type: ignore[arg-type]
    with pytest.raises(Said):
        count(Asked("2001:db8:0:1::3"))  # type: ignore[arg-type]


def test_pages_forbid_what_they_do_not_need(client: Client) -> None:
    answer = client.get("/about/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/nothing/", "/results/%00/", "/results/../../etc/passwd", "/pictures/x/view.jpg", "/api/nothing"]
)
def test_what_is_not_there_is_said_in_a_sentence(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    told = answer.json()["error"] if path.startswith("/api/") else answer.content.decode()
    assert "there is no such" in told
