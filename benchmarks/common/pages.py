"""results.md and a page for each group, from the figures in results/*.json.

results.md begins with one table: every figure that falls short of its goal, and those that first.toml names.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.common.places import ROOT
from benchmarks.common.rows import Row

FOLDER = ROOT / "benchmarks"
MOST = 48  # rows of the first table
FIRST: dict[str, dict[str, str]] = tomllib.loads((FOLDER / "first.toml").read_text(encoding="utf-8"))
# Each group's folder, its title, and its benchmarks in the order in which they run and are shown.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "speed": ("Speed and memory", ("maps", "exported", "folder", "startup", "memory", "gpu")),
    "perturbation": ("Perturbation", ("maps", "stops")),
    "localization": ("Boxes", ("locate", "augmented", "sequential", "supervised")),
    "faithfulness": ("Faithfulness", ("metrics",)),
    "training": ("Training time", ("epoch",)),
    "faces": ("Faces", ("detection", "parts", "gallery", "strangers", "vggface", "maps", "query")),
    "bundled": ("The bundled models", ("face", "person")),
    "jobs": ("Jobs", ("stages",)),
    "web": ("The site", ("load", "cancel", "kills", "hostile", "hostile_http", "live")),
    "live": ("Moving pictures", ("speed", "age", "browser")),
    "audit": ("Audits", ("intervals", "scale", "fairlearn")),
    "scale": ("Map stores", ("store",)),
    "peers": ("Other libraries", ("methods",)),
}
ORDER = [f"{group}/{name}" for group, (_, names) in GROUPS.items() for name in names]

Parts = dict[str, dict[str, Any]]  # benchmark → its title, rows, date, machine …


def read(folder: Path = FOLDER) -> Parts:
    """What was measured so far, in the order of `GROUPS`; what is not named there comes last."""
    found: Parts = {}
    for path in sorted((folder / "results").glob("*.json")):
        for name, part in json.loads(path.read_text(encoding="utf-8")).items():
            found[f"{path.stem}/{name}"] = part
    return ordered(found)


def ordered(parts: Parts) -> Parts:
    def place(name: str) -> tuple[int, str]:
        return ORDER.index(name) if name in ORDER else len(ORDER), name

    return {name: parts[name] for name in sorted(parts, key=place)}


def write(parts: Parts, folder: Path = FOLDER) -> None:
    """Write the figures, and all pages."""
    grouped: dict[str, Parts] = defaultdict(dict)
    for benchmark, part in ordered(parts).items():
        group, _, name = benchmark.partition("/")
        grouped[group][name] = part
    for group, found in grouped.items():
        _write(folder / "results" / f"{group}.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for path, text in render(parts).items():
        _write(folder / path, text)


def render(parts: Parts) -> dict[str, str]:
    """Every page by its path in this folder."""
    parts = ordered(parts)
    groups = dict.fromkeys(benchmark.partition("/")[0] for benchmark in parts)
    pages = {f"results/{group}.md": _group(group, parts) for group in groups}
    return {"results.md": _first(parts, list(groups)), **pages}


def first_rows(parts: Parts) -> list[tuple[str, Row]]:
    """(benchmark, row) of the first table: what falls short, and as many of those in first.toml as there is room for."""
    every = {(name, row.name): row for name, part in parts.items() for row in _rows(part)}
    chosen = {key for key, row in every.items() if row.met is False}
    named = [(name, row) for name, rows in FIRST.items() for row in rows if (name, row) in every]
    others = [key for key in named if key not in chosen]
    chosen |= set(others[: max(0, MOST - len(chosen))])
    return [(key[0], row) for key, row in every.items() if key in chosen]


def _first(parts: Parts, groups: list[str]) -> str:
    about = (
        f"{_goals(parts)}. This table has every figure that falls short, and beside them those to remember. Each leads to its "
        "page, where all figures are, with how, when and by which command they were measured."
    )
    lines = [
        "# Measurements",
        "",
        about,
        "",
        "| figure | ours | goal | met | machine |",
        "|---|---:|---:|:---:|---|",
    ]
    for name, row in first_rows(parts):
        part = parts[name]
        words = FIRST.get(name, {}).get(row.name) or f"{part['title']}: {row.name}"
        link = f"results/{name.partition('/')[0]}.md#{anchor(part['title'])}"
        lines.append(f"| [{words}]({link}) | {row.figure} | {row.wanted} | {row.verdict} | {_machine(part)} |")
    lines += ["", "## All figures", ""]
    for group in groups:
        own = _own(group, parts)
        titles = "; ".join(part["title"] for part in own.values())
        lines.append(f"- [{_title(group)}](results/{group}.md): {titles}. {_goals(own)}.")
    lines += ["", "Written by the scripts in this folder (`make bench` runs them all). Do not edit.", ""]
    return "\n".join(lines)


def _group(group: str, parts: Parts) -> str:
    own = _own(group, parts)
    others = "[The other groups](../results.md#all-figures)."
    about = f"{_goals(own)}. Written by the scripts in `benchmarks/{group}/`; do not edit. {others}"
    lines = [f"# {_title(group)}", "", about, ""]
    for part in own.values():
        lines += [
            f"## {part['title']}",
            "",
            part["about"],
            "",
            "| what | figure | goal | met |",
            "|---|---:|---:|:---:|",
        ]
        for row in _rows(part):
            note = f"<br>{row.note}" if row.note else ""
            lines.append(f"| {row.name}{note} | {row.figure} | {row.wanted} | {row.verdict} |")
        packages = ", ".join(f"{name} {found}" for name, found in part["packages"].items())
        lines += ["", f"{part['date']} · `{part['command']}` · {part['machine']} · {packages}", ""]
    absent = [name for name in ORDER if name.startswith(f"{group}/") and name not in own]
    if absent:
        commands = ", ".join(f"`python -m benchmarks.{name.replace('/', '.')}`" for name in absent)
        lines += [f"Not measured yet: {commands}.", ""]
    return "\n".join(lines)


def anchor(title: str) -> str:
    """The address of a heading on its page, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _title(group: str) -> str:
    return GROUPS[group][0] if group in GROUPS else group.capitalize()


def _own(group: str, parts: Parts) -> Parts:
    return {name: part for name, part in parts.items() if name.startswith(f"{group}/")}


def _rows(part: dict[str, Any]) -> list[Row]:
    return [Row(**row) for row in part["rows"]]


def _goals(parts: Parts) -> str:
    met = [row.met for part in parts.values() for row in _rows(part) if row.met is not None]
    return f"{sum(met)} of {len(met)} goals met" if met else "No goals"


def _machine(part: dict[str, Any]) -> str:
    """The processor and its cores: what a reader of the first table has to know of the machine."""
    name = re.sub(r"\((R|TM)\)| (Processor|CPU)\b", "", part["machine"].partition(" cores")[0])
    return f"{name} core{'' if name.endswith(' 1') else 's'}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(path.suffix + ".new")  # a run that is stopped half-way must not cost the older figures
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
