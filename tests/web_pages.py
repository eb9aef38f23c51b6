"""What tests of pages do again and again: send a picture as a browser does, wait for its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

# Pixels. Each page is tried at the width of a phone, and at that of a desktop among the long tests.
WIDTHS = [pytest.param((1280, 800), marks=pytest.mark.long, id="desktop"), pytest.param((390, 844), id="phone")]

_BYTES = "canvas => { const c = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
# Of a canvas: its pixels, and how opaque the most opaque of them is.
PIXELS = f"{_BYTES} return Array.from(c); }}"
STRONGEST = f"{_BYTES} let most = 0; for (let i = 3; i < c.length; i += 4) most = Math.max(most, c[i]); return most; }}"


def token_of(page: Any, site: Any) -> str:
    """What a form of the site's has to bring along."""
    cookies = {one["name"]: one["value"] for one in page.context.cookies(site.url)}
    if "csrftoken" not in cookies:
        page.request.get(site.url + "/")
        cookies = {one["name"]: one["value"] for one in page.context.cookies(site.url)}
    return str(cookies["csrftoken"])


def send(page: Any, site: Any, photo: Path, **fields: str) -> str:
    """Send a picture with a question, and go to the result's page; its address."""
    picture = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": photo.read_bytes()}
    form = {"csrfmiddlewaretoken": token_of(page, site), "picture": picture, **fields}
    answer = page.request.post(site.url + "/pictures/send/", multipart=form)
    assert answer.ok, answer.text()
    page.goto(answer.url)
    return str(answer.url)


def explained(page: Any, site: Any, photo: Path, **fields: str) -> str:
    """The same, when the map is drawn."""
    address = send(page, site, photo, **fields)
    drawn(page)
    return address


def drawn(page: Any) -> None:
    """Wait until a map is on the page."""
    page.locator("[data-drawn]").wait_for(timeout=120_000)
