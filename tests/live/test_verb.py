"""`whylight live` as one types it: a video with all frames, lines, figures, and an end that leaves what plays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.conftest import run as run  # the command line in this process
from videos import probed, times_of

Clip = Callable[..., Path]
WHYLIGHT = [sys.executable, "-m", "whylight"]


def whylight(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return subprocess.run([*WHYLIGHT, *map(str, words)], cwd=cwd, capture_output=True, text=True, env=environment)


def test_a_video_in_and_out(clip: Clip, tmp_path: Path) -> None:
    made = clip("in.mkv", seconds=1.2, graph="testsrc2=duration=1.2:size=96x64:rate=10[out0];sine=duration=1.2[out1]")
    ran = whylight(
        "live", made, "--model", "person", "--out", "o.mp4", "--json", "o.jsonl", "--stats", "o.json", cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert "12 frames explained" in ran.stdout
    streams = {one["codec_type"]: one for one in probed(tmp_path / "o.mp4")["streams"]}
    assert (streams["video"]["codec_name"], streams["video"]["nb_read_frames"]) == ("h264", "12")
    assert streams["audio"]["codec_name"] in ("aac", "opus", "ac3")
    assert times_of(tmp_path / "o.mp4") == pytest.approx([n / 10 for n in range(12)], abs=2e-3)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert [one["frame"] for one in lines] == list(range(12))
    assert lines[0]["time"] == 0
    assert 0 <= lines[0]["probability"] <= 1
    assert set(lines[0]) >= {"time", "label", "probability", "peak", "boxes"}
    told = json.loads((tmp_path / "o.json").read_text("utf-8"))
    assert (told["frames"], told["dropped"]) == (12, 0)
    assert set(told["stages_ms"]) == {"waiting", "model", "following", "drawing", "encoding"}
    assert all(set(one) == {"p50", "p95", "p99"} for one in told["stages_ms"].values())
    again = whylight("live", made, "--out", "o.mp4", cwd=tmp_path)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr


@pytest.mark.long
def test_what_was_there_stays_where_a_source_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"no video")
    (tmp_path / "o.mp4").write_bytes(b"of yesterday")
    (tmp_path / "o.jsonl").write_bytes(b"of yesterday")
    ran = whylight("live", "in.mp4", "--out", "o.mp4", "--json", "o.jsonl", "--overwrite", cwd=tmp_path)
    assert ran.returncode == 2
    assert "in.mp4: cannot be read as a video" in ran.stderr
    assert {(tmp_path / name).read_bytes() for name in ("o.mp4", "o.jsonl")} == {b"of yesterday"}


@pytest.mark.long
def test_lines_alone_go_where_a_pipe_reads_them(photo: Path, tmp_path: Path) -> None:
    ran = whylight("live", photo, "--target", "face", "--json", "-", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    assert json.loads(line)["label"] == "face"
    assert "1 frames explained" in ran.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_it_can_be_stopped_and_the_file_plays(ffmpeg: str, tmp_path: Path, sent: signal.Signals) -> None:
    source = "lavfi:testsrc2=size=96x64:rate=25,realtime"
    command = [*WHYLIGHT, "live", source, "--out", "o.mp4", "--json", "o.jsonl", "--model", "person"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (
            (tmp_path / "o.jsonl").exists() and (tmp_path / "o.jsonl").read_text("utf-8").count("\n") > 20
        ):
            time.sleep(0.05)
        process.send_signal(sent)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    count = len((tmp_path / "o.jsonl").read_text("utf-8").splitlines())
    assert f"{count} frames explained" in out
    assert int(probed(tmp_path / "o.mp4")["streams"][0]["nb_read_frames"]) == count


@pytest.mark.long
def test_it_stops_by_itself_after_a_time(tmp_path: Path) -> None:
    ran = whylight(
        "live",
        "lavfi:testsrc2=size=96x64:rate=25,realtime",
        "--seconds",
        "2",
        "--json",
        "o.jsonl",
        "--stats",
        "o.json",
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads((tmp_path / "o.json").read_text("utf-8"))
    assert told["frames"] + told["dropped"] <= 55


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.mp4", "--out", "o.mp4"), "no such file"),
        (("0", "--out", "o.mp4"), "camera 0: cannot be opened"),
        (("in.mp4",), "no screen"),
        (("in.mp4", "--out", "o.txt"), ".mp4"),
        (("in.mp4", "--out", "o.mp4", "--target", "cat"), "cat"),
        (("in.mp4", "--out", "o.mp4", "--target", "top2"), "one class at a time"),
        (("in.mp4", "--out", "o.mp4", "--method", "nothing"), "nothing"),
        (("in.mp4", "--out", "o.mp4", "--colormap", "nothing"), "nothing"),
        (("in.mp4", "--out", "o.mp4", "--alpha", "2"), "alpha"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    clip: Clip, run: Run, tmp_path: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    clip("in.mp4", seconds=0.2)
    ran = run("live", *words)
    assert ran.code == (3 if said == ".mp4" else 2), ran.out
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not list(tmp_path.glob("o.*"))
