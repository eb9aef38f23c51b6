"""Draw, encode and write results in a few threads beside the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.atomic import named_errors, replacing
from whylight.cli.ledger import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whylight.explanation import Explanation

_THREADS = 2
_AHEAD = 16  # results drawn and written ahead of the ledger; more would only hold more pictures in memory
_LONGEST_JPEG = 65_500  # pixels a side that libjpeg writes


@dataclass(frozen=True)
class Look:
    """How results look: `style` overlay, panel or map; a colormap's name; an opacity; the file's suffix."""

    style: str
    colormap: str
    alpha: float
    suffix: str
    maps: bool  # the raw map beside the picture

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether the format can hold what is drawn of a picture of a size (width, height); panels are never large."""
        return self.suffix != "jpg" or self.style == "panel" or max(size) <= _LONGEST_JPEG


class Writer:
    """A queue of results on their way to disk, given back in order once they are there."""

    def __init__(self, folder: Path, look: Look) -> None:
        self._folder, self._look = folder, look
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="whylight-write")
        self._waiting: deque[Future[Record]] = deque()

    def add(self, explanation: Explanation, record: Record) -> Iterator[Record]:
        """Take a result and its record; yields the records that are on disk by now, and waits if too many are not."""
        self._waiting.append(self._pool.submit(self._write, explanation, record))
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > _AHEAD):
            yield self._waiting.popleft().result()

    def drain(self) -> Iterator[Record]:
        """Wait for what is left."""
        while self._waiting:
            yield self._waiting.popleft().result()

    def close(self) -> None:
        """Give up what has not begun, and the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _write(self, explanation: Explanation, record: Record) -> Record:
        target = self._folder / record["file"]
        data = _encoded(_drawn(explanation, self._look), self._look.suffix)
        with named_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as file:
                file.write(data)
        if record["map"]:
            explanation.to_npz(self._folder / record["map"])
        return record


def _drawn(explanation: Explanation, look: Look) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    import numpy as np

    from whylight import render

    if look.style == "map":
        return render.colorize(explanation.heatmap().numpy(), look.colormap)
    draw = explanation.panel if look.style == "panel" else explanation.overlay
    return np.asarray(draw(alpha=look.alpha, colormap=look.colormap))


def _encoded(pixels: NDArray[np.uint8], suffix: str) -> Any:
    import cv2

    # Level 1: a third of the time of PNG's default level for a tenth more bytes. OpenCV encodes without holding up
    # other threads.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if suffix == "png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    _, data = cv2.imencode(f".{suffix}", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return data
