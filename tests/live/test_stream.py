"""From sources to explanations: every frame of a file, the newest of a camera, and the map that Python gives of the picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import whylight
from whylight.errors import MethodError, TargetError, WhylightError
from whylight.images.preprocess import Preprocess
from whylight.live import Frame, Look, Stats, open_source, stream
from whylight.live.looking import Looker
from whylight.live.stream import watch

Clip = Callable[..., Path]
SIZE = 32


@pytest.fixture(scope="module")
def model() -> Any:
    """A tiny network that looks for red."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 4, stride=4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    )
    return whylight.wrap(net, classes=["red", "green", "blue"], size=SIZE)


def test_each_frame_is_explained_as_its_picture_is(model: Any, clip: Clip) -> None:
    path = clip(seconds=0.6)
    with open_source(path) as source:
        pictures = [one.pixels for one in source]
    seen = list(stream(path, model, target="green"))
    assert [one.frame.number for one in seen] == list(range(6))
    for one, picture in zip(seen, pictures, strict=True):
        alone = whylight.explain(model, picture, target="green")
        assert torch.allclose(one.explanation.map, alone.map, atol=1e-6)
        assert one.explanation.score == pytest.approx(alone.score, abs=1e-6)
        assert one.explanation.peak == alone.peak
        assert one.explanation.label == "green"
    assert seen[0].stability is None


def test_nothing_is_left_behind_when_somebody_stops_looking(model: Any, clip: Clip) -> None:
    before = threading.active_count()
    for one in stream(clip(seconds=3, rate=30), model):
        assert one.frame.number == 0
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


class Slowly(Looker):
    """Takes a tenth of a second more."""

    def __call__(self, frames: Any) -> Any:
        time.sleep(0.1)
        return super().__call__(frames)


def test_a_model_that_is_too_slow_sees_what_is_new(model: Any) -> None:
    source = open_source("lavfi:testsrc2=size=64x48:rate=30:duration=3,realtime")
    stats = Stats()
    moving = watch([source], Slowly(model, None, None), smooth=0.0, boxes=False, lossless=None, stats=stats)
    ages = [time.monotonic() - one.frame.came for one in moving]
    told = stats.told()
    assert told["dropped"] > 20
    assert told["frames"] + told["dropped"] == 90
    took = told["stages_ms"]["model"]["p50"] / 1000
    assert np.quantile(ages[1:], 0.9) < 2 * took + 0.05  # never older than the forward it waited for, and its own


class Unplugged:
    """A camera that gives a few frames, and then is gone."""

    name, is_live, rate, total = "camera 7", True, None, None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None: ...

    def stop(self) -> None: ...

    def __iter__(self) -> Any:
        for number in range(3):
            time.sleep(0.1)
            yield Frame(np.zeros((8, 8, 3), np.uint8), 0.1 * number, number, time.monotonic(), self.name)
        raise WhylightError("camera 7: was unplugged, or stopped")


def test_a_camera_that_is_unplugged_is_said_after_its_last_frame(model: Any) -> None:
    seen = []

    def look() -> None:
        for one in stream(Unplugged(), model):
            seen.append(one.frame.number)  # noqa: PERF401  # an error must not take along what came before it

    with pytest.raises(WhylightError, match="unplugged"):
        look()
    assert seen


def test_several_are_asked_about_together(model: Any, clip: Clip, photo: Path) -> None:
    seen = list(stream([clip("a.mp4", seconds=0.5), photo], model))
    assert sorted((one.place, one.frame.number) for one in seen) == [(0, n) for n in range(5)] + [(1, 0)]
    alone = whylight.explain(model, photo)
    assert torch.allclose(next(one for one in seen if one.place == 1).explanation.map, alone.map, atol=1e-6)


def test_boxes_keep_their_numbers(clip: Clip) -> None:
    """A red square that moves over grey: one thing, one number."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 1, 4, stride=4, bias=False), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)
    )
    net.append(torch.nn.Flatten()).append(torch.nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0])[None, :, None, None].expand(1, 3, 4, 4) / 16)
        net[4].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    red = whylight.wrap(
        net, classes=["red", "other"], preprocessing=Preprocess(size=(64, 64), mean=(0, 0, 0), std=(1, 1, 1))
    )
    drawn = "color=gray:size=128x128:rate=10:duration=2[a];color=red:size=24x24:rate=10:duration=2[b];[a][b]overlay=x=10+40*t:y=50"
    seen = list(stream(clip("a.mkv", "-c:v", "ffv1", graph=drawn), red, target="red"))
    assert seen[0].ids == []  # the second frame confirms it
    assert {tuple(one.ids) for one in seen[1:]} == {(1,)}
    for one in seen[1:]:
        x0, y0, x1, y1 = one.boxes[0]
        middle = 10 + 40 * one.frame.time + 12
        assert abs((x0 + x1) / 2 - middle) < 6
        assert abs((y0 + y1) / 2 - 62) < 6
    assert seen[-1].drawn().shape == (128, 128, 3)


def test_what_is_drawn_is_the_frame_where_nothing_is_evidence(model: Any, clip: Clip) -> None:
    (one, *_) = stream(clip(seconds=0.2), model)
    assert np.array_equal(one.drawn(Look(alpha=0, boxes=False, text=False)), one.frame.pixels)
    assert not np.array_equal(one.drawn(Look(text=True)), one.frame.pixels)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"method": "nothing"}, MethodError, "nothing"),
        ({"method": "rollout"}, MethodError, "rollout"),
        ({"target": "cat"}, TargetError, "cat"),
        ({"smooth": -1.0}, WhylightError, "smooth"),
    ],
)
def test_what_cannot_be_asked_is_said_before_a_camera_is_opened(
    model: Any, asked: dict[str, Any], error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        next(stream(0, model, **asked))
