"""The result page in a real browser: what a visitor does there, from the first map to the deletion."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

import whylight
from web_pages import PIXELS, STRONGEST, drawn, explained, send, token_of

_PATIENCE = 120_000  # milliseconds: checks wait behind one another, on a machine that may have other work


def test_from_an_upload_to_its_deletion(site: Any, page: Any, photo: Path) -> None:
    address = explained(page, site, photo)
    assert page.get_by_role("heading", level=1).inner_text() == "Why “face”?"
    assert "99.8 %" in page.locator("[data-explained] .class[aria-current]").inner_text()

    page.locator("a.class", has_text="no face").click()
    page.locator("[data-drawn^='1 ']").wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == "Why “no face”?"
    assert page.url.endswith("?class=1")
    page.go_back()
    page.locator("[data-drawn^='0 ']").wait_for()

    canvas = page.locator("canvas[data-heat]")
    assert 155 < canvas.evaluate(STRONGEST) < 161  # 1 - (1 - 0.5)^1.4 of 255
    page.get_by_label("Opacity").fill("80")
    page.locator("[data-drawn='0 plasma 80']").wait_for()
    assert canvas.evaluate(STRONGEST) > 220
    page.get_by_label("Colours").select_option("jet")
    page.locator("[data-drawn='0 jet 80']").wait_for()

    page.get_by_label("Before and after").fill("40")
    assert canvas.evaluate("canvas => canvas.style.clipPath") == "inset(0px 0px 0px 40%)"

    with page.expect_download() as caught:
        page.get_by_role("link", name="Download PNG").click()
    assert caught.value.suggested_filename == "face-gradcam.png"
    ex = whylight.explain(whylight.load("face"), photo, method="gradcam")
    wanted = np.asarray(ex.overlay(alpha=0.8, colormap="jet"), dtype=int)
    got = np.asarray(Image.open(caught.value.path()), dtype=int)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).mean() < 1.5  # the heat went through a JPEG

    with page.expect_download() as caught:
        page.get_by_role("link", name="Download JSON").click()
    told = json.loads(Path(caught.value.path()).read_text("utf-8"))
    python = ex.to_dict()
    assert told["map"] == python["map"]
    assert {key: told[key] for key in python if key not in ("picture", "model")} == {
        key: value for key, value in python.items() if key not in ("picture", "model")
    }
    assert str(site.data) not in json.dumps(told)

    page.get_by_role("button", name="Delete now").click()
    page.wait_for_url(site.url + "/")
    assert page.request.get(address).status == 404


def test_the_map_on_the_page_is_the_one_that_is_downloaded(site: Any, page: Any, photo: Path) -> None:
    address = explained(page, site, photo)
    canvas = page.locator("canvas[data-heat]")
    seen = np.array(canvas.evaluate(PIXELS)).reshape(512, 512, 4).astype(float)
    picture = np.asarray(
        Image.open(io.BytesIO(page.request.get(page.locator("[data-view]").evaluate("e => e.src")).body()))
    )
    over = picture * (1 - seen[..., 3:] / 255) + seen[..., :3] * seen[..., 3:] / 255
    kept = np.asarray(Image.open(io.BytesIO(page.request.get(address + "download/png/").body())), dtype=float)
    assert np.abs(over - kept).mean() < 3  # the page's own picture is a JPEG


def test_the_receipt_comes_by_itself_with_the_random_figure_beside_it(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    receipt = page.locator(".told:not([hidden]) .receipt")
    receipt.locator(".verdict").wait_for(timeout=_PATIENCE)
    assert "The map holds" in receipt.inner_text()
    assert "random removals" in receipt.inner_text()
    assert "as much removed at random" in receipt.inner_text()


def test_a_slow_method_is_cancelled_while_it_runs_and_while_it_waits(site: Any, page: Any, photo: Path) -> None:
    send(page, site, photo, model="person", method="rise")
    page.get_by_text("forwards").first.wait_for(timeout=_PATIENCE)  # it runs, and its work is counted
    running = page.url
    send(page, site, photo, model="person", method="occlusion")  # waits behind it
    began = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="Cancelled").wait_for()
    assert time.monotonic() - began < 1
    page.goto(running)
    began = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="Cancelled").wait_for(timeout=5000)
    assert time.monotonic() - began < 2
    page.get_by_role("button", name="Ask the same again").wait_for()


def test_another_method_is_another_page_about_the_same_picture_and_class(site: Any, page: Any, photo: Path) -> None:
    first = explained(page, site, photo)
    page.locator("a.class", has_text="no face").click()
    page.locator("[data-drawn^='1 ']").wait_for()
    page.locator("select[data-method]").select_option("layercam")
    page.locator("form:has(select[data-method])").get_by_role("button", name="Ask").click()
    page.wait_for_url(lambda url: not url.startswith(first))
    page.get_by_role("heading", name="Why “no face”?").wait_for(timeout=_PATIENCE)
    assert "layercam" in page.locator(".right").inner_text()
    page.go_back()
    page.wait_for_url(lambda url: url.startswith(first))
    page.get_by_role("heading", name="Why “no face”?").wait_for()


def test_why_one_class_and_not_another(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    page.get_by_text("Why this class and not that one").click()
    page.get_by_label("and not").fill("no face")
    page.locator("form:has(input[name=rather_than])").get_by_role("button", name="Ask").click()
    page.get_by_role("heading", name="Why “face” rather than “no face”?").wait_for(timeout=_PATIENCE)
    drawn(page)


def test_a_shared_result_is_seen_by_others_until_it_is_taken_back(
    site: Any, page: Any, chromium: Any, photo: Path
) -> None:
    address = explained(page, site, photo)
    stranger = chromium.new_context().new_page()
    assert stranger.goto(address).status == 404
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Make a link").click()
    shared = page.get_by_label("Address to share").input_value()
    answer = stranger.goto(shared)
    assert answer.status == 200
    assert "noindex" in answer.headers["x-robots-tag"]
    drawn(stranger)
    stranger.locator("a.class", has_text="no face").click()
    stranger.get_by_role("heading", name="Why “no face”?").wait_for()
    assert stranger.get_by_role("button", name="Delete now").count() == 0
    assert stranger.goto(address).status == 404  # the rest stays its owner's
    page.get_by_role("button", name="Stop sharing").click()
    page.get_by_text("Share", exact=True).wait_for()
    assert stranger.goto(shared).status == 404
    assert stranger.goto(shared + "view.jpg").status == 404
    stranger.context.close()


def test_all_of_it_works_without_scripts(site: Any, chromium: Any, photo: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    send(page, site, photo)
    page.locator("#body.state-done").wait_for(timeout=_PATIENCE)  # the page asks again by itself
    drawn = page.locator("img[alt^='The picture with the map: face (99.8 %)']")
    assert drawn.evaluate("image => image.naturalWidth") == 512
    page.get_by_role("link", name="no face").click()
    page.get_by_role("heading", name="Why “no face”?").wait_for()
    page.get_by_label("Colours").select_option("viridis")
    page.get_by_role("button", name="Show").click()
    assert "colormap=viridis" in page.locator("img[alt^='The picture with the map']").get_attribute("src")
    page.get_by_role("button", name="Check this map").locator("visible=true").click()
    page.get_by_text("there is nothing to check").or_(page.locator(".verdict")).first.wait_for(timeout=_PATIENCE)
    page.get_by_role("button", name="Delete now").click()
    page.wait_for_url(site.url + "/")
    context.close()


def test_it_can_be_used_with_keys_alone_and_heard(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    page.locator("a.class", has_text="no face").focus()
    page.keyboard.press("Enter")
    page.locator("[data-drawn^='1 ']").wait_for()
    assert page.locator("a.class", has_text="no face").evaluate("e => e === document.activeElement")
    assert "no face" in page.locator("#live").inner_text()
    page.get_by_label("Opacity").focus()
    page.keyboard.press("ArrowRight")
    page.locator("[data-drawn='1 plasma 51']").wait_for()


def test_no_serious_fault_for_people_with_disabilities(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    page.locator(".told:not([hidden]) .verdict").wait_for(timeout=_PATIENCE)
    assert _serious(page) == []
    send(page, site, photo, model="person", method="rise")
    page.locator("#progress").wait_for()
    assert _serious(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="Cancelled").wait_for()
    assert _serious(page) == []


def test_a_page_that_comes_with_its_answer_checks_its_map(site: Any, page: Any, photo: Path) -> None:
    picture = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": photo.read_bytes()}
    form = {"csrfmiddlewaretoken": token_of(page, site), "picture": picture}
    address = page.request.post(site.url + "/pictures/send/", multipart=form).url
    end = time.monotonic() + _PATIENCE / 1000
    while "data-explained" not in page.request.get(address).text():
        assert time.monotonic() < end
        time.sleep(0.1)
    with page.expect_request(lambda request: "/receipt/" in request.url and request.method == "POST"):
        page.goto(address)
    page.locator(".told:not([hidden]) .verdict").wait_for(timeout=_PATIENCE)


def test_nothing_moves_when_the_picture_and_the_map_come(site: Any, page: Any, photo: Path) -> None:
    address = explained(page, site, photo)
    page.add_init_script(
        "window.moved = 0; new PerformanceObserver(l => l.getEntries().forEach(e => window.moved += e.value))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    page.goto(address)
    drawn(page)
    page.locator(".told:not([hidden]) .receipt .verdict, .told:not([hidden]) .receipt progress").first.wait_for(
        timeout=_PATIENCE
    )
    assert page.evaluate("window.moved") < 0.1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _serious(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]
