"""Moving pictures as a source: video files and streams through FFmpeg (PyAV), cameras through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from whylight.errors import WhylightError
from whylight.live.frame import Frame
from whylight.live.missing import av
from whylight.shown import shown

ANSWERS = 8.0  # seconds after which a stream that says nothing is taken for dead
GIVES_UP = 30.0  # seconds without a frame after which a stream that was there is not asked for again
_SILENT = f"it said nothing for {ANSWERS:g} seconds"
_FIRST, _MOST = 0.25, 4.0  # seconds before a stream is asked for again: twice as long each time


class _Opened:
    """What all of them have: a name, an end, and counts."""

    is_live = False
    rate: float | None = None
    total: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.damaged = 0  # packets that could not be decoded
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the iteration soon, from any thread."""
        self._over.set()


class Video(_Opened):
    """A video file, every frame of it, upright, with its own time stamps.

    Args:
        path: where it lies, or `pipe:0` for one that is piped in.
        name: what it is called in messages.

    Attributes:
        damaged: packets that could not be decoded, as of a file that was cut short; the others are.
    """

    def __init__(self, path: str, *, name: str | None = None) -> None:
        super().__init__(path if name is None else name)
        self.path = path

    def __iter__(self) -> Iterator[Frame]:
        try:
            with _open(self.path) as container:
                yield from self._frames(container, "AUTO")
        except av().error.FFmpegError as error:
            raise WhylightError(f"{shown(self.name)}: cannot be read as a video: {_why(error)}") from error

    def _frames(self, container: Any, threads: str) -> Iterator[Frame]:
        stream = _picture_stream(container, self.name)
        stream.thread_type = threads
        rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        self.total = stream.frames or None
        number, first, last = 0, None, -1.0
        step = 1 / (self.rate or 25.0)
        reformatter = av().video.reformatter.VideoReformatter()
        for packet in container.demux(stream):
            if self._over.is_set():
                return
            try:
                decoded = packet.decode()
            except av().error.InvalidDataError:
                self.damaged += 1
                continue
            for one in decoded:
                told = one.time
                if first is None:
                    first = told or 0.0
                # A time stamp that is missing, or not later than the last, would let frames change places.
                moment = last + step if told is None or told - first <= last else told - first
                last = max(moment, 0.0)
                yield Frame(_pixels(one, reformatter), last, number, time.monotonic(), self.name)
                number += 1
        if number == 0:
            raise WhylightError(
                f"{shown(self.name)}: holds no picture that can be decoded; it may be cut short, or of a kind that FFmpeg "
                "does not know: try to play it"
            )


class Stream(Video):
    """A stream at an address: asked for again, with longer and longer pauses, when it breaks off.

    Args:
        address: `rtsp://…`, `http://…`, …, or `lavfi:GRAPH` for pictures that FFmpeg makes.
    """

    def __init__(self, address: str) -> None:
        made = address.lower().startswith("lavfi:")
        super().__init__(address.partition(":")[2].removeprefix("//") if made else address, name=address)
        self._made = made
        self.is_live = not made or "realtime" in address
        self.reconnected = 0

    def __iter__(self) -> Iterator[Frame]:
        if self._made:
            with self._opened() as container:
                yield from self._frames(container, "SLICE")
            return
        number, told, pause = 0, -1.0, _FIRST
        begun = last = time.monotonic()
        while not self._over.is_set():
            try:
                with self._opened() as container:
                    is_whole = container.duration is not None and container.size > 0  # a file that lies elsewhere
                    self.is_live = not is_whole
                    offset = time.monotonic() - begun if number else 0.0  # what was missed is missing in the times, too
                    for frame in self._frames(container, "AUTO" if is_whole else "SLICE"):
                        last, pause = time.monotonic(), _FIRST
                        told = max(told + 1e-3, offset + frame.time)
                        yield Frame(frame.pixels, told, number, frame.came, self.name)
                        number += 1
                    if is_whole:
                        return
            except WhylightError:
                if number == 0 or time.monotonic() - last > GIVES_UP:
                    raise
            except av().error.FFmpegError as error:
                if number == 0 or time.monotonic() - last > GIVES_UP:
                    raise WhylightError(f"{shown(self.name)}: {_why(error)}") from error
            if time.monotonic() - last > GIVES_UP:
                raise WhylightError(f"{shown(self.name)}: has ended, and does not come back")
            self.reconnected += 1
            self._over.wait(pause)
            pause = min(_MOST, 2 * pause)

    def _opened(self) -> Any:
        if self._made:
            return _open(self.path, format="lavfi")
        options = {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay"}
        asked = time.monotonic()
        try:
            return _open(self.path, options=options, timeout=(ANSWERS, ANSWERS))
        except av().error.FFmpegError as error:
            # of RTSP, FFmpeg calls it invalid data that there was none
            told = _SILENT if time.monotonic() - asked >= ANSWERS else _why(error)
            raise WhylightError(
                f"{shown(self.name)}: does not answer as a stream: {told}; look at the address, and whether it can be "
                "reached from here"
            ) from error


class Camera(_Opened):
    """A camera of this machine.

    Args:
        device: its number, 0 for the first, or its path.
        size: (width, height) that it is asked for; it may give another.
    """

    is_live = True

    def __init__(self, device: int | str, size: tuple[int, int] = (640, 480)) -> None:
        super().__init__(f"camera {device}")
        self._device, self._size = device, size
        self._camera: Any = None

    def __enter__(self) -> Self:
        level = cv2.utils.logging.getLogLevel() if hasattr(cv2, "utils") else None
        if level is not None:
            cv2.utils.logging.setLogLevel(0)  # what it would print is said by us
        try:
            self._camera = cv2.VideoCapture(self._device)
        finally:
            if level is not None:
                cv2.utils.logging.setLogLevel(level)
        if not self._camera.isOpened():
            hint = "is there one, is it in use by another program, and may you use it"
            if sys.platform == "linux":
                hint += " (`ls /dev/video*`, group video)"
            raise WhylightError(f"{self.name}: cannot be opened; {hint}? Without one try a file, or lavfi:testsrc2")
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest, not what was kept
        self.rate = self._camera.get(cv2.CAP_PROP_FPS) or None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._camera.release()

    def __iter__(self) -> Iterator[Frame]:
        began, number = time.monotonic(), 0
        while not self._over.is_set():
            there, picture = self._camera.read()
            now = time.monotonic()
            if not there:
                gone = "was unplugged, or stopped" if number else "gives no picture: another program may be using it"
                raise WhylightError(f"{self.name}: {gone}")
            yield Frame(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), now - began, number, now, self.name)
            number += 1


def _open(path: str, **options: Any) -> Any:
    return av().open(path, metadata_errors="replace", **options)


def _picture_stream(container: Any, name: str) -> Any:
    found = container.streams.video
    if not found:
        has = "sound alone" if container.streams.audio else "no pictures"
        raise WhylightError(f"{shown(name)}: has {has}, and nothing to look at")
    return found[0]


def _pixels(frame: Any, reformatter: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(H, W, 3) RGB, turned as the file says: phones write pictures lying down, and how they were held."""
    pixels = reformatter.reformat(frame, format="rgb24").to_ndarray()
    turns = round((frame.rotation or 0) / 90) % 4  # counter-clockwise
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _why(error: Exception) -> str:
    """What FFmpeg says, without the path, in small letters."""
    text = getattr(error, "strerror", None) or str(error)
    return {
        "Immediate exit requested": _SILENT,
        "End of file": "it is empty, or ends too early",
    }.get(text, text[:1].lower() + text[1:])


def as_fraction(rate: float | None) -> Fraction:
    """A rate as encoders want it; 25 where it is not known."""
    return Fraction(rate or 25.0).limit_denominator(1001)
