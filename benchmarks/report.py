"""One record of all measurements: results.json holds them, results.md shows them with the goal beside each.

A benchmark makes rows and hands them to `record`; what other benchmarks measured earlier stays.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
# In which results.md shows them.
ORDER = (
    "speed",
    "perturbation",
    "rise_stops",
    "augmented",
    "locate",
    "sequential",
    "supervised",
    "peers",
    "faithfulness",
    "gpu",
    "folder",
    "startup",
    "memory",
    "training",
    "faces_detection",
    "faces_parts",
    "faces_gallery",
    "faces_vggface",
    "faces_maps",
    "faces_query",
    "face",
    "person",
)
PACKAGES = ("whylight", "torch", "torchvision", "timm", "grad-cam", "torchcam", "captum", "pillow", "numpy")


@dataclass(frozen=True)
class Row:
    """One measurement.

    Args:
        name: what was measured, readable on its own.
        value: the figure, or None where it could not be measured: then `note` says why.
        unit: "×" for ratios, "s", "MB", "%" …
        goal: what it has to reach; None for figures given for comparison.
        better: which way is better.
        note: one short remark.
    """

    name: str
    value: float | None
    unit: str = ""
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def _plain(argument: str) -> str:
    """An argument without the folders of one machine."""
    return Path(argument).name if Path(argument).is_absolute() else argument


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


def record(benchmark: str, title: str, rows: Sequence[Row], *, about: str = "", folder: Path = HERE) -> None:
    """Put a benchmark's rows in results.json in place of its older ones, and write results.md anew.

    Args:
        benchmark: short name, one of `ORDER` or a new one.
        title: heading in results.md.
        rows: the measurements.
        about: how it was measured, in a sentence or two.
    """
    path = folder / "results.json"
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[benchmark] = {
        "title": title,
        "about": about,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "command": "python " + " ".join(["benchmarks/" + Path(sys.argv[0]).name, *map(_plain, sys.argv[1:])]),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "rows": [asdict(row) for row in rows],
    }
    _write(path, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    _write(folder / "results.md", render(kept))
    for row in rows:
        print(f"{row.name}: {_figure(row.value, row.unit)}{_verdict(row)}", flush=True)


def render(kept: dict[str, Any]) -> str:
    """results.md from the content of results.json."""
    lines = [
        "# Measurements",
        "",
        "Written by the scripts in this folder (`make bench` runs them all). Do not edit.",
        "",
    ]
    rows = [Row(**row) for part in kept.values() for row in part["rows"]]
    goals = [row for row in rows if row.goal is not None]
    lines += [f"{sum(bool(row.met) for row in goals)} of {len(goals)} goals met.", ""]
    for name in sorted(kept, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        part = kept[name]
        lines += [
            f"## {part['title']}",
            "",
            part["about"],
            "",
            "| what | figure | goal | met |",
            "|---|---:|---:|:---:|",
        ]
        for row in (Row(**row) for row in part["rows"]):
            sign = "≤" if row.better == "lower" else "≥"
            goal = "" if row.goal is None else f"{sign} {_figure(row.goal, row.unit)}"
            met = {None: "", True: "yes", False: "**no**"}[row.met]
            note = f"<br>{row.note}" if row.note else ""
            lines.append(f"| {row.name}{note} | {_figure(row.value, row.unit)} | {goal} | {met} |")
        packages = ", ".join(f"{name} {found}" for name, found in part["packages"].items())
        lines += ["", f"{part['date']} · `{part['command']}` · {part['machine']} · {packages}", ""]
    return "\n".join(lines)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if float(value).is_integer():
        digits = 0
    elif unit == "%":
        digits = 2  # 99.85 and 99.3 must not both read 99
    else:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 2 if abs(value) >= 0.1 else 4
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}".strip() if unit not in {"%", "×"} else f"{text} {unit}"


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    sign = "≤" if row.better == "lower" else "≥"
    return f" (goal {sign} {_figure(row.goal, row.unit)}: {'met' if row.met else 'NOT met'})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(path.suffix + ".new")  # a run that is stopped half-way must not cost the older figures
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
