"""How long one waits: `whylight --help`, and `whylight explain` of one photograph, each in a fresh process.

python -m benchmarks.speed.startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common.places import PHOTO
from benchmarks.common.report import Row, record

WHYLIGHT = str(Path(sys.executable).parent / "whylight")
PHOTO = str(PHOTO)


def median_seconds(command: list[str], runs: int) -> float:
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    with tempfile.TemporaryDirectory() as out:
        explain = [WHYLIGHT, "explain", PHOTO, "--model", "face", "--out", out, "--overwrite"]
        rows = [
            Row("whylight --help", median_seconds([WHYLIGHT, "--help"], 9), "s", 0.3),
            Row("whylight explain --help", median_seconds([WHYLIGHT, "explain", "--help"], 9), "s", 0.3),
            Row("whylight explain of one photograph, bundled face model", median_seconds(explain, 5), "s", 5.0),
        ]
    about = "Median of several whole processes; the files are in the system's cache, the process is new each time."
    record("speed/startup", "Start-up", rows, about=about)


if __name__ == "__main__":
    main()
