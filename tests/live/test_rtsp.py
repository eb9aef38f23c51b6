"""A camera that speaks RTSP: H.264 over TCP, asked for again when it goes away, and drawn as any other."""

from __future__ import annotations

import itertools
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from whylight.errors import WhylightError
from whylight.live.frame import Frame
from whylight.live.sources.names import open_source
from whylight.live.sources.video import Stream


class Camera:
    """As much of an RTSP server (RFC 2326) as one viewer needs: what FFmpeg sends as RTP goes on between the lines of the
    conversation, each packet behind `$`, its channel and its length.
    """

    def __init__(self, ffmpeg: str, port: int, folder: Path) -> None:
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(("127.0.0.1", 0))
        self._packets.settimeout(0.1)
        told = folder / f"camera-{time.monotonic_ns()}.sdp"
        made = ["-re", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=20"]
        coded = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "5",
            "-flags",
            "+global_header",
        ]
        where = f"rtp://127.0.0.1:{self._packets.getsockname()[1]}?pkt_size=1200"
        self._process = subprocess.Popen(
            [ffmpeg, "-loglevel", "quiet", *made, *coded, "-f", "rtp", "-sdp_file", str(told), where],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not (told.exists() and "sprop-parameter-sets" in told.read_text("utf-8")):
            assert time.monotonic() < deadline, "ffmpeg sends nothing"
            time.sleep(0.02)
        # the viewer asks for the packets here, at whatever port FFmpeg sends them to
        self._sdp = "".join(
            "m=video 0 RTP/AVP 96\r\n" if line.startswith("m=") else f"{line}\r\n"
            for line in told.read_text("utf-8").splitlines()
            if line.startswith(("v=", "o=", "s=", "c=", "t=", "m=", "a=rtpmap", "a=fmtp"))
        )
        self._over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.settimeout(0.1)
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        """Unplug it."""
        self._over.set()
        self._process.kill()
        self._process.wait()
        self._thread.join()
        self._server.close()
        self._packets.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                viewer, _ = self._server.accept()
            except TimeoutError:
                continue
            with viewer:
                viewer.settimeout(5)
                try:
                    if self._talked(viewer):
                        self._send(viewer)
                except OSError:  # the viewer has gone
                    continue

    def _talked(self, viewer: socket.socket) -> bool:
        """Answer until it is to play."""
        lines = viewer.makefile("rb")
        while request := lines.readline().decode():
            method, _, _ = request.split()
            self.asked.append(method)
            given = dict(line.decode().rstrip().split(": ", 1) for line in iter(lines.readline, b"\r\n"))
            more, body = "", ""
            if method == "OPTIONS":
                more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body, more = self._sdp, "Content-Type: application/sdp\r\n"
            elif method == "SETUP":
                assert "interleaved=0-1" in given["Transport"]
                more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            viewer.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {given['CSeq']}\r\n{more}{length}\r\n{body}".encode())
            if method == "PLAY":
                return True
        return False

    def _send(self, viewer: socket.socket) -> None:
        while not self._over.is_set():
            try:
                packet = self._packets.recv(2048)
            except TimeoutError:
                continue
            viewer.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)


@pytest.fixture
def plugged(ffmpeg: str, free_port: int, tmp_path: Path) -> Iterator[Callable[[], Camera]]:
    """Plugs a camera in, always at the same address; all are unplugged in the end."""
    cameras: list[Camera] = []

    def plug() -> Camera:
        cameras.append(Camera(ffmpeg, free_port, tmp_path))
        return cameras[-1]

    yield plug
    for one in cameras:
        if not one._over.is_set():
            one.stop()


def test_a_camera_that_goes_away_and_comes_back(plugged: Callable[[], Camera], free_port: int) -> None:
    camera = plugged()
    got: list[Frame] = []
    away = 0.0
    with open_source(f"rtsp://127.0.0.1:{free_port}/door") as source:
        assert isinstance(source, Stream)
        for one in source:
            got.append(one)
            if len(got) == 10:
                assert camera.asked[-3:] == ["DESCRIBE", "SETUP", "PLAY"]
                camera.stop()
                began = time.monotonic()
                time.sleep(1.5)  # nobody answers: it is asked more than once
                plugged()
                away = time.monotonic() - began
            if len(got) == 20:
                break
        assert source.is_live
        assert source.reconnected >= 1
    assert [one.number for one in got] == list(range(20))
    steps = [b.time - a.time for a, b in itertools.pairwise(got)]
    assert min(steps) > 0
    assert max(steps) > 0.5 * away  # what was missed is missing in the times, too
    assert {one.pixels.shape for one in got} == {(64, 96, 3)}
    assert all(one.pixels.std() > 20 for one in got)


def test_one_that_does_not_come_back_is_given_up(
    plugged: Callable[[], Camera], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whylight.live.sources.video.GIVES_UP", 1.0)
    camera, got = plugged(), 0

    def look() -> None:
        nonlocal got
        with open_source(f"rtsp://127.0.0.1:{free_port}/door") as source:
            for got, _ in enumerate(source, 1):
                if got == 5:
                    camera.stop()

    with pytest.raises(WhylightError, match=r"rtsp://.*: (does not answer|has ended)"):
        look()
    assert got >= 5


def test_an_address_where_nobody_is(free_port: int) -> None:
    with (
        pytest.raises(WhylightError, match=r"does not answer as a stream: connection refused"),
        open_source(f"rtsp://127.0.0.1:{free_port}/door") as source,
    ):
        next(iter(source))
