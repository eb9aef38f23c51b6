"""Sources to explanations, frame by frame: what `whylight live` and the Python call are made of."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from whylight.boxes import Box, boxes_of
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.explanation.heat import is_diffuse
from whylight.live.drawing import Look, draw, heat_of
from whylight.live.frame import Frame, Source
from whylight.live.looking import Looker
from whylight.live.passing import WAITING, Passing
from whylight.live.sources.names import sources
from whylight.live.stats import Stats
from whylight.live.steady import Steady
from whylight.live.track import Tracked, Tracker
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.targets import Target

Name = str | int | os.PathLike[str]
_THRESHOLD = 0.4  # share of the strongest heat that a box is drawn around


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame and what the model said of it.

    Attributes:
        frame: the picture, and when it was.
        explanation: where the model looked, as `whylight.explain` tells it.
        high: the map's value that is drawn as the most: smoothed over time, so that what fades is seen to fade.
        stability: how much of the hottest fifth is that of the frame before, 0 to 1 (intersection over union); None at the first.
        boxes: x0, y0, x1, y1 of each object, in pixels of the frame, and `ids` its number, which it keeps from frame to frame.
        place: which of several sources it is of.
    """

    frame: Frame
    explanation: Explanation
    high: float
    stability: float | None
    boxes: list[tuple[float, float, float, float]]
    ids: list[int]
    place: int = 0
    _steps: list[NDArray[np.uint8] | None] = field(default_factory=list, repr=False)

    def drawn(self, look: Look | None = None) -> NDArray[np.uint8]:
        """The frame with all that is to be seen on it: (H, W, 3) uint8 RGB."""
        look = Look() if look is None else look
        if not self._steps:
            self._steps.append(heat_of(self.explanation, self.high))
        names = [f"{self.explanation.label} {number}" for number in self.ids]
        told = f"{self.explanation.label} {self.explanation.certainty}"
        return draw(self.frame.pixels, self._steps[0], look, self.boxes, names, told)


def stream(
    source: Name | Source | Sequence[Name | Source],
    model: Classifier,
    *,
    method: str | Method | None = None,
    target: Target = None,
    smooth: float = 0.0,
    boxes: bool = True,
    lossless: bool | None = None,
    stats: Stats | None = None,
) -> Iterator[Seen]:
    """Explain a moving picture, frame by frame.

    Cameras and streams go on while the model looks: then the newest frame is next, and those between are dropped. Of files every
    frame is explained. Threads read ahead; they end with the iteration, however that comes about.

    Args:
        source: a camera's number, a video file, pictures, a stream's address (`whylight.live.open_source`), or several of these,
            which are asked about together, in one forward.
        model: from `whylight.load` or `whylight.wrap`.
        method: as for `whylight.explain`; those of one forward keep up with a camera.
        target: what is explained; None: the most probable class of each frame.
        smooth: seconds over which maps are smoothed; 0: each is the frame's own.
        boxes: find boxes of the evidence, and follow them from frame to frame.
        lossless: explain every frame of cameras, too (True), or drop what comes too fast of files as well (False).
        stats: is told of each frame, how long each stage took.

    Yields:
        `Seen`, in the order of each source's frames.

    Raises:
        WhylightError: what a source cannot give, as soon as it is known; all that came before is yielded first.

    >>> import whylight
    >>> model = whylight.load("person")
    >>> seen = list(whylight.live.stream("lavfi:testsrc2=duration=0.2:rate=10:size=64x48", model))
    >>> [one.frame.number for one in seen], seen[0].explanation.label
    ([0, 1], 'no person')
    """
    given = [source] if isinstance(source, str | int | os.PathLike) or not isinstance(source, Sequence) else source
    found = [one for name in given for one in _found(name)]
    looker = Looker(model, method, target)
    return watch(found, looker, smooth=smooth, boxes=boxes, lossless=lossless, stats=stats)


def _found(name: Name | Source) -> list[Source]:
    return sources(name) if isinstance(name, str | int | os.PathLike) else [name]


def watch(
    found: Sequence[Source],
    looker: Looker,
    *,
    smooth: float,
    boxes: bool,
    lossless: bool | None,
    stats: Stats | None = None,
    stop: threading.Event | None = None,
    together: int = WAITING,
) -> Iterator[Seen]:
    """The same with sources and a looker that are there already.

    Args:
        stop: ends it from another thread.
        together: frames of a file that are asked about in one forward: more a second, but they come in bursts. Of a camera it is
            always one.
    """
    stats = Stats() if stats is None else stats
    following = [_Following(smooth, boxes) for _ in found]
    with Passing(found, lossless=lossless) as passing:
        while not passing.is_over and not (stop is not None and stop.is_set()):
            began = time.perf_counter()
            taken = passing.take(0.2, together)
            stats.dropped = list(passing.dropped)
            if not taken:
                continue
            asked = time.perf_counter()
            answers = looker([frame for _, frame in taken])
            answered = time.perf_counter()
            stats.took("waiting", asked - began)
            stats.took("model", (answered - asked) / len(taken))
            for (place, frame), answer in zip(taken, answers, strict=True):
                if isinstance(answer, WhylightError):
                    stats.failed.append(str(answer))
                    continue
                start = time.perf_counter()
                seen = following[place](place, frame, answer)
                stats.took("following", time.perf_counter() - start)
                stats.saw(seen.stability)
                yield seen
        passing.check()  # the last frame may have been taken before its source failed
        stats.failed += passing.failures()


class _Following:
    """What is carried from one frame of a source to the next."""

    def __init__(self, smooth: float, boxes: bool) -> None:
        self._steady = Steady(smooth)
        self._tracker = Tracker(sure=0.5) if boxes else None

    def __call__(self, place: int, frame: Frame, explanation: Explanation) -> Seen:
        # evidence for another class is measured by itself
        steady = self._steady(explanation.map.numpy(), frame.time, explanation.level, explanation.label)
        explanation = replace(explanation, map=torch.from_numpy(steady.map), level=steady.low)
        high = steady.high
        steps = heat_of(explanation, high)
        tracks: list[Tracked] = []
        if self._tracker is not None:
            tracks = self._tracker(*_boxes(explanation, steps), frame.time)
        boxes: list[tuple[float, float, float, float]] = [one.box[:4] for one in tracks]
        ids = [one.id for one in tracks]
        return Seen(frame, explanation, high, steady.stability, boxes, ids, place, [steps])


def _boxes(explanation: Explanation, steps: NDArray[np.uint8] | None) -> tuple[list[Box], list[float]]:
    """Boxes of the evidence, in the frame's pixels, each as sure as its heat is strong; none where it lies nearly everywhere."""
    if steps is None or is_diffuse(explanation.map, explanation.level):
        return [], []
    width, height = explanation.picture.size
    across, down = width / steps.shape[1], height / steps.shape[0]
    heat = torch.from_numpy(steps.astype(np.float32) / 255)
    strongest = float(heat.max())
    found = [
        Box(round(one.x0 * across), round(one.y0 * down), round(one.x1 * across), round(one.y1 * down), one.score)
        for one in boxes_of(heat, _THRESHOLD)
    ]
    return found, [min(1.0, one.score * strongest) for one in found]
