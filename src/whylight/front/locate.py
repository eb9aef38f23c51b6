"""Find objects with nothing but labels: look, draw boxes around the evidence; find one, erase it, look again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, cast, get_args

from PIL import Image

from whylight.engine import Precision, Tick
from whylight.errors import WhylightError, is_of_question, of_picture
from whylight.explanation import NOTHING as SHOWS_NOTHING
from whylight.explanation import REDUCED, Explanation
from whylight.front.verify import verify
from whylight.localize.alone import judged
from whylight.localize.erase import DEFAULT, Eraser
from whylight.localize.location import NOTHING, Location, Look, is_background, opposite
from whylight.localize.locator import Locator, default_locator
from whylight.localize.sequential import SEARCHED, Search, one_by_one, spot_locator
from whylight.localize.supervised import METHOD as BOX_HEAD
from whylight.localize.supervised import Regressed, regress
from whylight.methods import Method
from whylight.models.base import Classifier, checked
from whylight.pipeline.ahead import OnError, Source
from whylight.pipeline.explain import explain_each, is_one
from whylight.pipeline.workers import Workers
from whylight.progress import Bars, bars
from whylight.shown import shown
from whylight.targets import Target

SEEN = 0.5  # probability from which on a model sees a class that was named


def locate(
    model: Classifier,
    pictures: Source | Iterable[Source],
    target: Target = None,
    *,
    sequential: bool = False,
    max_objects: int = 10,
    method: str | Method | None = None,
    fast: bool = False,
    threshold: float | None = None,
    largest: bool = False,
    iou: float = 0.5,
    eraser: Eraser = DEFAULT,
    min_probability: float | None = None,
    precision: Precision = "auto",
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Any:
    """Find the objects of a class in a picture, with a classifier that was taught labels only.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        pictures: a path, PIL picture, uint8 array or preprocessed tensor (3, H, W); or a sequence of them; or a batch.
        target: as in `explain`; None for each picture's top class.
        sequential: find one object, look closer at it, erase it, look again; until the model no longer says the class, nothing new
            is found, or `max_objects` are. For several objects that are small, close together, or outshone by a stronger one. Its
            default map is LayerCAM at the last two stages in a single pass; `fast`, `largest` and `iou` do not apply.
        max_objects: at most so many boxes for each picture.
        method: the map that boxes are cut out of; default: what finds objects best, see docs/guides/locate.md. `"box"`: no map, but
            the box head of a model that `whylight train --boxes` made; it tells neighbours apart in one look.
        fast: the best that one pass through the network gives, instead of the default's several.
        threshold: share of a map's maximum at which boxes are cut out; default: that which was stored with the model by
            `whylight calibrate`, else the method's own. Of a box head: the least score of a box; default: that chosen in training.
        largest: only the box of the largest connected part, as localisation is measured.
        iou: boxes that overlap a better one by more are dropped.
        eraser: how a found object is taken out of the picture: `"blur"`, `"mean"` or `"inpaint"`.
        min_probability: a class that the model finds less probable than that in a picture has no boxes there; 0 insists. Default:
            0.5 where `target` names a class, else 0. With a box head, whose boxes have scores of their own, 0.
        precision, batch_size, device, progress: as in `explain`.

    Returns:
        One `Location` for one picture, else a list in picture order.

    Raises:
        ImageError, MethodError, TargetError, WhylightError: naming the picture or argument, what is wrong and what to do.
        ModelError: if the method is `"box"` and the model has no box head.

    >>> import numpy as np, torch, whylight
    >>> bright = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> _ = bright[0].weight.data.copy_(torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 1, 1))
    >>> picture = np.zeros((64, 64, 3), np.uint8); picture[16:32, 8:40] = 255
    >>> model = whylight.wrap(bright, layer="0", classes=["light", "dark"], size=64)
    >>> (box,) = whylight.locate(model, picture, "light", method="cam", min_probability=0).boxes
    >>> box[:4], round(box.probability, 2)
    ((8, 16, 40, 32), 1.0)
    """
    many = not is_one(pictures)
    found = list(
        locate_each(
            model,
            cast("Iterable[Source]", pictures if many else [pictures]),
            target,
            sequential=sequential,
            max_objects=max_objects,
            method=method,
            fast=fast,
            threshold=threshold,
            largest=largest,
            iou=iou,
            eraser=eraser,
            min_probability=min_probability,
            precision=precision,
            batch_size=batch_size,
            device=device,
            progress=progress,
        )
    )
    return found if many else found[0]


def locate_each(
    model: Classifier,
    pictures: Iterable[Source],
    target: Target = None,
    *,
    sequential: bool = False,
    max_objects: int = 10,
    method: str | Method | None = None,
    fast: bool = False,
    threshold: float | None = None,
    largest: bool = False,
    iou: float = 0.5,
    eraser: Eraser = DEFAULT,
    min_probability: float | None = None,
    precision: Precision = "auto",
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
    on_error: OnError | None = None,
    on_step: Tick | None = None,
    workers: Workers | None = None,
) -> Iterator[Location]:
    """`locate` for any number of pictures, one after another: no more than two batches are in memory.

    Args:
        on_error: called with the picture and the error where one cannot be read; the rest goes on. Default: it is raised.
        on_step: called with (done, total) while a method that takes many forwards is at work on a picture.
        workers: the threads that decode; default: some of its own.

    The other arguments are those of `locate`. Yields one `Location` for each picture, in order.
    """
    checked(model)
    if max_objects < 1:
        raise WhylightError(f"max_objects: expected at least 1, got {max_objects}")
    if eraser not in get_args(Eraser):
        raise WhylightError(f"eraser {eraser!r}: choose one of {', '.join(get_args(Eraser))}")
    if min_probability is not None and not 0 <= min_probability <= 1:
        raise WhylightError(f"min_probability: expected a probability from 0 to 1, got {min_probability}")
    if method == BOX_HEAD:
        if sequential:
            raise WhylightError(
                "sequential: a box head tells neighbours apart in one look; leave sequential out, or method='box'"
            )
        if device is not None:
            model.to(device)
        total = len(pictures) if isinstance(pictures, Sized) else None
        with bars(total, "finding") if progress else nullcontext(Bars()) as bar:
            for one in regress(
                model, pictures, target=target, batch_size=batch_size, on_error=on_error, workers=workers
            ):
                bar.picture()
                if one.probability < (min_probability or 0):
                    yield _unseen(one, one.threshold if threshold is None else threshold, min_probability or 0)
                else:
                    found = _from_head(one, threshold, max_objects, largest, iou)
                    yield _judged(found, model, one.picture, batch_size)
        return
    if min_probability is None:
        min_probability = 0.0 if target is None else SEEN
    if method is not None:
        locator = Locator(method)
    else:
        locator = spot_locator(model) if sequential else default_locator(model, fast=fast)
    share = locator.threshold_for(model) if threshold is None else threshold

    def find(seen: Explanation) -> Location:
        ex, times = seen.reduced(SEARCHED if sequential else REDUCED)
        if target is None and is_background(ex.label, model.classes):
            found = _nothing(ex, share, model.classes)
        elif not ex.is_blank and ex.probability is not None and ex.probability < min_probability:
            found = _unseen(ex, share, min_probability)
        elif sequential:
            if ex.target is None:
                raise WhylightError(
                    "sequential: needs a class as target, which the model can stop saying; not a function"
                )
            search = Search(model, locator.method, ex.target, share, precision, verify)
            found = one_by_one(search, ex, max_objects, eraser)
        else:
            boxes = ex.boxes(share, largest, iou)[:max_objects]
            stopped = "one look" if boxes else SHOWS_NOTHING[ex.flat] or "no box"
            look = Look(ex, boxes, ex.probability)
            found = Location(boxes, [look], ex.label, ex.target, ex.picture, ex.source, share, stopped)
        found = _judged(found, model, ex.picture, batch_size)
        return found if times == 1 else found.enlarged(times, seen.picture, seen.original)

    for (ex,) in explain_each(
        model,
        pictures,
        method=locator.method,
        target=target,
        precision=precision,
        batch_size=batch_size,
        device=device,
        progress=progress,
        on_error=on_error,
        on_step=on_step,
        verifier=verify,
        workers=workers,
    ):
        try:
            found = find(ex)
        except (
            Exception
        ) as error:  # whatever comes of looking at parts of this picture, it is named, and the rest goes on
            if on_error is None or is_of_question(error):
                raise
            on_error(ex.source, of_picture(shown(ex.source), error))
        else:
            yield found
            del found
        del ex  # nothing of one picture is held while the next is made


def _nothing(ex: Explanation, share: float, classes: Sequence[str]) -> Location:
    """What is said of a picture whose top class is that nothing is there."""
    stopped = f"{NOTHING}; --target {opposite(ex.label, classes) or 'CLASS'} asks all the same"
    return Location([], [Look(ex, [], ex.probability)], ex.label, ex.target, ex.picture, ex.source, share, stopped)


def _unseen(seen: Explanation | Regressed, share: float, least: float) -> Location:
    """What is said of a picture in which the model does not see the class."""
    stopped = f"{seen.probability:.2g} is below the least probability, {least:g}; --min-probability 0 asks all the same"
    look = Look(seen, [], seen.probability)
    return Location([], [look], seen.label, seen.target, seen.picture, seen.source, share, stopped)


def _judged(found: Location, model: Classifier, picture: Image.Image, most: int | None) -> Location:
    """The same with the probability of each box alone, in `picture`, whose pixels the boxes are in."""
    boxes = iter(judged(model, picture, found.boxes, found.target, most))
    steps = [replace(step, boxes=[next(boxes) for _ in step.boxes]) for step in found.steps]
    return replace(found, boxes=[box for step in steps for box in step.boxes], steps=steps)


def _from_head(one: Regressed, threshold: float | None, most: int, largest: bool, iou: float) -> Location:
    """What a box head found in a picture, as the one look that it is."""
    least = one.threshold if threshold is None else threshold
    boxes = one.boxes(least, largest, iou)[:most]
    stopped = "one look" if boxes else f"no box has a score of {least:.2f} or more"
    look = Look(one, boxes, one.probability)
    found = Location(boxes, [look], one.label, one.target, one.picture, one.source, least, stopped, one.original)
    return replace(found, steps=[replace(look, times=found.times)])
