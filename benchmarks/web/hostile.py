"""More than a thousand hostile uploads, one after another, through one child process: what the dearest of them cost.

    python -m benchmarks.web.hostile [--every N] [--dry]

What the site opens uploads with, given each of the uploads of tests/hostile.py; time and memory are those of the process that
opens them, over what it needed before. Exit code 1: one was answered in another way than by a picture or a refusal, left a file
behind, or cost more than it may.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

from benchmarks.common.places import ROOT
from benchmarks.common.report import Row, record
from whylight.web.intake import Decoders, Limits

sys.path.insert(0, str(ROOT / "tests"))

MOST_SECONDS, MOST_MEMORY = 2.0, 256e6
SHOWN = 12


def main() -> int:
    from hostile import uploads
    from ordeal import costs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth only")
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    given = parser.parse_args()
    every = given.every
    with tempfile.TemporaryDirectory() as folder, Decoders(count=1, limits=Limits(uses=10_000)) as decoders:
        found = list(costs(decoders, islice(uploads(), 0, None, every), Path(folder)))
    counts = Counter("taken" if cost.refused is None else str(cost.refused.status) for cost in found)
    print(
        f"{len(found):,} uploads: {dict(counts)}; {sum(cost.memory is None for cost in found)} were the end of their child"
    )
    print(f"median {1e3 * statistics.median(cost.seconds for cost in found):.1f} ms")
    wrong = 0
    for cost in sorted(found, key=lambda cost: -cost.seconds)[:SHOWN]:
        print(f"{cost.seconds:6.2f} s   {cost.name}: {cost.refused or 'taken'}")
    for cost in sorted(found, key=lambda cost: -(cost.memory or 0))[:SHOWN]:
        print(f"{(cost.memory or 0) / 1e6:6.0f} MB  {cost.name}: {cost.refused or 'taken'}")
    for cost in found:
        left = cost.files != ([] if cost.refused else ["picture.ppm", "view.jpg"])
        fault = cost.refused is not None and cost.refused.__cause__ is not None
        if left or fault or cost.seconds > MOST_SECONDS or (cost.memory or 0) > MOST_MEMORY:
            print(f"WRONG    {cost}")
            wrong += 1
    rows = [
        Row("uploads", float(len(found)), "files"),
        Row(
            "answered in another way, too dear, or leaving a file",
            float(wrong),
            "files",
            0.0,
            "lower",
        ),
        Row("the slowest", max(cost.seconds for cost in found), "s", MOST_SECONDS, "lower"),
        Row("the dearest", max(cost.memory or 0 for cost in found) / 1e6, "MB", MOST_MEMORY / 1e6, "lower"),
    ]
    if not given.dry:
        record("web/hostile", "Hostile uploads, opened", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
