"""How old what is shown is: a camera of 30 frames a second before a window, for ten minutes; and a model that is too slow for it.

    python -m benchmarks.live.age [--seconds 600] [--record]

A simulated camera (640 × 480, 30 frames a second, a photograph that pans) and the bundled `person` model with Grad-CAM, by
OpenVINO; shown in a window, with map, boxes and text. An age is what passed from the moment at which the frame was due at the
camera to the moment at which the window had drawn it. Where there is no screen, Xvfb is one. Then the same with a model that
takes 200 ms longer, for a tenth of the time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image

from benchmarks.common.places import PHOTO
from benchmarks.common.report import Row, record
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.live import Frame, Seen
from whylight.live.fast import faster
from whylight.live.looking import Looker
from whylight.live.run import Sinks, run

SIZE, RATE = (640, 480), 30.0
SLOW = 0.2  # seconds that the slow model takes longer
STEPS = 64  # pictures that are shown over and over


class Camera:
    """A camera that has a frame when one is due, whether or not somebody looks."""

    name, is_live, rate, total = "simulated camera", True, RATE, None

    def __init__(self, seconds: float) -> None:
        self._pictures, self._count = panned(), round(seconds * RATE)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()

    def __iter__(self) -> Iterator[Frame]:
        began = time.monotonic()
        for number in range(self._count):
            due = began + number / RATE
            if self._over.wait(max(0.0, due - time.monotonic())):
                return
            yield Frame(self._pictures[number % len(self._pictures)], number / RATE, number, due, self.name)


class Slow(Looker):
    """Takes longer than a camera waits."""

    def __call__(self, frames: Sequence[Frame]) -> list[Explanation | WhylightError]:
        time.sleep(SLOW)
        return super().__call__(frames)


class Told(NamedTuple):
    """What one run was like."""

    ages: list[float]  # seconds, of each frame that was shown
    shown: list[float]  # seconds since the first one, when it was
    memory: list[float]  # megabytes then
    stats: dict[str, Any]


def main() -> None:
    """Measure, and record where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    given = parser.parse_args()
    import whylight

    whylight.tune_allocator()
    model = faster(whylight.load("person", device="cpu"), "gradcam", print)
    looker, slow = Looker(model, "gradcam", None), Slow(model, "gradcam", None)
    with screen():
        watched(looker, 2.0)  # what is loaded when it is first needed
        quick = watched(looker, given.seconds)
        late = watched(slow, max(5.0, given.seconds / 10))
    rows = [*quick_rows(quick, given.seconds), *slow_rows(late)]
    if given.record:
        record("live/age", "How old what is shown is", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
        return
    for row in rows:
        print(f"{row.name}: {row.figure} (goal {row.wanted or 'none'}) {row.note}", flush=True)


def watched(looker: Looker, seconds: float) -> Told:
    """Look at the camera for so long."""
    ages: list[float] = []
    shown: list[float] = []
    memory: list[float] = []

    def note(seen: Seen) -> None:
        now = time.monotonic()
        ages.append(now - seen.frame.came)
        shown.append(now)
        memory.append(resident())

    stats = run([Camera(seconds)], looker, Sinks(window=True, tell=lambda _: None), on_seen=note)
    return Told(ages, [moment - shown[0] for moment in shown], memory, stats.told())


def quick_rows(told: Told, seconds: float) -> list[Row]:
    part = min(60.0, seconds / 4)  # a minute, where there is time for it
    first, last = within(told, 0, part), within(told, told.shown[-1] - part, told.shown[-1])
    ages = 1000 * np.asarray(told.ages)
    grown = float(np.median(told.memory[last]) - np.median(told.memory[first]))
    older = float(np.median(ages[last]) - np.median(ages[first]))
    stages = ", ".join(f"{name} {times['p50']:.1f}" for name, times in told.stats["stages_ms"].items())
    every = told.stats["frames"] + told.stats["dropped"]
    return [
        Row("from camera to display, 95 of 100 within", float(np.quantile(ages, 0.95)), "ms", 40.0, note=stages),
        Row("from camera to display, 99 of 100 within", float(np.quantile(ages, 0.99)), "ms", 50.0),
        Row("from camera to display, median", float(np.median(ages)), "ms"),
        Row("frames shown a second", told.stats["fps"], "1/s", better="higher"),
        Row(
            "frames dropped for newer ones",
            100 * told.stats["dropped"] / every,
            "%",
            note=f"{told.stats['dropped']:,} of {every:,}",
        ),
        Row("older by, the last minute beside the first", older, "ms", 5.0, note=f"parts of {part:.0f} s; medians"),
        Row(
            "memory that is taken more, the last minute beside the first",
            grown,
            "MB",
            10.0,
            note=f"{told.memory[first][-1]:.0f} MB at first",
        ),
    ]


def slow_rows(told: Told) -> list[Row]:
    forward = told.stats["stages_ms"]["model"]["p50"]
    ages = 1000 * np.asarray(told.ages[1:])
    every = told.stats["frames"] + told.stats["dropped"]
    return [
        Row(
            "a model that is too slow: age of what is shown, 99 of 100 within",
            float(np.quantile(ages, 0.99)) / forward,
            "forwards",
            2.0,
            note=f"one takes {forward:.0f} ms",
        ),
        Row("a model that is too slow: frames dropped", 100 * told.stats["dropped"] / every, "%"),
    ]


def within(told: Told, start: float, stop: float) -> slice:
    """Which frames were shown between two moments."""
    low, high = np.searchsorted(told.shown, [start, stop])
    return slice(int(low), max(int(high), int(low) + 1))


def panned() -> list[Any]:
    """Pictures of a photograph that goes from side to side."""
    with Image.open(PHOTO) as opened:
        picture = opened.convert("RGB").resize((SIZE[0] + 2 * STEPS,) * 2, Image.Resampling.LANCZOS)
    forth = [picture.crop((2 * n, n, 2 * n + SIZE[0], n + SIZE[1])) for n in range(STEPS)]
    return [np.ascontiguousarray(np.asarray(one, np.uint8)) for one in [*forth, *forth[::-1]]]


def resident() -> float:
    """Megabytes that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def screen() -> Iterator[None]:
    """A screen, if need be one that nobody sees."""
    if os.environ.get("DISPLAY"):
        yield
        return
    program = shutil.which("Xvfb")
    if program is None:
        raise SystemExit("there is no screen, and no Xvfb to be one: apt-get install xvfb")
    reading, writing = os.pipe()
    words = ["-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with subprocess.Popen([program, *words], pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        try:
            with os.fdopen(reading) as told:
                os.environ["DISPLAY"] = f":{told.readline().strip()}"
            yield
        finally:
            os.environ.pop("DISPLAY", None)
            server.terminate()


if __name__ == "__main__":
    main()
