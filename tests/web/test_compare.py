"""The compare page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from web_pages import STRONGEST, explained, send, token_of


def test_methods_side_by_side_each_coming_by_itself(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    page.get_by_role("link", name="Compare methods").click()
    assert page.get_by_label("scorecam").is_checked() is False  # slow ones only when chosen
    page.get_by_role("button", name="Compare").click()
    page.locator("[data-drawn^='6 ']").wait_for(timeout=120_000)
    assert page.locator(".cell h2").all_inner_texts() == [
        "cam",
        "eigencam",
        "gradcam",
        "gradcam++",
        "hirescam",
        "layercam",
    ]
    assert "measured in different units" in page.locator("[data-scale]").inner_text()
    page.get_by_label("Opacity of all").fill("100")
    page.locator("[data-drawn='6 plasma 100 own']").wait_for()
    page.get_by_role("link", name="layercam").click()
    page.get_by_role("heading", name="Why “face”?").wait_for()


def test_classes_on_one_scale(site: Any, page: Any, photo: Path) -> None:
    address = explained(page, site, photo)
    page.goto(address)
    page.get_by_role("link", name="Compare methods").click()
    page.get_by_role("link", name="classes").click()
    page.get_by_role("button", name="Compare").click()
    page.locator("[data-drawn^='2 ']").wait_for(timeout=120_000)
    page.get_by_label("Scale").select_option("shared")
    page.locator("[data-drawn='2 plasma 50 shared']").wait_for()
    assert "a colour means the same number (logit)" in page.locator("[data-scale]").inner_text()
    face, none = (
        page.locator(f"#{one} canvas").evaluate(STRONGEST)
        for one in page.locator(".cell").evaluate_all("all => all.map(e => e.id)")
    )
    assert none < face  # a tenth of the evidence is a tenth of the scale


def test_models_side_by_side(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    page.get_by_role("link", name="Compare methods").click()
    page.get_by_role("link", name="models", exact=True).click()
    page.get_by_role("button", name="Compare").click()
    page.locator("[data-drawn^='2 ']").wait_for(timeout=120_000)
    assert page.locator(".cell h2").all_inner_texts() == ["face", "person"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_cannot_be_compared_is_said(site: Any, page: Any, photo: Path) -> None:
    explained(page, site, photo)
    at = page.get_by_role("link", name="Compare methods").evaluate("e => e.href").split("?")[0]
    token = token_of(page, site)
    form = {"csrfmiddlewaretoken": token, "by": "methods"}
    answer = page.request.post(at, form=form)
    assert (answer.status, "choose which methods" in answer.text()) == (400, True)
    answer = page.request.post(at, form={**form, "with": "rollout"})
    assert (answer.status, "attention" in answer.text()) == (400, True)
    assert page.request.get(at + "?r=" + "x" * 22).status == 404
    assert page.request.get(at + "?by=colours").status == 400


@pytest.mark.long
def test_without_scripts(site: Any, chromium: Any, photo: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    send(page, site, photo)
    page.locator("#body.state-done").wait_for(timeout=120_000)
    page.get_by_role("link", name="Compare methods").click()
    page.get_by_role("link", name="classes").click()
    page.get_by_role("button", name="Compare").click()
    page.locator(".cell noscript img").nth(1).wait_for(timeout=120_000)
    page.get_by_label("Scale").select_option("shared")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("On a shared scale").wait_for()
    parts = page.locator(".cell noscript img").evaluate_all(
        "all => all.map(e => Number(new URL(e.src).searchParams.get('part')))"
    )
    assert max(parts) == 1
    assert min(parts) < 1
    context.close()
