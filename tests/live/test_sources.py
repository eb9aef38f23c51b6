"""Sources give every frame once, upright, with its own time; what cannot be looked at is said, and what can is given first."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videos import times_of
from whylight.errors import ImageError, WhylightError
from whylight.live.frame import Frame
from whylight.live.sources.names import open_source, sources
from whylight.live.sources.video import Camera, Stream, Video

Clip = Callable[..., Path]


def frames(name: str | int | Path) -> list[Frame]:
    with open_source(name) as source:
        return list(source)


def test_every_frame_of_a_file_comes_once_with_its_time(clip: Clip) -> None:
    path = clip(rate=10, seconds=1.5)
    got = frames(path)
    assert [one.number for one in got] == list(range(15))
    assert [one.time for one in got] == pytest.approx([number / 10 for number in range(15)], abs=1e-3)
    assert {one.pixels.shape for one in got} == {(64, 96, 3)}
    assert got[0].size == (96, 64)


def test_pixels_are_those_that_ffmpeg_decodes(clip: Clip, ffmpeg: str, tmp_path: Path) -> None:
    path = clip("clip.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0")  # nothing is lost
    subprocess.run([ffmpeg, "-loglevel", "error", "-i", str(path), str(tmp_path / "%d.png")], check=True)
    for number, one in enumerate(frames(path)):
        assert np.array_equal(one.pixels, np.asarray(Image.open(tmp_path / f"{number + 1}.png").convert("RGB")))


def test_a_variable_rate_keeps_its_times(clip: Clip) -> None:
    path = clip("clip.mkv", "-vf", "select='not(mod(n,3))+eq(n,4)'", "-fps_mode", "vfr", rate=20, seconds=1)
    told = times_of(path)
    assert len({round(b - a, 3) for a, b in itertools.pairwise(told)}) > 1
    assert [one.time for one in frames(path)] == pytest.approx([one - told[0] for one in told], abs=2e-3)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_phone_that_was_held_upright(clip: Clip, ffmpeg: str, tmp_path: Path, turn: int) -> None:
    lying = clip(seconds=0.2)
    held = tmp_path / "held.mp4"
    tag = ["-metadata:s:v:0", f"rotate={turn}"]  # as phones write it
    command = [ffmpeg, "-y", "-loglevel", "error", "-i", str(lying), "-c", "copy", *tag, str(held)]
    subprocess.run(command, check=True)
    subprocess.run(
        [ffmpeg, "-loglevel", "error", "-i", str(held), "-frames:v", "1", str(tmp_path / "upright.png")], check=True
    )
    upright = np.asarray(Image.open(tmp_path / "upright.png").convert("RGB"), np.int16)
    first = frames(held)[0].pixels
    assert first.shape == upright.shape
    assert np.abs(first - upright).mean() < 4  # two ways of making RGB of one picture


@pytest.mark.parametrize(
    "options",
    [
        ("-c:v", "libx264", "-pix_fmt", "yuv420p10le"),
        ("-c:v", "libx264", "-pix_fmt", "gray"),
        ("-c:v", "mjpeg", "-pix_fmt", "yuvj444p"),
        ("-c:v", "mpeg4"),
    ],
    ids=["10-bit", "grey", "mjpeg", "mpeg4"],
)
def test_pixels_of_any_kind_come_as_rgb(clip: Clip, options: tuple[str, ...]) -> None:
    got = frames(clip("clip.mkv", *options, seconds=0.3))
    assert len(got) == 3
    assert got[0].pixels.dtype == np.uint8
    assert got[0].pixels.std() > 20


def test_one_pixel(clip: Clip) -> None:
    assert frames(
        clip("clip.mkv", "-c:v", "ffv1", graph="color=red:size=2x2:rate=5:duration=0.4,format=gbrp,crop=1:1:0:0")
    )[1].size == (1, 1)


def test_a_file_that_was_cut_short_gives_what_is_there(clip: Clip) -> None:
    path = clip("clip.avi", "-c:v", "mjpeg", seconds=2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 <= len(frames(path)) < 20


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path, _: path.write_bytes(b""), "cannot be read as a video"),
        (lambda path, _: path.write_bytes(os.urandom(5000)), "cannot be read as a video"),
        (
            lambda path, clip: clip("clip.mp4", "-map", "0:a", graph="testsrc2=duration=1[out0];sine=duration=1[out1]"),
            "sound alone",
        ),
        (lambda path, clip: path.write_bytes(clip("x.mp4").read_bytes()[:900]), "clip"),
    ],
    ids=["empty", "noise", "sound", "head"],
)
def test_what_cannot_be_looked_at_is_named(clip: Clip, tmp_path: Path, make: Callable[..., object], words: str) -> None:
    path = tmp_path / "clip.mp4"
    make(path, clip)
    with pytest.raises(WhylightError, match=words) as caught:
        frames(path)
    assert "clip.mp4" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.mp4", "no such"), ("", "empty"), ("a\0b", "null"), ("nothing-*.jpg", "matches"), (True, "expected")],
)
def test_what_is_not_there_is_said(name: str, words: str) -> None:
    with pytest.raises(WhylightError, match=words):
        open_source(name)


def test_names_are_those_that_people_type(photo: Path, tmp_path: Path, clip: Clip) -> None:
    video = clip()
    (tmp_path / "cameras.txt").write_text(f"# two\n{video}\n\nrtsp://127.0.0.1:9/x\n", "utf-8")
    assert isinstance(open_source(0), Camera)
    assert isinstance(open_source("0"), Camera)
    assert isinstance(open_source("/dev/video7"), Camera)
    assert isinstance(open_source(video), Video)
    assert isinstance(open_source("http://127.0.0.1:9/x.mjpg"), Stream)
    assert [one.size for one in frames(photo)] == [(512, 512)]
    assert len(frames(photo.parent)) >= 1
    assert len(frames(str(photo.parent / "astro*.jpg"))) == 1
    assert [type(one) for one in sources(tmp_path / "cameras.txt")] == [Video, Stream]
    with pytest.raises(WhylightError, match="2 streams"):
        open_source(tmp_path / "cameras.txt")


def test_one_bad_picture_does_not_stop_the_others(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "b.jpg").write_bytes(photo.read_bytes())
    with open_source(tmp_path) as source:
        assert [Path(one.source).name for one in source] == ["b.jpg"]
    (tmp_path / "b.jpg").write_bytes(b"nor this")
    with pytest.raises(ImageError, match="none of the 2"):
        frames(tmp_path)


@pytest.mark.skipif(os.path.exists("/dev/video0"), reason="there is a camera")
def test_no_camera_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WhylightError, match=r"camera 0: cannot be opened.*lavfi:testsrc2"), open_source(0):
        pass
    assert "VIDEOIO" not in capfd.readouterr().err


@pytest.fixture
def served(ffmpeg: str) -> Callable[[int], subprocess.Popen[bytes]]:
    def serve(port: int) -> subprocess.Popen[bytes]:
        """Motion JPEG over HTTP, as cameras send it, to one who asks."""
        made = ["-re", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=20", "-c:v", "mjpeg", "-f", "mpjpeg"]
        return subprocess.Popen(
            [ffmpeg, "-loglevel", "quiet", *made, "-listen", "1", f"http://127.0.0.1:{port}/a.mjpg"]
        )

    return serve


def test_a_stream_that_breaks_off_is_asked_for_again(
    served: Callable[[int], subprocess.Popen[bytes]], free_port: int
) -> None:
    server = served(free_port)
    time.sleep(1)
    got: list[Frame] = []
    try:
        with open_source(f"http://127.0.0.1:{free_port}/a.mjpg") as source:
            for one in source:
                got.append(one)
                if len(got) == 10:
                    server.kill()
                    server.wait()
                    server = served(free_port)
                if len(got) == 20:
                    break
        assert isinstance(source, Stream)
        assert source.is_live
        assert source.reconnected >= 1
    finally:
        server.kill()
        server.wait()
    assert [one.number for one in got] == list(range(20))
    assert all(b.time > a.time for a, b in itertools.pairwise(got))


def test_a_stream_that_never_answers_is_given_up(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("whylight.live.sources.video.ANSWERS", 1.0)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(WhylightError, match="does not answer"):
        frames(f"http://127.0.0.1:{free_port}/a.mjpg")
    assert time.monotonic() - began < 5


def test_a_video_that_is_piped_in(clip: Clip) -> None:
    path = clip("clip.mkv")
    program = "from whylight.live.sources.names import open_source\nwith open_source('-') as s: print(len(list(s)))"
    with path.open("rb") as piped:
        done = subprocess.run([sys.executable, "-c", program], stdin=piped, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "10"
