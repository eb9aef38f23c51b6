"""The guide for programs: its examples run as they stand, and it tells all calls and all statuses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from web_site import call
from whylight.web.api import shapes

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "guides" / "web-api.md"
ADDRESS = "http://127.0.0.1:8000"

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the documentation is not part of this copy")


def blocks(language: str) -> list[str]:
    """The guide's examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_its_examples_run(site: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("requests")
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for block in blocks("python"):  # one after the other: later ones go on from earlier ones
        exec(compile(block.replace(ADDRESS, site.url), str(GUIDE), "exec"), names)
    names["caller"].close()
    said = capsys.readouterr().out
    assert "the evidence peaks" in said
    assert "400 target: face has no class 'cat'" in said
    assert said.count("done") >= 2
    assert names["overlay"].startswith(b"\x89PNG")
    assert names["explanation"]["method"] == "occlusion"
    assert call(f"{site.url}/api/jobs", Authorization=names["mine"]["Authorization"])[0] == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_its_commands_run(site: Any) -> None:
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        run = command.replace(ADDRESS, site.url).replace("curl", "curl -sf", 1)
        assert (
            '"label"'
            in subprocess.run(["bash", "-c", run], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        )


def test_it_tells_of_every_call(site: Any) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for path in call(f"{site.url}/api/openapi.json")[1]["paths"]:
        assert path.rpartition("/api")[2] in text or path.rpartition("}")[2] in text, path


def test_it_tells_of_every_status() -> None:
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)}
    assert told == {*shapes.ASK, 405}
