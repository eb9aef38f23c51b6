"""The highest memory of one call of Score-CAM or RISE, each in a process of its own: a part of `maps.py`.

python -m benchmarks.perturbation.memory "scorecam bf16"
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.common.report import Row
from benchmarks.perturbation.calls import ABSENT, PRECISIONS, ours, scorecam_peer, why_no_bf16


def memory() -> list[Row]:
    """The highest memory of one call, each in a process of its own."""
    absent = why_no_bf16()
    found: dict[str, float | None] = {}
    for what in ("scorecam bf16", "scorecam fp32", "scorecam peer", "rise500 bf16", "rise bf16", "rise peer"):
        if "bf16" in what and absent:
            found[what] = None
            continue
        command = [sys.executable, "-m", "benchmarks.perturbation.memory", what]
        found[what] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    rows = [
        Row(
            f"scorecam, ResNet-50, {p}: memory above what was there",
            found[f"scorecam {p}"],
            "MB",
            300.0,
            note="" if found[f"scorecam {p}"] else ABSENT,
        )
        for p in PRECISIONS
    ]
    rows.append(Row("pytorch-grad-cam's ScoreCAM, ResNet-50: the same", found["scorecam peer"], "MB"))
    few, many = found["rise500 bf16"], found["rise bf16"]
    rows.append(Row("rise, ResNet-50, 500 masks, bf16: memory above what was there", few, "MB"))
    rows.append(Row("rise, ResNet-50, 4,000 masks, bf16: the same", many, "MB"))
    rows.append(
        Row("the published procedure, 4,000 masks: the same", found["rise peer"], "MB", note="first batch only")
    )
    return rows


def peak(what: str) -> float:
    """Megabytes that one call takes above what was resident before it, at its highest."""
    import whylight
    from benchmarks.common.networks import TARGET, build, pictures

    module, x = build("resnet50"), pictures(1)
    if what == "rise peer":
        from benchmarks.perturbation import obvious_rise

        def call() -> None:
            drawn = obvious_rise.masks(4000)
            obvious_rise.explain(module, x, drawn[: obvious_rise.BATCH], TARGET)
    elif what == "scorecam peer":
        call = scorecam_peer(module, x)
    else:
        method, precision = what.split()
        options = {"masks": 500} if method == "rise500" else {}
        call = ours(whylight.wrap(module), x, precision, method.removesuffix("500"), **options)
    module(x)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def status(field: str) -> float:
    """A figure of this process's memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1000
    raise SystemExit(f"no {field} in /proc/self/status")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"  # read when torch imports it
    print(json.dumps(peak(sys.argv[1])))
