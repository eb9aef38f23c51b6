"""How many maps a second the camera page shows, and how far they are behind the camera.

    python -m benchmarks.web.live [--seconds 20] [--people 1] [--fps 30] [--model face] [--record]

`whylight serve` in a process of its own; headless Chromium with its fake camera, which shows a test picture that moves, at
640 × 480. The whole way is measured: a frame is read, made smaller and encoded by the page, sent, opened, looked at, told as JSON,
and drawn over the video. Browser and site share the machine. Maps are counted by this script's clock, not the page's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.common.report import Row, record
from benchmarks.web.visits import site

GOAL = 15.0  # maps a second of one visitor
_SHOWN = "Number(document.getElementById('live').dataset.shown ?? 0)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--fps", type=int, default=30, help="frames a second of the fake camera")
    parser.add_argument("--model", default="face")
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, site(Path(folder) / "site") as running:
        rates, delays = watched(f"http://127.0.0.1:{running.port}", given)
    load = f"load of the machine before: {_LOAD:.1f}"
    who = "one visitor" if given.people == 1 else f"each of {given.people} visitors, the slowest"
    rows = [
        Row(f"{who}: maps a second", min(rates), "1/s", GOAL if given.people == 1 else None, "higher", load),
        Row(f"{who}: behind the camera, median", statistics.median(delays), "ms"),
    ]
    if given.record:
        record("web/live", "The camera page", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
    else:
        for row in rows:
            print(f"{row.name}: {row.figure}" + (f" (goal {row.wanted}; {row.note})" if row.wanted else ""))


def watched(url: str, given: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Of each visitor, how many maps a second they saw, and how far behind the page says that they were."""
    flags = ["--no-sandbox", f"--use-fake-device-for-media-stream=fps={given.fps}", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        pages = [_visitor(browser, url, given.model) for _ in range(given.people)]
        time.sleep(3)
        before, began = [page.evaluate(_SHOWN) for page in pages], time.monotonic()
        time.sleep(given.seconds)
        passed = time.monotonic() - began
        rates = [(page.evaluate(_SHOWN) - count) / passed for page, count in zip(pages, before, strict=True)]
        delays = [float(page.inner_text("[data-delay]").removesuffix(" ms")) for page in pages]
        browser.close()
    return rates, delays


def _visitor(browser: Any, url: str, model: str) -> Any:
    """A page in a window of its own, with its camera on, that has drawn its first map."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["camera"]).new_page()
    page.goto(url + "/live/")
    page.select_option("[name=model]", model)
    page.click("[data-start]")
    while page.evaluate(_SHOWN) == 0:
        page.wait_for_timeout(100)
    return page


_LOAD = os.getloadavg()[0]

if __name__ == "__main__":
    main()
