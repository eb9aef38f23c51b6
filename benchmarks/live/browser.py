"""How many maps a second a page shows whose model runs in the browser itself.

    python -m benchmarks.live.browser [--seconds 20] [--fps 30] [--model face] [--record]

The page of `whylight export --web`, from a server that sends files and the headers that let a page have threads; headless Chromium
with its fake camera, which shows a test picture that moves, at 640 × 480; WebAssembly. A frame is read, resized as Pillow does,
looked at by ONNX Runtime, and its map drawn over the video. Maps are counted by this script's clock, not the page's. Browser,
server and script share the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import whylight
from benchmarks.common.report import Row, cores, record
from whylight.browser import page as pages

GOAL = 10.0  # maps a second
_SHOWN = "Number(document.getElementById('device').dataset.shown ?? 0)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--fps", type=int, default=30, help="frames a second of the fake camera")
    parser.add_argument("--model", default="face")
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "page"
        written = pages.write(whylight.load(given.model), folder, title=given.model)
        load = os.getloadavg()[0]
        with served(folder) as url:
            rate, delay, first, spent, threads = watched(url, given)
    rows = [
        Row(f"`{given.model}`: maps a second", rate, "1/s", GOAL, "higher", f"load of the machine before: {load:.1f}"),
        Row(f"`{given.model}`: behind the camera, median", delay, "ms"),
        Row(f"`{given.model}`: from the click to the first map", first, "s"),
        Row(f"`{given.model}`: processor time of a map, of all of the browser", 1000 * spent, "ms"),
        Row("threads of the model", threads, note=f"{cores()} cores"),
        Row("the page's files, WebGPU's included", written.bytes / 1e6, "MB"),
    ]
    if given.record:
        record("live/browser", "In the browser", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
    else:
        for row in rows:
            print(f"{row.name}: {row.figure}" + (f" (goal {row.wanted}; {row.note})" if row.wanted else ""))


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder's files, by http, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def watched(url: str, given: argparse.Namespace) -> tuple[float, float, float, float, int]:
    """Maps a second, milliseconds behind the camera, seconds to the first map, processor seconds of a map, threads."""
    flags = ["--no-sandbox", f"--use-fake-device-for-media-stream=fps={given.fps}", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["camera"]).new_page()
        page.goto(url)
        clicked = time.monotonic()
        page.click("[data-start]")
        while page.evaluate(_SHOWN) == 0:
            page.wait_for_timeout(20)
        first = time.monotonic() - clicked
        time.sleep(5)  # until what is compiled first, and runs slower, is compiled well
        system = browser.new_browser_cdp_session()
        before, busy, began = page.evaluate(_SHOWN), _busy(system), time.monotonic()
        time.sleep(given.seconds)
        passed, maps = time.monotonic() - began, page.evaluate(_SHOWN) - before
        spent = (_busy(system) - busy) / max(1, maps)
        delay = float(page.inner_text("[data-delay]").removesuffix(" ms"))
        threads = int(page.evaluate("document.getElementById('device').dataset.threads"))
        browser.close()
    return maps / passed, delay, first, spent, threads


def _busy(system: Any) -> float:
    """Processor seconds of all of the browser's processes."""
    return float(sum(one["cpuTime"] for one in system.send("SystemInfo.getProcessInfo")["processInfo"]))


if __name__ == "__main__":
    main()
