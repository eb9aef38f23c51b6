"""Put uploads through the decoders, one after another, and write down what each one cost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from whylight.web.intake import Decoders, Refused


class Cost(NamedTuple):
    """Of one upload.

    Attributes:
        name: the upload's.
        refused: why it was not taken; None: it was.
        seconds: from the question to the answer.
        memory: bytes by which the child's peak rose over what it had before; None where the child is gone with it.
        files: what lies in its folder afterwards.
    """

    name: str
    refused: Refused | None
    seconds: float
    memory: int | None
    files: list[str]


def costs(decoders: Decoders, uploads: Iterable[tuple[str, bytes]], folder: Path) -> Iterator[Cost]:
    """What each upload costs, with one child, whose memory is looked at; whatever is raised but `Refused` comes out."""
    assert decoders.count == 1
    decoders.warm()
    for number, (name, data) in enumerate(uploads):
        place = folder / str(number)
        place.mkdir()
        child = _child()
        before = _memory(child, "VmRSS")
        Path(f"/proc/{child}/clear_refs").write_text("5", encoding="ascii")  # its peak begins anew
        refused = None
        start = time.perf_counter()
        try:
            decoders.upright(data, place, view=True)
        except Refused as error:
            refused = error
        seconds = time.perf_counter() - start
        peak = _memory(child, "VmHWM")
        files = sorted(path.name for path in place.iterdir())
        yield Cost(name, refused, seconds, None if peak is None or before is None else peak - before, files)
        for path in place.iterdir():
            path.unlink()
        place.rmdir()
        if peak is None:
            decoders.warm()


def _child() -> int:
    """The one that runs; a child that was replaced may still be listed."""
    while True:
        for process in multiprocessing.active_children():
            if process.name.startswith("pebble") and process.pid is not None and _memory(process.pid, "VmRSS"):
                return process.pid
        time.sleep(0.01)


def _memory(process: int, which: str) -> int | None:
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = next((line.split()[1] for line in text.splitlines() if line.startswith(which)), None)
    return None if found is None else int(found) * 1024  # a dead process has no memory
