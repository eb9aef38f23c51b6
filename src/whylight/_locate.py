"""Find objects with nothing but labels: look, draw boxes around the evidence; find one, erase it, look again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from PIL import Image

from whylight._ahead import OnError, Source
from whylight._api import explain, explain_each, is_one
from whylight._locator import Locator, default_locator
from whylight.engine import Precision
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.localize import Box, boxes_of, overlap
from whylight.localize.erase import Eraser, erase
from whylight.location import Location, Look
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.targets import Target

SEEN_BEFORE = 0.3  # overlap with an earlier box from which on a box is not new


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
    eraser: Eraser = "blur",
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
        sequential: find one object, erase it, look again; until the model no longer says the class, nothing new is found, or
            `max_objects` are. For objects that are close together, or whose evidence is covered by a stronger one's.
        max_objects: at most so many boxes for each picture.
        method: the map that boxes are cut out of; default: what finds objects best, see docs/guides/locate.md.
        fast: the best that one pass through the network gives, instead of the default's several.
        threshold: share of a map's maximum at which boxes are cut out; default: that which was stored with the model by
            `whylight calibrate`, else the method's own.
        largest: only the box of the largest connected part, as localisation is measured.
        iou: boxes that overlap a better one by more are dropped.
        eraser: how a found object is taken out of the picture: `"blur"`, `"mean"` or `"inpaint"`.
        precision, batch_size, device, progress: as in `explain`.

    Returns:
        One `Location` for one picture, else a list in picture order.

    Raises:
        ImageError, MethodError, TargetError, WhylightError: naming the picture or argument, what is wrong and what to do.

    >>> import numpy as np, torch, whylight
    >>> bright = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> _ = bright[0].weight.data.copy_(torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 1, 1))
    >>> picture = np.zeros((64, 64, 3), np.uint8); picture[16:32, 8:40] = 255
    >>> model = whylight.wrap(bright, layer="0", classes=["light", "dark"], size=64)
    >>> [tuple(box) for box in whylight.locate(model, picture, "light", method="cam").boxes]
    [(8, 16, 40, 32, 1.0)]
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
    eraser: Eraser = "blur",
    precision: Precision = "auto",
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
    on_error: OnError | None = None,
) -> Iterator[Location]:
    """`locate` for any number of pictures, one after another: no more than two batches are in memory.

    Args:
        on_error: called with the picture and the error where one cannot be read; the rest goes on. Default: it is raised.

    The other arguments are those of `locate`. Yields one `Location` for each picture, in order.
    """
    if max_objects < 1:
        raise WhylightError(f"max_objects: expected at least 1, got {max_objects}")
    locator = default_locator(model, fast=fast) if method is None else Locator(method)
    share = locator.threshold_for(model) if threshold is None else threshold
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
    ):
        if sequential:
            yield _one_by_one(model, ex, locator, share, max_objects, iou, eraser, precision)
        else:
            boxes = boxes_of(ex.heatmap(), share, largest, iou)[:max_objects]
            stopped = "one look" if boxes else "no positive evidence"
            yield _location(ex, boxes, [Look(ex, boxes, ex.probability)], share, stopped)


def _one_by_one(
    model: Classifier,
    first: Explanation,
    locator: Locator,
    share: float,
    most: int,
    iou: float,
    eraser: Eraser,
    precision: Precision,
) -> Location:
    """Find one, erase it, look again."""
    if first.target is None:
        raise WhylightError("sequential: needs a class as target, which the model can stop saying; not a function")
    ex, sure, boxes, steps = first, first.probability or 0.0, list[Box](), list[Look]()
    while True:
        box = _new(boxes_of(ex.heatmap(), share, iou=iou), boxes)
        if box is None:
            steps.append(Look(ex, [], sure))
            stopped = "no positive evidence" if ex.is_blank else "nothing new was found"
            break
        boxes.append(box._replace(score=sure))
        picture = erase(ex.picture, [box], eraser)
        probabilities = model.predict(model.preprocess(picture).unsqueeze(0))[0]
        before, sure = sure, float(probabilities[first.target])
        steps.append(Look(ex, boxes[-1:], before, sure))
        if int(probabilities.argmax()) != first.target:
            stopped = f"the model no longer says {first.label}"
            break
        if len(boxes) == most:
            stopped = f"{most} found, the limit"
            break
        ex = explain(model, picture, method=locator.method, target=first.target, precision=precision)
    return _location(first, boxes, steps, share, stopped)


def _new(found: Sequence[Box], before: Sequence[Box]) -> Box | None:
    """The hottest box that is not one of the earlier ones again."""
    return next((box for box in found if all(overlap(box, old) <= SEEN_BEFORE for old in before)), None)


def _location(ex: Explanation, boxes: list[Box], steps: list[Look], share: float, stopped: str) -> Location:
    picture: Image.Image = ex.picture
    return Location(boxes, steps, ex.label, ex.target, picture, ex.source, share, stopped)
