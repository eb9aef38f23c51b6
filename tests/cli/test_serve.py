"""`whylight serve` listens where it may, and says so where it may not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whylight.cli import app


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_another_address_than_the_machine_itself_needs_a_word(host: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["serve", "--host", host, "--data", str(tmp_path / "site")])
    assert answer.exit_code == 2
    assert "--public" in answer.output
    assert not (tmp_path / "site").exists()


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    answer = CliRunner().invoke(app, ["serve", "--data", str(tmp_path)])
    assert answer.exit_code == 2
    assert "others may read it" in answer.output


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import subprocess
    import sys

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "whylight", "serve", "--port", port, "--data", str(tmp_path / "site")]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert f"--port {port}" in answer.stderr
    assert "already in use" in answer.stderr.lower()
