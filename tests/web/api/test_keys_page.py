"""The page for keys in a browser: make one, ask with it, delete it."""

from __future__ import annotations

from typing import Any

from web_site import call


def test_a_key_is_made_used_and_deleted(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/keys/")
    page.get_by_label("What it is for").fill("my script")
    page.get_by_role("button", name="Make a key").click()
    bearer = f"Bearer {page.locator('#key').text_content()}"
    assert call(f"{site.url}/api/keys", Authorization=bearer)[1][0]["name"] == "my script"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.get_by_role("button", name="Delete the key my script").click()
    page.get_by_text("There are none from this browser").wait_for()
    assert call(f"{site.url}/api/keys", Authorization=bearer)[0] == 401
