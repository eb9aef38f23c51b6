"""The web process's side of the eye: begins it when it is needed, asks it, and begins it anew when it has died."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from whylight.web.intake import Frame
from whylight.web.live import eye
from whylight.web.live.seats import Line
from whylight.web.said import Said

_PATIENCE = 20.0  # seconds for one frame, after which the eye is stuck
_SLOW = 120.0  # seconds that it may take to load torch
_PAUSE, _PAUSES = (
    0.5,
    10.0,
)  # seconds between its death and its next life: longer each time that it dies without an answer
_OFTEN = 3  # deaths without an answer between them, from which on visitors are told
_log = logging.getLogger("whylight.web")


class Eye:
    """One eye, begun with the first frame. Any thread may ask; frames are answered in the order in which they come.

    Args:
        idle: seconds without a frame after which it ends; the next frame begins another.
    """

    def __init__(self, idle: float) -> None:
        self._idle, self._line = idle, Line()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self._deaths, self._begun, self._not_before = 0, 0.0, 0.0

    @property
    def pid(self) -> int | None:
        """Of the process, where there is one."""
        return None if self._process is None else self._process.pid

    def ask(self, model: str, target: int | None, frame: Frame) -> bytes | None:
        """What is seen in a frame, as JSON (`seeing.see`); None while it, or the model, is being loaded.

        Args:
            model: named as for `ModelChoice`.
            target: a class's number; None: the surest.
            frame: pixels.

        Raises:
            Said: the model cannot look at it, or there is no eye that lives.
        """
        question = {"model": model, "target": target, "height": frame.height, "width": frame.width}
        with self._line:
            try:
                pipe = self._living()
                if pipe is None:
                    return None
                with self._clock():
                    pipe.send_bytes(json.dumps(question).encode())
                    pipe.send_bytes(frame.rgb)
                    answer = pipe.recv_bytes()
            except (EOFError, OSError):  # it is gone: idle for too long just now, or dead
                self._died()
                return None
        kind, told = answer[:1], answer[1:]
        if kind == eye.WRONG:
            raise Said(400, told.decode())
        if kind == eye.SEEN:
            self._deaths = 0
            return told
        return None

    def close(self) -> None:
        """End it. Whatever is asked later begins another."""
        with self._line:
            self._end()

    def _living(self) -> Connection | None:
        """The way to it; None where it is not ready yet."""
        if self._pipe is None:
            if time.monotonic() < self._not_before:
                if self._deaths >= _OFTEN:
                    raise Said(503, "looking through the camera does not work here just now; try again later", retry=10)
                return None
            self._begin()
        assert self._pipe is not None
        if not self._ready:
            if not self._pipe.poll(0):
                if time.monotonic() - self._begun > _SLOW:
                    raise EOFError
                return None
            self._pipe.recv_bytes()
            self._ready = True
        return self._pipe

    def _begin(self) -> None:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", eye.__name__, str(theirs.fileno()), str(self._idle)]
        with theirs:
            # The pipe of its input breaks when this process ends, however that comes about: no eye outlives it.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])  # noqa: S603  # our own module
        threading.Thread(
            target=process.wait, name="eye", daemon=True
        ).start()  # so that none is left behind as a zombie
        self._process, self._pipe, self._ready, self._begun = process, ours, False, time.monotonic()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Have it killed if it takes too long: to be sent something waits as well, where nobody reads."""
        assert self._process is not None
        clock = threading.Timer(_PATIENCE, self._process.kill)
        clock.daemon = True
        clock.start()
        try:
            yield
        finally:
            clock.cancel()

    def _died(self) -> None:
        code = self._end()
        if code == 0:  # it had ended by itself
            return
        self._deaths += 1
        self._not_before = time.monotonic() + min(_PAUSES, _PAUSE * 2 ** (self._deaths - 1))
        _log.warning("the process that looks at live frames ended (%s); another will begin", code)

    def _end(self) -> int | None:
        process, pipe = self._process, self._pipe
        self._process, self._pipe, self._ready = None, None, False
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        assert process.stdin is not None
        try:
            code = process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdin.close()
        return code
