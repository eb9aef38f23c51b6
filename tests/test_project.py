"""What the project says about itself holds: versions, pins, links, layers."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import whylight


def test_one_version(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == whylight.__version__


def test_every_dependency_is_pinned_without_an_address(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [one for group in project["optional-dependencies"].values() for one in group] + project["dependencies"]
    names = {re.match(r"[\w.-]+", one)[0].lower() for one in wanted} - {"whylight"}  # type: ignore[index]
    pins = (root / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+", pin) for pin in pins)
    assert names <= {pin.split("==")[0] for pin in pins}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(root: Path, page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (root / page).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (root / target).exists(), target


def test_data_moves_one_way(root: Path) -> None:
    """docs/architecture.md: methods know tensors only; render and boxes know no models; nothing calls the command line."""
    forbidden = {
        "methods": r"whylight\.(?!methods|errors)",
        "render": r"whylight\.(?!render|errors)",
        "boxes": r"whylight\.(?!boxes|errors)",
        "models": r"whylight\.(cli|engine|explanation|render|pipeline|front|train)\b",
        "explanation": r"whylight\.(cli|engine|models|pipeline|front|evaluate|localize)\b",
        "pipeline": r"whylight\.(cli|front|evaluate|localize|faces)\b",
        "train": r"whylight\.cli\b",
    }
    for part, pattern in forbidden.items():
        for file in (root / "src" / "whylight" / part).rglob("*.py"):
            names = imported(file.read_text(encoding="utf-8"))
            assert not [name for name in names if re.match(pattern, name)], file


def imported(code: str) -> list[str]:
    """Every name that code imports, in full: of `from a import b`, `a.b`."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{one.name}" for one in node.names]
    return found


def test_every_form_of_import_is_seen() -> None:
    code = "import a.b\nfrom a import c, d\nfrom a.e import (\n    f as g,\n)\ndef h():\n    import i, j.k\n"
    assert sorted(imported(code)) == ["a.b", "a.c", "a.d", "a.e.f", "i", "j.k"]
