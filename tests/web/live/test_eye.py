"""The eye tells what whylight tells, and lives no longer, and no less long, than it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import whylight
from whylight.web.intake import Frame
from whylight.web.live import holding
from whylight.web.live.holding import Eye
from whylight.web.said import Said


def pixels(frame: Frame) -> Any:
    return np.frombuffer(frame.rgb, np.uint8).reshape(frame.height, frame.width, 3)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_there(pid)


@pytest.mark.parametrize(("name", "target"), [("face", None), ("face", 1), ("person", 0)])
def test_it_tells_what_explain_tells(eye: Eye, see: Any, frame: Frame, name: str, target: int | None) -> None:
    told = see(eye, frame, target, name)
    ex = whylight.explain(whylight.load(name), pixels(frame), target=target)
    assert (told["label"], told["target"], told["method"], told["flat"]) == (ex.label, ex.target, ex.method, ex.flat)
    # One thread or two: the sums are taken in another order.
    np.testing.assert_allclose(told["map"], ex.map.numpy(), rtol=2e-4, atol=2e-5 * float(ex.map.abs().max()))
    assert told["probability"] == pytest.approx(ex.probability, abs=1e-5)
    shares = [ex.region.x0 / 320, ex.region.y0 / 240, ex.region.x1 / 320, ex.region.y1 / 240]
    assert told["region"] == pytest.approx(shares)
    assert told["span"] == pytest.approx([ex.span.left, ex.span.top, ex.span.right, ex.span.bottom])
    assert [one["probability"] for one in told["top"]] == sorted(
        (one["probability"] for one in told["top"]), reverse=True
    )
    assert sum(one["probability"] for one in told["top"]) == pytest.approx(1, abs=1e-5)


def test_it_is_drawn_on_the_scale_of_the_result_page(eye: Eye, see: Any, frame: Frame) -> None:
    told = see(eye, frame)
    low, high = whylight.explain(whylight.load("face"), pixels(frame)).limits()
    assert told["limits"] == pytest.approx([low, high], rel=0.02)


def test_a_map_without_evidence_is_drawn_as_none(eye: Eye, see: Any, frame: Frame) -> None:
    blank = see(eye, Frame(240, 320, bytes(3 * 240 * 320)), 0)
    ex = whylight.explain(whylight.load("face"), np.zeros((240, 320, 3), np.uint8), target=0)
    assert (blank["flat"], blank["limits"] is None) == (ex.flat, ex.is_blank)


@pytest.mark.long
def test_a_model_that_cannot_be_loaded_is_told_and_others_go_on(eye: Eye, see: Any, frame: Frame) -> None:
    see(eye, frame)
    with pytest.raises(Said, match="nosuch") as told:
        see(eye, frame, None, "nosuch_network")
    assert told.value.status == 400
    assert see(eye, frame)["label"] == "face"


def test_killed_it_comes_back(see: Any, frame: Frame) -> None:
    eye = Eye(idle=300)
    try:
        before = see(eye, frame)
        first = eye.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert gone(first)
        assert see(eye, frame)["map"] == before["map"]
        assert eye.pid not in (None, first)
    finally:
        eye.close()
    assert eye.pid is None


@pytest.mark.long
def test_it_ends_when_nobody_looks_and_begins_with_the_next_frame(see: Any, frame: Frame) -> None:
    eye = Eye(idle=1)
    try:
        see(eye, frame)
        first = eye.pid
        assert first is not None
        assert gone(first)
        see(eye, frame)
        assert eye.pid != first
    finally:
        eye.close()


@pytest.mark.long
def test_one_that_is_stuck_is_ended_and_replaced(see: Any, frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    eye = Eye(idle=300)
    try:
        see(eye, frame)
        first = eye.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        monkeypatch.setattr(holding, "_PATIENCE", 0.5)
        assert eye.ask("face", None, frame) is None
        assert gone(first)
        monkeypatch.undo()
        assert see(eye, frame)["label"] == "face"
    finally:
        eye.close()


def _asked_for(eye: Eye, frame: Frame, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert eye.ask("face", None, frame) is None
        time.sleep(0.05)


def test_one_that_dies_again_and_again_is_told_of(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding.sys, "executable", "/bin/false")
    eye = Eye(idle=300)
    with pytest.raises(Said, match="does not work here") as told:
        _asked_for(eye, frame, 30)
    assert (told.value.status, told.value.retry) == (503, 10)
    eye.close()


_PARENT = """
import sys, time
from whylight.web.intake import Frame
from whylight.web.live.holding import Eye
eye = Eye(idle=300)
frame = Frame(8, 8, bytes(192))
if sys.argv[1] == "ready":
    while eye.ask("face", None, frame) is None:
        time.sleep(0.05)
else:
    eye.ask("face", None, frame)
print(eye.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("when", ["ready", pytest.param("starting", marks=pytest.mark.long)])
def test_it_ends_with_its_parent_however_that_ended(when: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, when], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.kill()
    assert gone(pid)
