"""What may come in between: Ctrl-C, and a shortage of memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.errors import TrainError
from whylight.models.device import is_out_of_memory


class Interrupted(Exception):
    """Training was stopped by Ctrl-C, after its state was saved."""


@contextmanager
def memory(where: str, out: Path) -> Iterator[None]:
    """A shortage of memory ends the run, clearly: halving the batch in silence would make it another run."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainError(
            f"out of memory {where}. Once more memory is free, go on from the last save: whylight train --resume {out}. Or "
            "begin another run with a smaller --batch"
        ) from error


@contextmanager
def ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the loop to save and stop; the second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
