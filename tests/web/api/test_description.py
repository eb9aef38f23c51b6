"""The API does what its description says, whatever is sent to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from web_site import call, cookie

# A form that fits its description may still hold no picture, a class that the model has not, or a question that waits already.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 413, 415, 422, 429, 503]
"""


def test_every_answer_is_described(site: Any, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")]
    command += ["run", f"{site.url}/api/openapi.json", "--checks", "all", "--max-examples", "15", "--seed", "1"]
    command += ["--header", f"Cookie: {cookie(site)}", "--exclude-path-regex", "events$"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    assert "22/" in found.stdout or "23/" in found.stdout or "24/" in found.stdout


def test_the_description_names_what_is_on_offer(site: Any) -> None:
    status, description = call(f"{site.url}/api/openapi.json")
    assert status == 200
    form = description["paths"]["/api/explain"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["model"]["enum"] == ["face", "person", ""]
    assert "gradcam" in form["schema"]["properties"]["method"]["enum"]
    assert form["encoding"] == {"picture": {"contentType": "image/jpeg, image/png, image/webp"}}


def test_it_can_be_read_and_tried_in_a_browser(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/api/docs")
    page.get_by_text("/api/explain").first.wait_for(timeout=15_000)
