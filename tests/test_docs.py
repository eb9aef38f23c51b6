"""Every method has a page that tells its options as they are, and a place in the overview, the menu and the gallery."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from whylight import methods

DOCS = Path(__file__).resolve().parent.parent / "docs"
NAMES = methods.names()

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not part of this copy")


def text(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def options_on(page: str) -> dict[str, str]:
    """Rows of the page's table of options: name → default."""
    _, _, table = page.partition("| option | default | meaning |\n|---|---|---|\n")
    rows = table.partition("\n\n")[0].splitlines()
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", "\n".join(rows), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_options(name: str) -> None:
    found = options_on(text(f"methods/{name}.md"))
    wanted = methods.get(name).defaults
    assert list(found) == list(wanted)
    for option, default in wanted.items():
        written = float(found[option]) if isinstance(default, float) else found[option]
        assert written == default if isinstance(default, float) else written == str(default), option


@pytest.mark.parametrize("name", [*NAMES, "layers", "tta", "smooth", "spread", "refine", "concepts"])
def test_page_has_its_places(name: str) -> None:
    page = text(f"methods/{name}.md")
    assert page.startswith("# ")
    assert "**When to take it.**" in page
    if name in NAMES:
        assert "**Source.**" in page
        assert f"`{name}`" in page
    assert f"(methods/{name}.md)" in text("methods.md")
    assert f"(methods/{name}.md)" in text("gallery.md")
    assert f"methods/{name}.md" in (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    picture = DOCS / "assets" / "methods" / f"{name}.jpg"
    assert f"](../assets/methods/{name}.jpg)" in page
    assert f"](assets/methods/{name}.jpg)" in text("gallery.md")
    assert picture.stat().st_size <= 40_000


@pytest.mark.parametrize(
    "maker", re.findall(r"^(\w+) = partial", (DOCS.parent / "src/whylight/methods/makers.py").read_text(), re.MULTILINE)
)
def test_makers_are_named(maker: str) -> None:
    name = getattr(methods, maker)().name
    assert f"`whylight.methods.{maker}(" in text(f"methods/{name}.md")


def test_every_page_is_in_the_menu_and_every_entry_is_a_page() -> None:
    menu = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[2].partition("\nplugins:")[0]
    entries = re.findall(r"- ([\w/+.-]+\.md)$", menu, re.MULTILINE)
    assert sorted(entries) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_pictures_are_there_and_are_described(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", prose):
        assert alt, f"no words for {target}"
        assert (page.parent / target).is_file(), target


def test_extras_are_listed_and_used() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = re.findall(r"^\| `(\w+)` \|.*\| `pip install '\.\[(\w+)\]'` \|$", text("extras.md"), re.MULTILINE)
    assert [name for name, _ in listed] == [name for _, name in listed]
    assert {name for name, _ in listed} == set(extras) - {"bench", "docs", "dev"}
    assert set(re.findall(r"\w+", extras["all"][0].partition("[")[2])) == {name for name, _ in listed} - {"all"}
