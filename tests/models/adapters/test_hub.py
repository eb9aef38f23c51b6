"""A network that is not there is found out in seconds, and what is cached is taken all the same."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from huggingface_hub import constants

from whylight.errors import ModelError
from whylight.models.adapters.hub import PATIENCE, answers, check_reach, soon_given_up
from whylight.models.zoo.architectures import build
from whylight.train.config import TrainConfig
from whylight.train.start import start


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """One where somebody listens and never answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that knows no file."""

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *what: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def head(address: str) -> None:
    urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=2 * PATIENCE).close()


def test_an_answer_is_an_answer_even_if_it_is_no(closed: str, silent: str, refusing: str) -> None:
    assert answers(lambda: head(refusing))
    assert not answers(lambda: head(closed))
    start = time.monotonic()
    assert not answers(lambda: head(silent))
    assert time.monotonic() - start < PATIENCE + 2


def test_a_file_that_cannot_be_fetched_is_told_soon(closed: str, refusing: str) -> None:
    with pytest.raises(urllib.error.URLError, match=r"[Rr]efused"):
        check_reach(f"{closed}/weights.pth")
    check_reach(f"{refusing}/weights.pth")  # the loader says what the server said


def test_the_hubs_loader_goes_offline_where_it_is_out_of_reach(
    closed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", closed)
    before = constants.HF_HUB_OFFLINE
    with soon_given_up():
        assert constants.HF_HUB_OFFLINE
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s [Retry 1/5].")
    assert before == constants.HF_HUB_OFFLINE
    assert not caplog.records
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"weights of resnet10t could not be had: .*[^.]\. Without a network"):
        build("resnet10t", pretrained=True)
    assert time.monotonic() - begun < 10


def test_training_says_what_it_looks_for_before_it_does(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", closed)
    said: list[str] = []
    with pytest.raises(ModelError, match="could not be had"):
        start(TrainConfig("data", "run", arch="resnet10t", pretrained=True, device="cpu"), ("a", "b"), said.append)
    assert said == [
        "resnet10t: looking for its published weights, in the cache of this machine and then on the network"
    ]
