"""Look at sources until they end or somebody says stop: the window, the video and the lines of `whylight live`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.live.behind import Behind
from whylight.live.drawing import Look
from whylight.live.frame import Source
from whylight.live.looking import Looker
from whylight.live.passing import WAITING
from whylight.live.sinks.lines import Lines
from whylight.live.sinks.video import VideoFile
from whylight.live.sinks.window import Window
from whylight.live.sources.video import Video
from whylight.live.stats import Stats
from whylight.live.stream import Seen, watch

_QUICK = ("gradcam", "cam", "layercam", "gradcam++", "hirescam", "xgradcam", "eigencam")


@dataclass
class Sinks:
    """Where what is seen goes.

    Attributes:
        video: a file; with several sources one each, numbered.
        lines: a file of JSON lines, `-` for standard output.
        window: show it.
        look: how it is drawn.
        folder: for snapshots and recordings.
        tell: is called with a sentence for the person in front of the window.
    """

    video: Path | None = None
    lines: str | None = None
    window: bool = False
    look: Look = field(default_factory=Look)
    folder: Path = field(default_factory=Path)
    tell: Callable[[str], None] = print


def run(
    sources: Sequence[Source],
    looker: Looker,
    sinks: Sinks,
    *,
    smooth: float = 0.0,
    boxes: bool = True,
    lossless: bool | None = None,
    stop: threading.Event | None = None,
    on_seen: Callable[[Seen], None] | None = None,
) -> Stats:
    """Look at sources until they end, the window is closed, or `stop` is set.

    Args:
        sources: opened and closed here.
        looker: asks the model.
        sinks: where what is seen goes.
        smooth, boxes, lossless: as for `stream`.
        stop: ends it in good order, from any thread.
        on_seen: is called with each frame.

    Returns:
        How fast it was.

    Raises:
        WhylightError: what a source cannot give, or a sink cannot take; all that came before is written.
    """
    stats, stop = Stats(), stop or threading.Event()
    with ExitStack() as stack:
        # In this order: the last one opened is the first to end, so that nothing is written to what is closed.
        files = [stack.enter_context(one) for one in _files(sources, sinks)]
        lines = stack.enter_context(Lines(sinks.lines)) if sinks.lines is not None else None
        desk = _Desk(looker, sinks, len(sources), stop) if sinks.window else None
        if desk is not None:
            stack.enter_context(desk)

        def encode(job: tuple[Seen, NDArray[np.uint8]]) -> None:
            began = time.perf_counter()
            files[job[0].place].write(job[1], job[0].frame.time)
            stats.took("encoding", time.perf_counter() - began)
            stats.shown(time.monotonic() - job[0].frame.came)

        def draw(seen: Seen) -> None:
            began = time.perf_counter()
            drawn = seen.drawn(sinks.look)
            stats.took("drawing", time.perf_counter() - began)
            encoding.give((seen, drawn))

        encoding = Behind(encode, "encode")
        drawing = Behind(draw, "draw")
        if files:
            stack.enter_context(encoding)
            stack.enter_context(drawing)
        together = 1 if sinks.window else WAITING  # who looks on wants them one by one
        seeing = watch(
            *(sources, looker),
            smooth=smooth,
            boxes=boxes,
            lossless=lossless,
            stats=stats,
            stop=stop,
            together=together,
        )
        for seen in seeing:
            if lines is not None:
                lines.write(seen)
            if files:
                drawing.give(seen)
            if desk is not None:
                began = time.perf_counter()
                desk.show(seen, stats)
                stats.took("showing", time.perf_counter() - began)
                if not files:
                    stats.shown(time.monotonic() - seen.frame.came)
            elif not files:
                stats.shown(time.monotonic() - seen.frame.came)
            if on_seen is not None:
                on_seen(seen)
            if stop.is_set() or (desk is not None and desk.is_over):
                break
    return stats


def _files(sources: Sequence[Source], sinks: Sinks) -> list[VideoFile]:
    if sinks.video is None:
        return []
    paths = [sinks.video]
    if len(sources) > 1:
        paths = [sinks.video.with_stem(f"{sinks.video.stem}-{number + 1}") for number in range(len(sources))]
    return [
        VideoFile(path, rate=one.rate, sound=_sound_of(one), quick=one.is_live or sinks.window)
        for path, one in zip(paths, sources, strict=True)
    ]


def _sound_of(source: Source) -> str | None:
    """The file whose sound goes along; a pipe can be read once."""
    return source.path if type(source) is Video and not source.path.startswith("pipe:") else None


class _Desk:
    """The window, and what its keys do."""

    def __init__(self, looker: Looker, sinks: Sinks, count: int, stop: threading.Event) -> None:
        self._looker, self._sinks, self._stop = looker, sinks, stop
        self._tiles: list[NDArray[np.uint8] | None] = [None] * count
        self._window = Window("whylight live")
        self._recording: VideoFile | None = None
        self._started = 0.0
        self.is_over = False

    def __enter__(self) -> Self:
        self._window.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop_recording()
        self._window.__exit__(None, None, None)

    def show(self, seen: Seen, stats: Stats) -> None:
        """Show a frame, and do what was asked for meanwhile."""
        drawn = seen.drawn(self._sinks.look)
        if self._recording is not None:
            self._recording.write(drawn, seen.frame.time - self._started)
        self._tiles[seen.place] = drawn
        self._window.show(_with_rate(_wall([one for one in self._tiles if one is not None]), stats.rate))
        for key in self._window.pressed():
            self._pressed(key, seen, drawn)

    def _pressed(self, key: str, seen: Seen, drawn: NDArray[np.uint8]) -> None:
        look, looker = self._sinks.look, self._looker
        if key == "q":
            self.is_over = True
        elif key in ("+", "-"):
            alpha = min(1.0, max(0.0, round(look.alpha + (0.1 if key == "+" else -0.1), 1)))
            self._sinks.look = replace(look, alpha=alpha)
        elif key == "b":
            self._sinks.look = replace(look, boxes=not look.boxes)
        elif key == "c":
            self._sinks.tell(f"class: {looker.next_class()}")
        elif key == "m":
            self._sinks.tell(f"method: {looker.next_method(_QUICK)}")
        elif key == "s":
            path = _free(self._sinks.folder, "snapshot", ".png")
            Image.fromarray(drawn).save(path)
            self._sinks.tell(f"snapshot: {path}")
        elif key == "r":
            if self._recording is None:
                path = _free(self._sinks.folder, "recording", ".mp4")
                self._recording = VideoFile(path, rate=None, quick=True).__enter__()
                self._started = seen.frame.time
                self._sinks.tell(f"recording to {path}; r stops it")
            else:
                self._stop_recording()
        elif key == "space":
            self._paused()

    def _paused(self) -> None:
        while not self._stop.is_set():
            for key in self._window.pressed():
                if key == "q":
                    self.is_over = True
                if key in ("q", "space"):
                    return
            time.sleep(0.02)

    def _stop_recording(self) -> None:
        if self._recording is not None:
            self._recording.__exit__(None, None, None)
            self._sinks.tell(f"recorded: {self._recording.path}")
            self._recording = None


def _free(folder: Path, stem: str, suffix: str) -> Path:
    """A name that nothing has."""
    number = 1
    while (path := folder / f"{stem}-{number}{suffix}").exists():
        number += 1
    return path


def _wall(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures side by side, each brought to the height of the first."""
    if len(tiles) == 1:
        return tiles[0]
    across = int(np.ceil(np.sqrt(len(tiles))))
    height, width = tiles[0].shape[:2]
    blank = np.zeros_like(tiles[0])
    same = [one if one.shape == tiles[0].shape else np.asarray(cv2.resize(one, (width, height))) for one in tiles]
    same += [blank] * (-len(same) % across)
    rows = [np.hstack(same[start : start + across]) for start in range(0, len(same), across)]
    return np.vstack(rows)


def _with_rate(pixels: NDArray[np.uint8], rate: float) -> NDArray[np.uint8]:
    """The picture with the rate in its corner: one that may be written on."""
    shown = pixels.copy()
    cv2.putText(shown, f"{rate:.0f}/s", (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(shown, f"{rate:.0f}/s", (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return shown
