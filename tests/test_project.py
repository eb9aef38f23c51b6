"""What the project says about itself holds: versions, pins, links, sizes."""

from __future__ import annotations

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


def test_files_can_be_read_in_one_sitting(root: Path) -> None:
    """CONTRIBUTING.md: at most 300 lines in a source file, at most 20 source files in a folder, where each method has its own."""
    source = root / "src" / "whylight"
    assert not {file for file in source.rglob("*.py") if lines(file) > 300}
    folders = {file.parent for file in source.rglob("*.py")} - {source / "methods"}
    assert not {folder for folder in folders if len(list(folder.glob("*.py"))) > 20}


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())
