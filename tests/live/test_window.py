"""The window of `whylight live`, on a screen that nobody sees: it is there, and each key does what the guide says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from videos import probed

pytest.importorskip("tkinter", reason="this Python has no tkinter: apt-get install python3-tk")
pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs a screen: apt-get install xvfb xdotool"
)
PATIENCE = 240.0  # seconds: machines differ


@pytest.fixture
def screen() -> Iterator[dict[str, str]]:
    """The environment of programs that are to show something."""
    reading, writing = os.pipe()
    words = ["-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    with subprocess.Popen(["Xvfb", *words], pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as told:
            display = f":{told.readline().strip()}"
        try:
            yield {**os.environ, "DISPLAY": display}
        finally:
            server.terminate()


class Shown:
    """`whylight live` of a picture that stands still, in a window."""

    def __init__(self, folder: Path, environment: dict[str, str], source: str) -> None:
        self.folder, self._environment = folder, environment
        words = ["live", source, "--model", "person", "--window", "--json", "o.jsonl"]
        with (folder / "said.txt").open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "whylight", *words], cwd=folder, env=environment, stderr=said
            )
        self.window = ""

    def appear(self) -> None:
        """Wait for the window, and look at it."""
        self.window = wait(lambda: self.tool("search", "--onlyvisible", "--name", "^whylight live$"), "the window")
        wait(lambda: len(self.lines()) > 2, "frames")
        self.tool("windowfocus", "--sync", self.window)  # there is no window manager that would

    def tool(self, *words: str) -> str:
        ran = subprocess.run(["xdotool", *words], env=self._environment, capture_output=True, text=True)
        return ran.stdout.strip()

    def press(self, *keys: str) -> None:
        """Keys, each when the one before was seen to."""
        for key in keys:
            self.tool("key", key)
            self.pass_()

    def pass_(self) -> None:
        """Two more frames: what was pressed before is done."""
        count = len(self.lines())
        wait(lambda: len(self.lines()) >= count + 2 or self.process.poll() is not None, "two more frames")

    def lines(self) -> list[dict[str, object]]:
        path = self.folder / "o.jsonl"
        text = path.read_text("utf-8") if path.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self) -> str:
        return (self.folder / "said.txt").read_text("utf-8")

    def snapshot(self) -> np.ndarray:
        """What `s` keeps."""
        number = len(list(self.folder.glob("snapshot-*.png"))) + 1
        self.press("s")
        path = self.folder / f"snapshot-{number}.png"
        wait(lambda: f"snapshot: {path.name}" in self.said(), path.name)
        return np.asarray(Image.open(path), np.int16)


def wait(until: Callable[[], object], what: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (found := until()):
        assert time.monotonic() < deadline, f"{what}: waited for in vain"
        time.sleep(0.05)
    return str(found)


@pytest.fixture
def still(ffmpeg: str, photo: Path) -> str:
    """A photograph of a person as a camera that nothing moves in front of."""
    return f"lavfi:movie={photo},loop=-1:1,fps=10,scale=320:320,realtime"


@pytest.fixture
def shown(tmp_path: Path, screen: dict[str, str], still: str) -> Iterator[Shown]:
    one = Shown(tmp_path, screen, still)
    try:
        one.appear()
        yield one
    finally:
        one.process.kill()
        one.process.wait()


@pytest.mark.long
def test_each_key_does_what_the_guide_says(shown: Shown) -> None:
    assert "keys: c next class, m next method" in shown.said()
    assert "Geometry: 320x320" in shown.tool("getwindowgeometry", shown.window)

    shown.press("c")
    classes = ["person", "no person"]
    assert "class: " in shown.said()
    first = shown.said().rpartition("class: ")[2].splitlines()[0]
    assert first in classes
    assert shown.lines()[-1]["label"] == first
    shown.press("c")
    assert shown.lines()[-1]["label"] == next(one for one in classes if one != first)
    shown.press("c")
    assert "class: the most probable" in shown.said()
    assert shown.lines()[-1]["label"] == "person"

    shown.press("m")
    assert "method: " in shown.said()

    usual = shown.snapshot()
    assert usual.shape == (320, 320, 3)
    shown.press("b")
    unboxed = shown.snapshot()
    assert (np.abs(unboxed - usual) > 30).any()
    shown.press("plus", "plus")
    strong = shown.snapshot()
    shown.press(*["minus"] * 7)
    bare = shown.snapshot()
    mapped, stronger = np.abs(unboxed - bare).mean(), np.abs(strong - bare).mean()
    assert 1 < mapped < stronger

    shown.tool("key", "space")
    time.sleep(1)
    count = len(shown.lines())
    time.sleep(1.5)
    assert len(shown.lines()) == count
    shown.tool("key", "space")
    wait(lambda: len(shown.lines()) > count + 2, "frames after the pause")

    shown.press("r")
    assert "recording to recording-1.mp4" in shown.said()
    shown.pass_()
    shown.press("r")
    assert "recorded: recording-1.mp4" in shown.said()
    (video,) = probed(shown.folder / "recording-1.mp4")["streams"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 320, 320)
    assert int(video["nb_read_frames"]) >= 3

    shown.tool("key", "q")
    assert shown.process.wait(PATIENCE) == 0
    assert "Traceback" not in shown.said()


@pytest.mark.long
def test_it_can_be_stopped_in_a_pause_and_what_it_recorded_plays(shown: Shown) -> None:
    shown.press("r")
    shown.pass_()
    shown.tool("key", "space")
    time.sleep(1)
    shown.process.send_signal(signal.SIGTERM)
    assert shown.process.wait(PATIENCE) == 0
    assert "recorded: recording-1.mp4" in shown.said()
    assert int(probed(shown.folder / "recording-1.mp4")["streams"][0]["nb_read_frames"]) >= 2


@pytest.mark.long
def test_a_screen_that_does_not_answer_is_said(tmp_path: Path, photo: Path) -> None:
    environment = {**os.environ, "DISPLAY": "127.0.0.1:77"}
    command = [sys.executable, "-m", "whylight", "live", str(photo), "--model", "person", "--window"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "window: there is no screen" in ran.stderr
    assert "--out" in ran.stderr
    assert "Traceback" not in ran.stderr
