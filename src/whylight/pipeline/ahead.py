"""Pictures read and prepared ahead of the network, in threads; how many is bounded, and how many pixels they have."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol, TypeVar

from PIL import Image
from torch import Tensor

from whylight.errors import ImageError, WhylightError, of_picture
from whylight.images import Picture, name_of, pixels_in
from whylight.images import read as decode
from whylight.images.preprocess import Region, shown_bands
from whylight.images.sources import is_file
from whylight.models.base import Classifier
from whylight.pipeline.workers import Workers
from whylight.shown import shown

Source = Picture | Tensor  # a tensor is an input that was preprocessed already: (3, H, W)
OnError = Callable[[Any, WhylightError], None]
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_reading = threading.Lock()


class Opener(Protocol[T_co]):
    """What makes something of the picture at a place in the list, which counts as so many pixels."""

    def __call__(self, place: int, source: Source, pixels: int, /) -> T_co: ...


class Opened(NamedTuple):
    """A picture, its place in the list, and the input made from it."""

    place: int
    source: Source
    pixels: int  # that are held for it
    name: str
    picture: Image.Image
    region: Region
    x: Tensor  # (3, H, W)
    original: tuple[int, int] | None = None  # the picture's own (width, height), where it was read reduced


def ahead(
    pictures: Iterable[Source],
    open_one: Opener[T],
    workers: Workers,
    most: int,
    on_error: OnError | None,
    at_end: Callable[[int], None] | None = None,
) -> Iterator[T | None]:
    """Open pictures in threads, at most so many ahead, and give back what was made of them, in order.

    The pixels of each are taken from `workers` before it is decoded, and stay taken: whoever is done with it gives them back.
    None among the rest says that nothing more can be opened before some of what was given is let go.

    Args:
        pictures: any number of them; taken as they are needed.
        open_one: what is done with each, in a thread.
        workers: the threads.
        most: pictures ahead.
        on_error: called with the picture and the error where that fails; the rest goes on. Default: the error is raised.
        at_end: called with the number of pictures there were.
    """
    count = 0
    waiting: deque[tuple[Source, int, Future[T]]] = deque()

    def opened(place: int, source: Source, pixels: int) -> T:
        with workers.at("decode"):
            return open_one(place, source, pixels)

    def next_done() -> Iterator[T]:
        source, pixels, future = waiting.popleft()
        try:
            with workers.waiting():
                made = future.result()
        except Exception as error:  # whatever it is, it is this picture's, and is named as such
            workers.give(pixels)
            if on_error is None:
                raise
            on_error(source, picture_error(source, error))
        else:
            yield made

    try:
        for place, source in enumerate(pictures):
            pixels = _pixels_in(source)
            while waiting and (len(waiting) >= most or not workers.fits(pixels)):
                yield from next_done()
            if not workers.fits(pixels):
                yield None
                with workers.waiting():
                    workers.wait_for(pixels)
            workers.take(pixels)
            waiting.append((source, pixels, workers.submit(opened, place, source, pixels)))
            count = place + 1
        while waiting:
            yield from next_done()
        if at_end is not None:
            at_end(count)
    finally:
        for _, pixels, future in waiting:
            future.cancel()
            workers.give(pixels)


def for_model(model: Classifier) -> Opener[Opened]:
    """Decode a picture, and make a model's input of it."""

    def opened(place: int, source: Source, pixels: int) -> Opened:
        if isinstance(source, Tensor):
            if source.ndim != 3 or source.shape[0] != model.bands:
                wanted = f"({model.bands}, H, W)"
                raise ImageError(f"<tensor>: a preprocessed picture has the shape {wanted}, not {tuple(source.shape)}")
            if not bool(source.isfinite().all()):
                raise ImageError("<tensor>: holds NaN or infinity; it is the input that does, not the network")
            restored = model.preprocessing.restore(source) if model.bands == 3 else shown_bands(source)
            return Opened(place, source, pixels, "<tensor>", restored, Region(0, 0, *restored.size), source)
        model.check_pictures()
        # A picture that is open is read from its file only now, and the same one may stand in a list several times.
        with _shared(source):
            picture, size, times = decode(source)
        region, x = model.preprocessing.region(picture.size), model.preprocessing(picture)
        return Opened(place, source, pixels, name_of(source), picture, region, x, size if times > 1 else None)

    return opened


def picture_error(source: Source, error: Exception) -> WhylightError:
    """An error as one of ours that names the picture."""
    return of_picture("<tensor>" if isinstance(source, Tensor) else shown(name_of(source)), error)


def _pixels_in(source: Source) -> int:
    """How many pixels are held for a picture, by its header; 0 where it has none that can be read: decoding says why."""
    if isinstance(source, Tensor):
        return 0
    try:
        with _shared(source):
            return pixels_in(source)
    except ImageError:
        return 0


def _shared(source: Source) -> AbstractContextManager[object]:
    """Keeps other threads from an open picture or file while it is read."""
    return _reading if isinstance(source, Image.Image) or is_file(source) else nullcontext()
