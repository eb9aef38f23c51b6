"""A site of its own for the tests, as `whylight serve` starts it, and a real browser to visit it with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from web_pages import WIDTHS
from web_site import forget

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Site:
    """A running site.

    Attributes:
        url: its address, without a slash at the end.
        data: its data folder.
        process: `whylight serve`.
    """

    url: str
    data: Path
    process: subprocess.Popen[str]


def start(data: Path, *options: str, **environment: str) -> Site:
    """Start a site on a free port and wait until it answers."""
    command = [sys.executable, "-m", "whylight", "serve", "--port", "0", "--data", str(data), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"(http://\S+)/", line)
    assert found, f"the site did not start: {line}"
    return Site(found[1], data, process)


def stop(site: Site) -> None:
    """End a site in good order."""
    site.process.terminate()
    site.process.wait(20)
    assert site.process.stdout is not None
    site.process.stdout.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests that do not harm it."""
    found = start(tmp_path_factory.mktemp("site") / "data")
    with urllib.request.urlopen(found.url + "/", timeout=20) as answer:
        assert answer.status == 200
    yield found
    stop(found)


@pytest.fixture
def begin(catalogue_file: Path) -> Iterator[Callable[..., Site]]:
    """Starts sites that a test may harm; what they offer was told before, which takes seconds."""
    begun: list[Site] = []

    def one(data: Path, *options: str, **environment: str) -> Site:
        data.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(catalogue_file, data)
        # One quick worker: each takes seconds of a processor to begin, and the site for all tests has as many as sites have.
        begun.append(start(data, *options, **{"WHYLIGHT_WORKERS": "1", **environment}))
        return begun[-1]

    yield one
    for site in begun:
        stop(site)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; its camera shows a moving test picture."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; install it: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh visitor at both widths; any error or blocked request in the console fails the test."""
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, permissions=["camera"])
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda sent: "ABORTED" in str(sent.failure) or wrong.append(f"{sent.url}: {sent.failure}"))
    yield page
    address = urlsplit(page.url)
    cookies = {one["name"]: one["value"] for one in context.cookies()}
    context.close()
    assert not wrong, wrong
    if address.scheme == "http":  # what nobody waits for any more holds up the next test's questions
        forget(cookies.get("whylight", ""), f"{address.scheme}://{address.netloc}")


@pytest.fixture(scope="session")
def catalogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a worker has told of the bundled models."""
    from whylight.web import catalogue, telling

    folder = tmp_path_factory.mktemp("catalogue")
    telling.write(folder, ["face", "person"])
    return folder / catalogue.NAME


@pytest.fixture
def home(tmp_path: Path, settings: Any, catalogue_file: Path) -> Path:
    """A data folder for tests that need no process of the site's: database and store, and the bundled models on offer."""
    from whylight.web import place

    folder = place.make(tmp_path / "data")
    shutil.copy(catalogue_file, folder)
    settings.SITE = folder
    from whylight.web.tasks import lanes

    lanes.lane.cache_clear()
    lanes._task.cache_clear()
    return folder
