"""The page of faces: each face, the evidence on it as bars and in words; what is wrong, and what to try."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from web_site import picture_page


def test_a_face_its_evidence_and_its_features(site: Any, page: Any, photo: Path) -> None:
    picture_page(site, page, "faces", "Find faces", photo)
    assert page.locator("h1").inner_text() == "One face"
    assert "There is a face" in page.locator(".face .words").inner_text()
    nose = page.locator("tr", has=page.get_by_text("nose", exact=True))
    assert int(nose.locator("meter").get_attribute("value")) > 50
    assert page.locator(".stage .boxes rect").count() == 1
    assert "off the face" in page.locator(".face").inner_text()
    for one in page.locator("main img").all():
        assert one.get_attribute("alt")
        assert one.evaluate("img => img.complete && img.naturalWidth > 0")
    with page.expect_download() as download:
        page.get_by_text("Download the card").click()
    with Image.open(download.value.path()) as card:
        assert card.width > 300
    assert not [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    page.get_by_label("Sentence in").select_option("de")
    page.get_by_role("button", name="Ask").click()
    page.locator(".face .words[lang=de]").wait_for(timeout=20_000)
    assert "Gesicht" in page.locator(".face .words").inner_text()


def test_no_face_is_said_with_what_to_try(site: Any, page: Any, tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "empty.png")
    picture_page(site, page, "faces", "Find faces", tmp_path / "empty.png")
    assert page.locator("h1").inner_text() == "No face found"
    said = page.locator(".face").inner_text()
    assert "look at the camera" in said
    assert str(site.data) not in page.content()


def test_the_pages_files_are_their_owners_alone(site: Any, page: Any, photo: Path) -> None:
    picture_page(site, page, "faces", "Find faces", photo)
    at = page.locator(".pair img").first.get_attribute("src")
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(site.url + at)
    refused.value.close()
    held = page.context.request.get(site.url + at)
    assert Image.open(io.BytesIO(held.body())).size[0] > 100
