"""Moving pictures made by ffmpeg, and what tells of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("av", reason="the extra video is not installed")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """FFmpeg's own program, from Debian's packages, to make videos and to look at ours with other eyes."""
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("no ffmpeg here; install it: apt-get install ffmpeg")
    return found


@pytest.fixture
def clip(ffmpeg: str, tmp_path: Path) -> Callable[..., Path]:
    """Makes a video: a test picture of a size, so many frames a second, so long; more options go before the file's name."""

    def make(
        name: str = "clip.mp4",
        *options: str,
        size: str = "96x64",
        rate: int = 10,
        seconds: float = 1.0,
        graph: str = "",
    ) -> Path:
        path = tmp_path / name
        made = graph or f"testsrc2=size={size}:rate={rate}:duration={seconds}"
        command = [ffmpeg, "-y", "-loglevel", "error", "-f", "lavfi", "-i", made, *options, str(path)]
        subprocess.run(command, check=True)
        return path

    return make


@pytest.fixture
def free_port() -> int:
    """A port that nothing listens at."""
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
