"""The API does what its description says, whatever is sent to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from web_site import call, cookie, forget

# A form that fits its description may still hold no picture, a class that the model has not, or a question that waits already.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 413, 415, 422, 429, 503]
"""


@pytest.mark.long
@pytest.mark.parametrize("examples", [1, 50])
def test_every_answer_is_described(site: Any, tmp_path: Path, examples: int) -> None:
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    who = cookie(site)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")]
    command += [
        "run",
        f"{site.url}/api/openapi.json",
        "--checks",
        "all",
        "--max-examples",
        str(examples),
        "--seed",
        "1",
    ]
    command += [
        "--header",
        f"Cookie: {who}",
        "--request-timeout",
        "70",
        "--max-response-time",
        "70",
        "--exclude-path-regex",
        "events$",
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    forget(who.partition("=")[2], site.url)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    every = sum(len(path) for path in call(f"{site.url}/api/openapi.json")[1]["paths"].values())
    assert f"Tested: {every - 1}" in found.stdout  # all but the stream of events, which has a test of its own


def test_the_description_names_what_is_on_offer(site: Any) -> None:
    status, description = call(f"{site.url}/api/openapi.json")
    assert status == 200
    form = description["paths"]["/api/explain"]["post"]["requestBody"]["content"]["multipart/form-data"]
    fields = form["schema"]["properties"]
    assert fields["model"]["enum"] == ["face", "person", ""]
    assert "gradcam" in fields["method"]["enum"]
    assert "rollout" not in fields["method"]["enum"]  # neither of them can be asked with it
    assert (fields["wait"]["type"], fields["wait"]["maximum"]) == ("number", 60)
    assert form["encoding"] == {"picture": {"contentType": "image/jpeg, image/png, image/webp"}}


@pytest.mark.parametrize(
    ("path", "method", "wanted"),
    [
        ("/api/models", "get", {"200", "400", "401", "503"}),
        ("/api/jobs/{job}", "get", {"200", "400", "401", "404"}),
        ("/api/jobs/{job}/result", "get", {"200", "400", "401", "404", "409"}),
        ("/api/keys/{key}", "delete", {"204", "400", "401", "403", "404"}),
    ],
)
def test_a_call_tells_the_answers_that_it_can_have(site: Any, path: str, method: str, wanted: set[str]) -> None:
    assert set(call(f"{site.url}/api/openapi.json")[1]["paths"][path][method]["responses"]) == wanted


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/jobs/{job}/overlay.png", "image/png"),
        ("/api/jobs/{job}/events", "text/event-stream"),
        ("/api/pictures/{picture}/view.jpg", "image/jpeg"),
    ],
)
def test_files_are_described_by_their_kind(site: Any, path: str, kind: str) -> None:
    described = call(f"{site.url}/api/openapi.json")[1]["paths"][path]["get"]["responses"]["200"]
    assert list(described["content"]) == [kind]


def test_it_can_be_read_and_tried_in_a_browser(site: Any, page: Any) -> None:
    page.goto(f"{site.url}/api/docs")
    row = page.locator(".opblock", has=page.locator("[data-path='/api/models']"))
    row.locator("button").first.click(timeout=15_000)
    row.get_by_role("button", name="Try it out").click()
    row.get_by_role("button", name="Execute").click()
    row.locator(".live-responses-table .response").get_by_text("200", exact=True).first.wait_for()
