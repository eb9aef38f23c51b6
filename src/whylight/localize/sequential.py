"""Find one, erase it, look again: how objects that are close together, or outshone by a stronger one, are told apart.

A map of the whole picture is coarse: its cells are larger than small objects, and the evidence of neighbours runs together. So
each round takes only the hottest spot of it, and looks at that closer: the picture around it is
cut out, enlarged to the network's input and explained again, until the object fills much of the view. There its box is cut out.
The closer view is a question, too: where the model, shown only this, no longer says the class, there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from whylight import methods
from whylight.boxes.box import Box, area, boxes_of, overlap
from whylight.engine import Precision
from whylight.explanation import NOTHING, Explanation
from whylight.localize.erase import Eraser, erase
from whylight.localize.location import Location, Look
from whylight.localize.locator import Locator, Supported, default_locator
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.models.layers import stages
from whylight.models.model import Model
from whylight.pipeline.explain import Verifier, explain_each

STAGES = 2  # the last one says what is there, the one before where it ends
SPOT = 0.8  # share of the maximum that belongs to the hottest spot; where objects touch, less would join them
VIEW = 2.5  # sides of a closer view, as a multiple of the box's longer side
CLOSER = 3  # closer views of one spot, each cut out around the box that was found in the one before
SMALLER = 0.75  # a view is closer if its sides are at most so much of those of the last one
LEAST = 24  # pixels of a view's sides: less shows nothing
TRIES = 10  # spots of one map that are looked at before there is nothing new
SEARCHED = 2**21  # pixels; pictures of four times as many are searched reduced: each look holds a picture of its own
SEEN_BEFORE = 0.3  # overlap with an earlier box from which on a box is not new


def spot_locator(model: Classifier) -> Locator:
    """The map for looks one after another: LayerCAM at the last stages, in a single pass.

    Looking closer gives what larger inputs would, and a map that is spread over whole objects would join neighbours.
    """
    names = stages(model)[-STAGES:] if isinstance(model, Model) else ()
    if len(names) < 2:
        return default_locator(model, fast=True)
    return Locator(Supported(methods.layers("layercam", names, fusion="mean"), names[-1]))


@dataclass(frozen=True)
class Search:
    """What is looked for and how: a class of a model, on maps of a method, boxes cut out at a share of their maximum.

    `verifier`: what the explanations of the looks ask when they are verified.
    """

    model: Classifier
    method: str | Method
    target: int
    share: float
    precision: Precision
    verifier: Verifier | None = None

    def look(self, picture: Image.Image, target: int | None) -> Explanation:
        """A map of a class, or of the top one, for a picture of which parts may have been erased."""
        ((found,),) = explain_each(
            self.model, [picture], method=self.method, target=target, precision=self.precision, verifier=self.verifier
        )
        return found

    def probability(self, picture: Image.Image) -> tuple[float, bool]:
        """How probable the class is, and whether it is what the model says."""
        probabilities = self.model.predict(self.model.preprocess(picture).unsqueeze(0))[0]
        return float(probabilities[self.target]), int(probabilities.argmax()) == self.target

    def next(self, ex: Explanation, found: Sequence[Box]) -> Box | None:
        """The object at the hottest spot of a map that is none of those found already; None where there is nothing new."""
        heat = _without(ex.heatmap(), found)
        for _ in range(TRIES):
            # As with one pass, evidence counts from a share of the map's maximum on, wherever that lies.
            if float(heat.max()) < self.share:
                break
            spot = _hottest(heat, max(SPOT, self.share))
            box = self.closer(ex.picture, spot, found)
            if box is not None and all(overlap(box, old) <= SEEN_BEFORE for old in found):
                return box
            heat = _without(heat, [spot])
        if found or ex.is_blank:
            return None
        # What the whole picture shows, if no part of it says the class alone.
        return boxes_of(ex.heatmap(), self.share)[0]

    def closer(self, picture: Image.Image, box: Box, found: Sequence[Box]) -> Box | None:
        """Look closer and closer at a spot, and draw the box anew in each view; None where the model does not say the class."""
        width, height = picture.size
        view = (0, 0, width, height)
        for _ in range(CLOSER):
            around = _around(box, picture.size)
            if area(around) > SMALLER**2 * area(view):
                break
            view = around
            # The top class and no other: a map of the target could be had from a view that does not show it.
            ex = self.look(picture.crop(view), None)
            heat = _without(ex.heatmap(), [_moved(old, -view[0], -view[1]) for old in found])
            if ex.target != self.target or float(heat.max()) < self.share:
                return None
            box = _moved(_hottest(heat, self.share), view[0], view[1])
        return box


def one_by_one(search: Search, first: Explanation, most: int, eraser: Eraser) -> Location:
    """Find one, erase it, look again; until the model no longer says the class, nothing new is found, or `most` are.

    Args:
        search: what is looked for.
        first: the map of the whole picture.
        most: at most so many objects.
        eraser: how a found object is taken out of the picture.
    """
    ex, sure, boxes, steps = first, first.probability or 0.0, list[Box](), list[Look]()
    said_it = search.probability(first.picture)[1]
    while True:
        box = search.next(ex, boxes)
        if box is None:
            steps.append(Look(ex, [], sure))
            stopped = NOTHING[ex.flat] or "nothing new was found"
            break
        boxes.append(box._replace(score=sure))
        picture, before = erase(ex.picture, [box], eraser), sure
        sure, says_it = search.probability(picture)
        steps.append(Look(ex, boxes[-1:], before, sure))
        if not says_it:
            stopped = f"the model {'no longer says' if said_it else 'never said'} {first.label}"
            break
        if len(boxes) == most:
            stopped = f"{most} found, the limit"
            break
        ex = search.look(picture, search.target)
    return Location(boxes, steps, first.label, first.target, first.picture, first.source, search.share, stopped)


def _without(heat: Tensor, boxes: Sequence[Box]) -> Tensor:
    """A heat map (H, W) with nothing left in some boxes, which may reach out of it."""
    heat = heat.clone()
    for box in boxes:
        heat[max(0, box.y0) : max(0, box.y1), max(0, box.x0) : max(0, box.x1)] = 0
    return heat


def _hottest(heat: Tensor, share: float) -> Box:
    """The box of the part of a heat map (H, W) around its maximum, which is above 0."""
    return boxes_of(heat / heat.max(), share, least=0)[0]


def _around(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The square view around a box, cut at the rim of a picture of (width, height)."""
    side = max(LEAST, VIEW * max(box.x1 - box.x0, box.y1 - box.y0))
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return (
        max(0, round(x - side / 2)),
        max(0, round(y - side / 2)),
        min(size[0], round(x + side / 2)),
        min(size[1], round(y + side / 2)),
    )


def _moved(box: Box, across: int, down: int) -> Box:
    return Box(box.x0 + across, box.y0 + down, box.x1 + across, box.y1 + down, box.score)
