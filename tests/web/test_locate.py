"""The page of boxes: each in words, the looks that led to them, downloads."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import whylight
from web_site import picture_page


def test_boxes_in_words_and_the_looks_of_a_search(site: Any, page: Any, photo: Path) -> None:
    picture_page(site, page, "locate", "Locate", photo)
    (wanted,) = whylight.locate(whylight.load("face"), photo).boxes
    assert page.locator("h1").inner_text() == "Where is “face”?"
    assert f"x {wanted.x0} to {wanted.x1}, y {wanted.y0} to {wanted.y1}" in page.locator(".boxlist").first.inner_text()
    boxes = page.locator("#boxes")
    assert boxes.is_visible()
    page.get_by_label("Boxes", exact=True).uncheck()
    assert not boxes.is_visible()
    assert not [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    page.get_by_label("How").select_option("on")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("It stopped because").wait_for(timeout=60_000)
    assert page.locator(".strip img").evaluate("img => img.decode().then(() => img.naturalWidth)") > 300
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_downloads(site: Any, page: Any, photo: Path) -> None:
    picture_page(site, page, "locate", "Locate", photo)
    found = {}
    for kind in ("PNG", "JSON", "CSV"):
        with page.expect_download() as download:
            page.get_by_text(f"Download {kind}").click()
        assert download.value.suggested_filename == f"face-boxes.{kind.lower()}"
        found[kind] = download.value.path()
    with Image.open(found["PNG"]) as drawn:
        assert drawn.size == (512, 512)
    told = json.loads(found["JSON"].read_text())
    (row,) = csv.DictReader(found["CSV"].read_text().splitlines())
    assert [int(row[side]) for side in ("x0", "y0", "x1", "y1")] == [
        told["boxes"][0][side] for side in ("x0", "y0", "x1", "y1")
    ]
    assert str(site.data) not in json.dumps(told)


def test_nothing_found_is_said(site: Any, page: Any, tmp_path: Path) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "empty.png")
    picture_page(site, page, "locate", "Locate", tmp_path / "empty.png")
    assert page.get_by_text("No box was drawn").is_visible()
