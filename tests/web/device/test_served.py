"""The page of the site on which the visitor's own browser runs the model."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from web_device import more, opened, shown, started
from whylight.browser import runtime
from whylight.web.live.making import Making
from whylight.web.said import Said

pytestmark = pytest.mark.usefixtures("ort")


def headers(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.headers


@pytest.mark.long
def test_maps_come_and_nothing_goes(site: Any, visitor: Any) -> None:
    started(visitor, site.url + "/live/device/")
    asked: list[str] = []
    visitor.context.on("request", lambda sent: asked.append(sent.url))
    visitor.context.set_offline(True)
    more(visitor, shown(visitor) + 10)
    visitor.wait_for_timeout(1000)
    assert asked == []
    assert int(visitor.inner_text("[data-rate]")) > 0
    assert visitor.inner_text("[data-words]").partition(",")[0] in ("face", "no face")
    assert "stay on this device" in visitor.inner_text("main")
    assert visitor.evaluate("crossOriginIsolated")  # where there are cores for it, it may have threads
    assert visitor.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.long
def test_pictures_models_and_classes(site: Any, visitor: Any, photo: Path) -> None:
    visitor.goto(site.url + "/live/device/")
    opened(visitor, photo)
    assert visitor.inner_text("[data-verdict]").startswith("face ")
    count = shown(visitor)
    visitor.get_by_role("combobox", name="Model").select_option("person")
    more(visitor, count)
    assert visitor.inner_text("[data-verdict]").startswith("person ")
    options = visitor.get_by_role("combobox", name="Map for").locator("option")
    assert options.all_inner_texts() == ["surest", "no person", "person"]


def test_there_and_back(site: Any, visitor: Any) -> None:
    visitor.goto(site.url + "/live/")
    visitor.get_by_role("link", name="On this device instead").click()
    visitor.get_by_role("heading", name="On this device").wait_for()
    visitor.get_by_role("link", name="Have the site look instead").click()
    visitor.get_by_role("heading", name="Through your camera").wait_for()


def test_only_this_page_may_compile(site: Any) -> None:
    for path in ("/live/device/", "/live/device/files/worker.js", "/live/device/files/ort.wasm.bundle.min.js"):
        found = headers(site.url + path)
        assert "script-src 'self' 'wasm-unsafe-eval';" in found["Content-Security-Policy"] + ";"
        assert found["Cross-Origin-Embedder-Policy"] == "require-corp"
    for path in ("/", "/live/", "/models/", "/static/whylight/heat.js"):
        found = headers(site.url + path)
        assert "wasm-unsafe-eval" not in found["Content-Security-Policy"]
        assert "unsafe" not in found["Content-Security-Policy"]
    wasm = headers(site.url + "/live/device/files/ort-wasm-simd-threaded.wasm")
    assert wasm["Content-Type"] == "application/wasm"
    assert headers(site.url + "/live/device/files/device.js")["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["files/page.py", "files/..%2Fpage.py", "models/nosuch/facts.json", "models/face/0123456789abcdef.onnx"],
)
def test_nothing_else_is_handed_out(site: Any, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        headers(f"{site.url}/live/device/{path}")
    with caught.value as error:
        assert error.code == 404


@pytest.mark.long
@pytest.mark.django_db
def test_without_the_runtime_it_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "places", lambda: (home / "no", home / "where"))
    answer = Client().get("/live/device/")
    assert answer.status_code == 200
    assert "python -m whylight.browser.runtime" in answer.content.decode()
    assert "<script" not in answer.content.decode().partition("<main")[2]
    assert Client().get("/live/device/files/ort.wasm.bundle.min.js").status_code == 404


@pytest.mark.long
def test_what_cannot_be_made_is_told_and_not_tried_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_SITE", str(home))
    told: list[str] = []
    monkeypatch.setattr(logging.getLogger("whylight.web"), "warning", lambda text, *more: told.append(text % more))
    making, sentences, end = Making(), [], time.monotonic() + 120
    while len(sentences) < 2:
        assert time.monotonic() < end
        try:
            assert making.facts("mine", "nosuchmodel") is None
        except Said as error:
            sentences.append(f"{error.status} {error.retry} {error}")
        time.sleep(0.1)
    assert sentences[0].startswith("503 60 “mine” cannot be made ready for browsers")
    assert len(told) == 1  # at the second time nothing was tried
    assert "model 'nosuchmodel' is not known" in told[0]


def test_what_makes_graphs_ends_with_who_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_SITE", str(home))
    ask = (
        "import django; django.setup()\n"
        "from whylight.web.live.making import Making\n"
        "making = Making(); making.facts('face', 'face'); print(making._begun['face'].pid)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "whylight.web.settings"}
    asked = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    end = time.monotonic() + 15
    while Path(f"/proc/{int(asked.stdout)}").exists():
        assert time.monotonic() < end, "it outlives the process that began it"
        time.sleep(0.05)
