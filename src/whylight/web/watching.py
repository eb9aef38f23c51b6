"""Watches over the workers of one machine: begins each anew when it ends, and replaces it in good time before it gets old."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from whylight.web.worker import OLD

_SOON, _LATER = 0.5, 5.0  # seconds after which one that ended is begun anew: longer each time that it ends at once
_LIVED = 30.0  # seconds after which an end is no sign of trouble
_PATIENCE = 5.0  # seconds for the answer in hand when all end


@contextmanager
def workers(names: list[str], is_there: Callable[[str], bool]) -> Iterator[None]:
    """Workers of these names until the block ends.

    Args:
        names: of the workers; what stands before the hyphen is the lane.
        is_there: whether a worker has been heard of, by its full name.
    """
    over = threading.Event()
    watchers = [threading.Thread(target=_watch, args=(name, is_there, over), name=name, daemon=True) for name in names]
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        for watcher in watchers:
            watcher.join(2 * _PATIENCE)


def _watch(name: str, is_there: Callable[[str], bool], over: threading.Event) -> None:
    number, wait, before = 1, _SOON, None
    while not over.is_set():
        began = time.monotonic()
        full = f"{name}.{number}"
        process = _begin(full, before)
        number += 1
        while _goes_on(process, over):  # it is old: another takes its place as soon as that is ready
            following = _begin(f"{name}.{number}", None)
            while not over.wait(0.1) and following.poll() is None and not is_there(f"{name}.{number}"):
                pass
            _end(process)
            process, full, began, number = following, f"{name}.{number}", time.monotonic(), number + 1
        if over.is_set():
            _end(process)
            return
        before = full  # what it was at is asked again
        wait = _SOON if time.monotonic() - began > _LIVED else min(_LATER, wait * 2)
        over.wait(wait)


def _begin(name: str, instead_of: str | None) -> subprocess.Popen[bytes]:
    # The pipe of its input breaks when this process ends, however that comes about: no worker outlives it.
    command = [sys.executable, "-m", "whylight.web.worker", name, "--with-parent"]
    command += [] if instead_of is None else ["--instead-of", instead_of]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  # our own interpreter and module


def _goes_on(process: subprocess.Popen[bytes], over: threading.Event) -> bool:
    """Wait for a worker; True where it says that it is old, False where it ended, or all shall."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not over.is_set():
            if selector.select(0.2):
                said = os.read(process.stdout.fileno(), len(OLD))
                if not said:
                    process.wait()
                    return False
                return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a worker when it has answered what it has in hand."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
