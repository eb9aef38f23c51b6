"""The shortest way through: a picture goes in, the class and the map come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import whylight
from web_site import post


def test_the_map_of_the_api_is_that_of_python_bit_for_bit(site: Any, photo: Path) -> None:
    answer = post(site, "/api/explain", {"method": "gradcam"}, picture=photo)
    ex = whylight.explain(whylight.load("face"), photo, method="gradcam")
    assert answer["map"] == ex.map.tolist()
    assert (answer["label"], answer["score"], answer["probability"]) == (ex.label, ex.score, ex.probability)
    assert (answer["width"], answer["height"]) == (512, 512)


def test_a_page_answers_in_words(site: Any, page: Any, photo: Path) -> None:
    page.goto(site.url)
    page.set_input_files("input[type=file]", str(photo))
    if page.url.endswith("/"):
        page.get_by_role("button", name="Explain").first.click()
    page.get_by_text("the evidence peaks").first.wait_for(timeout=20_000)
