"""Five hundred explanations in a row must not take more memory than the first hundred.

python -m benchmarks.speed.memory
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

import whylight
from benchmarks.common.networks import build
from benchmarks.common.places import PHOTO
from benchmarks.common.report import Row, record

METHODS = ("cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam")
RUNS, SETTLED = 500, 100


def resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    model = whylight.wrap(build("mobilenet_v2"))
    photo = PHOTO
    settled = 0.0
    for i in range(RUNS):
        whylight.explain(model, photo, method=METHODS[i % len(METHODS)], target=i % 1000).overlay()
        if i + 1 == SETTLED:
            settled = resident()
    rows = [
        Row(f"growth from explanation {SETTLED} to {RUNS}", resident() - settled, "MB", 10.0),
        Row("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, "MB"),
    ]
    about = f"MobileNetV2, {RUNS} explanations with overlays in one process, the eight methods in turn."
    record("speed/memory", "Memory", rows, about=about)


if __name__ == "__main__":
    main()
