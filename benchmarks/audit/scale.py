"""How long an audit of a million rows takes, and how much memory: six columns of groups, depth 3, from a CSV file.

python -m benchmarks.audit.scale [--rows 1000000] [--record]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common.report import Row, cores, record

SIZES = (2, 2, 3, 5, 7, 9)
CODE = """
import json, resource, sys, time
start = time.perf_counter()
import whylight
settings = {"against": "other"} if sys.argv[2] == "against" else {}
names = ",".join(f"g{i}" for i in range(6))
found = whylight.audit(sys.argv[1], label="label", prediction="said", groups=names, depth=3, **settings)
found.write(sys.argv[3])
took = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"s": took, "cpu": time.process_time(), "mb": peak, "groups": len(found.groups)}))
"""


def make(path: Path, rows: int) -> None:
    """Write a table of random rows."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, rows)
    columns = [rng.integers(0, size, rows) for size in SIZES]
    columns += [label, *(np.where(rng.random(rows) < share, 1 - label, label) for share in (0.05, 0.06))]
    head = ",".join(["file", *(f"g{i}" for i in range(6)), "label", "said", "other"])
    with path.open("w", encoding="utf-8") as file:
        file.write(head + "\n")
        for i, row in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
            file.write(f"{i:07d}.jpg," + ",".join(map(str, row)) + "\n")


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        make(table, options.rows)
        for how, words in (("alone", "one prediction"), ("against", "two predictions compared")):
            done = subprocess.run(
                [sys.executable, "-c", CODE, str(table), how, str(Path(folder) / "out")], capture_output=True, text=True, check=True
            )  # fmt: skip
            found = json.loads(done.stdout)
            note = f"{found['groups']:,} groups; {found['cpu']:.1f} s of processor"
            rows.append(
                Row(f"{options.rows:,} rows, 6 columns, depth 3, {words}: time", found["s"], "s", 30, note=note)
            )
            rows.append(Row(f"{options.rows:,} rows, 6 columns, depth 3, {words}: memory", found["mb"], "MB", 2048))
    if options.record:
        record(
            "audit/scale",
            "A million rows",
            rows,
            about=f"From a CSV file to audit.json, in a fresh process, on {cores()} cores.",
        )
    else:
        for row in rows:
            print(f"{row.name}: {row.figure} {row.wanted} {row.verdict} {row.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
