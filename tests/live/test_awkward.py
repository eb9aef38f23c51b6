"""What goes wrong with cameras, files and disks is said in one line; what is merely unusual is looked at like anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.conftest import run as run  # the command line in this process
from videos import probed
from whylight.errors import WhylightError
from whylight.live.sources.names import open_source
from whylight.live.sources.video import Camera

Clip = Callable[..., Path]


def whylight(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, "-m", "whylight", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


def test_a_camera_that_is_unplugged_gives_what_it_had(clip: Clip) -> None:
    """OpenCV opens files as it opens cameras, and one that ends is one that was unplugged."""
    got = []

    def look() -> None:
        with Camera(str(clip("a.avi", "-c:v", "mjpeg", seconds=0.5))) as camera:
            for one in camera:
                got.append(one.number)  # noqa: PERF401  # an error must not take along what came before it

    with pytest.raises(WhylightError, match=r"camera .*a\.avi: was unplugged, or stopped"):
        look()
    assert got == list(range(5))


def test_a_camera_that_is_busy(clip: Clip) -> None:
    """It opens, and gives nothing."""
    path = clip("a.avi", "-c:v", "mjpeg", seconds=0.5)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    with (
        pytest.raises(WhylightError, match="gives no picture: another program may be using it"),
        Camera(str(path)) as one,
    ):
        next(iter(one))


def test_a_video_without_frames(clip: Clip) -> None:
    path = clip("a.avi", "-c:v", "mjpeg", seconds=0.5)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    with (
        pytest.raises(WhylightError, match=r"a\.avi: (holds no picture|cannot be read as a video)"),
        open_source(path) as source,
    ):
        next(iter(source))


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ("1x1", ("-c:v", "ffv1", "-pix_fmt", "gray")),
        pytest.param("7680x4320", ("-c:v", "mjpeg", "-q:v", "20"), marks=pytest.mark.long),
        pytest.param("97x3", ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le"), marks=pytest.mark.long),
    ],
    ids=["a pixel", "8K", "a line of 10 bits"],
)
def test_sizes_that_nobody_thinks_of(clip: Clip, run: Run, tmp_path: Path, size: str, options: tuple[str, ...]) -> None:
    cut = f"format=gbrp,crop={size.replace('x', ':')}:0:0:exact=1"
    path = clip("in.mkv", *options, graph=f"color=gray:size=7680x4320:rate=2:duration=1,{cut}")
    ran = run("live", path, "--model", "person", "--no-fast", "--out", "o.mp4", "--json", "o.jsonl")
    assert ran.code == 0, ran.err
    (video,) = probed(tmp_path / "o.mp4")["streams"]  # colours are kept for each 2 × 2: sides are even
    width, height = (int(side) for side in size.split("x"))
    assert (video["width"], video["height"]) == (width + width % 2, height + height % 2)
    assert video["nb_read_frames"] == "2"
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert [one["frame"] for one in lines] == [0, 1]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
@pytest.mark.parametrize("option", ["--out", pytest.param("--json", marks=pytest.mark.long)])
def test_a_full_disk_ends_it_with_a_word(clip: Clip, tmp_path: Path, option: str) -> None:
    full = tmp_path / ("full.mp4" if option == "--out" else "full.json")
    full.symlink_to("/dev/full")
    graph = "nullsrc=size=96x64:rate=25:duration=4,geq=random(1)*255:128:128"
    path = clip("in.mkv", "-c:v", "mjpeg", graph=graph)
    ran = whylight("live", path, "--no-fast", option, full, "--overwrite", cwd=tmp_path)
    assert ran.returncode == 3, ran.stderr
    assert full.name in ran.stderr
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.long
def test_a_stream_that_never_answers_ends_it_with_a_word(tmp_path: Path, free_port: int) -> None:
    import socket

    with socket.create_server(("127.0.0.1", free_port)):
        ran = whylight("live", f"rtsp://127.0.0.1:{free_port}/a", "--no-fast", "--json", "o.jsonl", cwd=tmp_path)
    assert ran.returncode == 2
    assert "does not answer as a stream: it said nothing for 8 seconds" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "o.jsonl").exists()
