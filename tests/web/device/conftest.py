"""The runtime for browsers, a page of static files, and a server for it that knows what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import whylight
from nets import gap_net
from web_device import NAMES, Static
from whylight.browser import page as pages
from whylight.browser import runtime
from whylight.errors import WhylightError
from whylight.images.preprocess import Preprocess


@pytest.fixture(scope="session")
def ort() -> Path:
    """The runtime's folder."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'whylight[export]'")
    try:
        return runtime.needed(print)
    except WhylightError as error:
        pytest.skip(f"no runtime for browsers: {error}")


@pytest.fixture(scope="session")
def static(ort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Static]:
    """A small network's page."""
    folder = tmp_path_factory.mktemp("static") / "page"
    preprocess = Preprocess(size=(48, 40), mode="crop", crop_pct=0.9, interpolation="bicubic")
    model = whylight.wrap(gap_net(), classes=NAMES, preprocessing=preprocess)
    pages.write(model, folder, title="a <b>small</b> one")
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Static(f"http://127.0.0.1:{server.server_port}/", folder, model, asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def visitor(chromium: Any) -> Iterator[Any]:
    """A page with a camera; an error or a blocked request in its console fails the test."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, permissions=["camera"])
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # What was still coming when the page was left is none of its faults.
    page.on("requestfailed", lambda sent: "ABORTED" in str(sent.failure) or wrong.append(f"{sent.url}: {sent.failure}"))
    yield page
    context.close()
    assert not wrong, wrong
