"""The figures in benchmarks/ are shown as they were measured, none that falls short out of sight, and every path to them holds."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the benchmarks are not part of this copy")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.common.pages")


def part(**figures: float) -> dict[str, Any]:
    """What one benchmark measured; the goal of each figure is at most 1."""
    rows = [
        {"name": name, "value": value, "unit": "s", "goal": 1.0, "better": "lower", "note": ""}
        for name, value in figures.items()
    ]
    about = {
        "about": "",
        "date": "today",
        "machine": "Abacus(R) Processor, 1 cores, wood",
        "command": "",
        "packages": {},
    }
    return {"title": "Beads", **about, "rows": rows}


def shown(text: str) -> list[str]:
    """The rows of the first table of a page."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    return lines[start + 1 : lines.index("", start)]


def test_pages_are_what_the_figures_make(pages: ModuleType) -> None:
    """They are written by `python -m benchmarks.run --pages`."""
    wanted = pages.render(pages.read())
    found = [FOLDER / "results.md", *(FOLDER / "results").glob("*.md")]
    assert {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in found} == wanted


def test_nothing_that_falls_short_is_missing_from_the_first_table(pages: ModuleType) -> None:
    parts = pages.read()
    short = sum(row.met is False for name in parts for row in pages._rows(parts[name]))
    rows = shown((FOLDER / "results.md").read_text(encoding="utf-8"))
    assert sum("| **no** |" in row for row in rows) == short
    assert len(rows) <= pages.MOST


def test_every_row_to_remember_is_there(pages: ModuleType) -> None:
    named = {(name, row) for name, rows in pages.FIRST.items() for row in rows}
    assert named <= {(name, row.name) for name, row in pages.first_rows(pages.read())}


def test_what_falls_short_goes_first_where_room_is_short(pages: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FIRST", {"a/x": {"one": "One", "two": "Two"}, "b/y": {"three": "Three"}})
    monkeypatch.setattr(pages, "MOST", 3)
    parts = {"a/x": part(one=0, two=0, other=0), "b/y": part(three=0, slow=2)}
    assert [(name, row.name) for name, row in pages.first_rows(parts)] == [
        ("a/x", "one"),
        ("a/x", "two"),
        ("b/y", "slow"),
    ]
    rows = shown(pages.render(parts)["results.md"])
    assert rows[0] == "| [One](results/a.md#beads) | 0 s | ≤ 1 s | yes | Abacus, 1 core |"
    assert rows[2] == "| [Beads: slow](results/b.md#beads) | 2 s | ≤ 1 s | **no** | Abacus, 1 core |"


def test_a_new_figure_leaves_the_others(pages: ModuleType, tmp_path: Path) -> None:
    pages.write({"a/x": part(one=0), "a/z": part(two=2), "b/y": part(three=0)}, tmp_path)
    kept = pages.read(tmp_path)
    pages.write({**kept, "a/x": part(one=3)}, tmp_path)
    assert pages.read(tmp_path) == {"a/x": part(one=3), "a/z": part(two=2), "b/y": part(three=0)}
    assert "| two | 2 s | ≤ 1 s | **no** |" in (tmp_path / "results" / "a.md").read_text(encoding="utf-8")
    assert (tmp_path / "results.md").read_text(encoding="utf-8").count("**no**") == 2


def test_links_lead_to_headings() -> None:
    for page in [FOLDER / "results.md", *(FOLDER / "results").glob("*.md")]:
        for path, _, anchor in re.findall(r"\]\(([^)#]+)(#([^)]+))?\)", page.read_text(encoding="utf-8")):
            headings = re.findall(r"^#+ (.+)$", (page.parent / path).read_text(encoding="utf-8"), re.MULTILINE)
            plain = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert not anchor or plain.count(anchor) == 1, (page.name, path, anchor)


def test_each_benchmark_has_a_script(pages: ModuleType) -> None:
    scripts = {name for name in pages.ORDER if not name.startswith("bundled/")} | {"bundled/presence"}
    assert not [name for name in scripts if not (FOLDER / f"{name}.py").is_file()]
    assert set(pages.read()) <= set(pages.ORDER)


def test_every_mention_of_a_script_leads_to_it() -> None:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    files += [path for part in ("benchmarks", "docs", "recipes", "src", "tests") for path in (ROOT / part).rglob("*")]
    seen = 0
    for file in [path for path in files if path.suffix in {"", ".md", ".py", ".sh", ".json"} and path.is_file()]:
        text = file.read_text(encoding="utf-8")
        modules = [name.replace(".", "/") for name in re.findall(r"(?<![\w./])benchmarks(?:\.\w+)+", text)]
        paths = [path.removesuffix(".py") for path in re.findall(r"(?<![\w./])benchmarks/[\w/]+\.py", text)]
        for name in modules + paths:
            seen += 1
            assert (ROOT / f"{name}.py").is_file() or (ROOT / name).is_dir(), f"{file}: {name}"
    assert seen > 100
