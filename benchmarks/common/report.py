"""What a benchmark hands its rows to: `record` puts them with the others and writes the pages anew.

    record("faces/gallery", "Faces: galleries", rows, about="…")      # at the end of benchmarks/faces/gallery.py

The rows go to results/faces.json; what other benchmarks measured earlier stays. A new benchmark gets its place in `pages.GROUPS`;
first.toml names those of its rows that belong in the first table, where a row that falls short of its goal is anyway.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.common import pages
from benchmarks.common.places import ROOT
from benchmarks.common.rows import Row as Row

PACKAGES = (
    "whylight",
    "torch",
    "torchvision",
    "timm",
    "grad-cam",
    "torchcam",
    "captum",
    "pillow",
    "numpy",
    "openvino",
    "av",
)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The machine in words."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    return f"{name}, {cores()} cores, {platform.system()}, Python {platform.python_version()}"


def record(benchmark: str, title: str, rows: Sequence[Row], *, about: str = "") -> None:
    """Put a benchmark's rows in its group's figures in place of its older ones, and write the pages anew.

    Args:
        benchmark: "group/script".
        title: heading on the group's page.
        rows: the measurements.
        about: how it was measured, in a sentence or two.
    """
    kept = pages.read()
    kept[benchmark] = {
        "title": title,
        "about": about,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "command": " ".join(["python -m", _module(Path(sys.argv[0])), *map(_plain, sys.argv[1:])]),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "rows": [asdict(row) for row in rows],
    }
    pages.write(kept)
    for row in rows:
        goal = f" (goal {row.wanted}: {'met' if row.met else 'NOT met'})" if row.wanted else ""
        print(f"{row.name}: {row.figure}{goal}", flush=True)


def _module(script: Path) -> str:
    """The name by which `python -m` runs a script of ours."""
    script = script.resolve()
    return ".".join(script.relative_to(ROOT).with_suffix("").parts) if script.is_relative_to(ROOT) else script.name


def _plain(argument: str) -> str:
    """An argument without the folders of one machine."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
