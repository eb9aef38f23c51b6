"""Pictures read and prepared ahead of the network, in threads, a bounded number at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from whylight.errors import ImageError, WhylightError
from whylight.images import Picture, decode, name_of
from whylight.images.preprocess import Region
from whylight.models.base import Classifier
from whylight.targets import Resolved

Source = Picture | Tensor  # a tensor is an input that was preprocessed already: (3, H, W)
OnError = Callable[[Any, WhylightError], None]

_DECODERS = 2  # threads that read pictures ahead of the network
_reading = threading.Lock()


class Opened(NamedTuple):
    """A picture, its place in the list, and the input made from it."""

    place: int
    source: Source
    name: str
    picture: Image.Image
    region: Region
    x: Tensor  # (3, H, W)


def open_ahead(
    pictures: Iterable[Source], model: Classifier, targets: Sequence[Resolved], ahead: int, on_error: OnError | None
) -> Iterator[Opened]:
    """Decode pictures in threads, a bounded number ahead, and give them back in order.

    Raises:
        TargetError: at the end, if there were fewer pictures than classes in a target that has one for each.
    """
    waiting: deque[tuple[Source, Future[Opened]]] = deque()

    def next_done() -> Iterator[Opened]:
        source, future = waiting.popleft()
        try:
            yield future.result()
        except ImageError as error:
            if on_error is None:
                raise
            on_error(source, error)

    with ThreadPoolExecutor(_DECODERS, thread_name_prefix="whylight-decode") as pool:
        try:
            count = 0
            for place, source in enumerate(pictures):
                waiting.append((source, pool.submit(_open, place, source, model)))
                count = place + 1
                if len(waiting) >= ahead:
                    yield from next_done()
            while waiting:
                yield from next_done()
            for target in targets:
                target.check(count)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _open(place: int, source: Source, model: Classifier) -> Opened:
    if isinstance(source, Tensor):
        if source.ndim != 3 or source.shape[0] != 3:
            raise ImageError(f"<tensor>: a preprocessed picture has the shape (3, H, W), not {tuple(source.shape)}")
        shown = model.preprocessing.restore(source)
        return Opened(place, source, "<tensor>", shown, Region(0, 0, *shown.size), source)
    # A picture that is open is read from its file only now, and the same one may stand in a list several times.
    with _reading if isinstance(source, Image.Image) else nullcontext():
        picture = decode(source)
    region = model.preprocessing.region(picture.size)
    return Opened(place, source, name_of(source), picture, region, model.preprocessing(picture))
