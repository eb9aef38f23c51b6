"""How long visitors of the site wait: one alone, and twenty at once for two minutes.

    python -m benchmarks.web.load [--seconds 120] [--people 20] [--requests 5000]

`whylight serve` in a process of its own, the bundled face model, gradcam, a photograph of a million pixels sent anew each time; the
visitors share the machine with it. Then as many requests as it takes to have made `--requests`, for the memory.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common.report import Row, record
from benchmarks.web.visits import descendants, memory, share, site, visit


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, site(Path(folder) / "site") as running:
        assert running.process is not None
        visit(running.port, 2, None, most=5, method="gradcam")  # the first questions load what later ones find loaded
        (alone,) = visit(running.port, 1, None, most=100, method="gradcam")
        pids = [running.process.pid, *descendants(running.process.pid)]
        before = memory(pids)
        many = visit(running.port, given.people, given.seconds, method="gradcam")
        waited = [second for visitor in many for second in visitor.seconds]
        middle = memory([running.process.pid, *descendants(running.process.pid)])
        left = max(0, given.requests - len(waited))
        rest = visit(running.port, 10, None, most=left // 10, method="gradcam") if left else []
        after = memory([running.process.pid, *descendants(running.process.pid)])
        errors = [error for visitor in (alone, *many, *rest) for error in visitor.errors]
    for error in errors[:10]:
        print(error)
    people = given.people
    rows = [
        Row("alone, from request to map, 95 of 100 within", 1000 * share(alone.seconds, 0.95), "ms", 250.0, "lower"),
        Row("alone, from request to map, median", 1000 * share(alone.seconds, 0.5), "ms"),
        Row(f"{people} at once, 95 of 100 within", share(waited, 0.95), "s", 2.0, "lower"),
        Row(f"{people} at once, median", share(waited, 0.5), "s"),
        Row(f"{people} at once, answers a second", len(waited) / given.seconds, "1/s"),
        Row("errors", float(len(errors)), "requests", 0.0, "lower"),
        Row("memory before", before, "MB"),
        Row(f"memory after {len(waited):,} requests", middle, "MB"),
        Row(f"memory after {len(waited) + sum(len(one.seconds) for one in rest):,} requests", after, "MB"),
    ]
    if given.dry:
        for row in rows:
            print(f"{row.name}: {row.figure}")
    else:
        record("web/load", "The site under load", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))


if __name__ == "__main__":
    main()
