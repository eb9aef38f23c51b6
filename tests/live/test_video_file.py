"""What is written plays: with the frames' own times, with the sound, and as far as it came when it was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from videos import probed, times_of
from whylight.errors import WriteError
from whylight.live.sinks.video import VideoFile
from whylight.live.sources.names import open_source

Clip = Callable[..., Path]
WRITES = """
import sys, time, numpy as np
from whylight.live.sinks.video import VideoFile
rng = np.random.default_rng(0)
with VideoFile(sys.argv[1], rate=25) as out:
    for number in range(100_000):
        out.write(rng.integers(0, 255, (64, 96, 3), np.uint8), number / 25)
        if number == 200:
            print("far", flush=True)
"""


def frame(value: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def read(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [one.pixels for one in source]


def test_frames_keep_their_times(ffmpeg: str, tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.31, 0.32, 1.0]
    with VideoFile(tmp_path / "a.mp4", rate=25) as out:
        for number, moment in enumerate(times):
            out.write(frame(40 * number), moment)
    assert times_of(tmp_path / "a.mp4") == pytest.approx(times, abs=1e-4)
    told = probed(tmp_path / "a.mp4")["streams"][0]
    assert (told["codec_name"], told["pix_fmt"], told["nb_read_frames"]) == ("h264", "yuv420p", "6")
    assert [one.mean() for one in read(tmp_path / "a.mp4")] == pytest.approx([40 * n for n in range(6)], abs=3)


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [(200, 30, 40), (30, 200, 40), (40, 30, 200), (240, 240, 240), (10, 10, 10), (200, 180, 20)]
    with VideoFile(tmp_path / "a.mp4") as out:
        for number, colour in enumerate(colours):
            out.write(np.full((64, 96, 3), colour, np.uint8), number / 25)
    for colour, back in zip(colours, read(tmp_path / "a.mp4"), strict=True):
        assert back[32, 48] == pytest.approx(colour, abs=6)


@pytest.mark.parametrize("size", [(1, 1), (95, 63), (2, 500)])
def test_sizes_that_are_odd(ffmpeg: str, tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoFile(tmp_path / "a.mp4") as out:
        for number in range(3):
            out.write(frame(90, size), number / 25)
    assert probed(tmp_path / "a.mp4")["streams"][0]["nb_read_frames"] == "3"


def test_a_size_that_changes_is_fitted_in(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4") as out:
        out.write(frame(200), 0.0)
        out.write(frame(200, (64, 96)), 0.1)
    _, turned = read(tmp_path / "a.mp4")
    assert turned.shape == (64, 96, 3)
    assert turned[32, 48].mean() > 180  # in the middle
    assert turned[32, 3].mean() < 20  # and black beside it


def test_two_frames_of_one_time_are_two(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4") as out:
        for moment in (0.0, 0.5, 0.5, 0.4):
            out.write(frame(90), moment)
    assert len(read(tmp_path / "a.mp4")) == 4


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_the_sound_goes_along(clip: Clip, tmp_path: Path, codec: str) -> None:
    made = clip(
        "a.mkv", "-c:a", codec, graph="testsrc2=duration=2:size=96x64:rate=10[out0];sine=f=440:duration=2[out1]"
    )
    with open_source(made) as source, VideoFile(tmp_path / "b.mp4", sound=str(made)) as out:
        for one in source:
            out.write(one.pixels, one.time)
    streams = {one["codec_type"]: one for one in probed(tmp_path / "b.mp4")["streams"]}
    assert streams["audio"]["codec_name"] == "aac"
    assert float(streams["audio"]["duration"]) == pytest.approx(2, abs=0.1)
    assert float(streams["video"]["duration"]) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("sent", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL])
def test_what_was_written_before_a_kill_plays(ffmpeg: str, tmp_path: Path, sent: signal.Signals) -> None:
    path = tmp_path / "a.mp4"
    with subprocess.Popen([sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"far\n"
        process.send_signal(sent)
    assert int(probed(path)["streams"][0]["nb_read_frames"]) >= 100


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = tmp_path / "full.mp4"
    full.symlink_to("/dev/full")
    rng = np.random.default_rng(0)

    def fills() -> None:
        with VideoFile(full) as out:
            for number in range(400):
                out.write(rng.integers(0, 255, (64, 96, 3), np.uint8), number / 25)

    with pytest.raises(WriteError, match=r"full\.mp4: cannot be written: the disk is full"):
        fills()


def test_no_frame_no_file(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gif"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match=r"\.mp4"):
        VideoFile(tmp_path / name)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file", "utf-8")
    with pytest.raises(WriteError, match="cannot be written"), VideoFile(tmp_path / "a" / "b.mp4"):
        pass
