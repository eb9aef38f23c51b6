"""Boxes from a head that was trained on drawn ones (`whylight train --boxes`), with the interface of boxes from maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from whylight.boxes.box import Box, area
from whylight.errors import ModelError, TargetError, WhylightError
from whylight.images.preprocess import Region
from whylight.models.base import Classifier
from whylight.models.boxhead import FoundBoxes, pick
from whylight.models.model import Model
from whylight.pipeline.ahead import OnError, Opened, Source
from whylight.pipeline.ask import ask_each
from whylight.pipeline.workers import Workers
from whylight.targets import Target, resolve

METHOD = "box"  # its name where a method is asked for
BATCH = 16  # pictures in one forward


@dataclass(frozen=True, eq=False)
class Regressed:
    """What a box head says of one picture and one class: a box for each cell, most of them unsure.

    Attributes:
        corners: (M, 4) x0, y0, x1, y1 in pixels of the picture at its own `size`, fractional, possibly reaching out of it.
        scores: (M,) in [0, 1]: how surely an object of the class has its centre in the cell.
        picture: as decoded, RGB; of a very large JPEG, a reduced copy.
        label: the class.
        target: its index.
        probability: what the classifier beside the head says of the class.
        threshold: the score from which on a box counts, where none is named.
        source: the picture's path, or a word for what has none.
        original: the picture's own (width, height) where `picture` is a reduced copy; else None.
    """

    method: ClassVar[str] = METHOD

    corners: Tensor
    scores: Tensor
    picture: Image.Image
    label: str
    target: int
    probability: float
    threshold: float
    source: str
    original: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        return self.original or self.picture.size

    @property
    def is_blank(self) -> bool:
        """Whether there is no box at all, however unsure: so it is for a class that had no boxes in training."""
        return not bool((self.scores > 0).any())

    def boxes(self, threshold: float | None = None, largest: bool = False, iou: float = 0.5) -> list[Box]:
        """The boxes with a score of `threshold` or more, the surest first, rounded to pixels and cut at the picture's rim.

        Args:
            threshold: in [0, 1]; default: the one that was chosen on the validation pictures in training.
            largest: keep only the largest of them.
            iou: a box that overlaps a surer one by more than this is dropped (non-maximum suppression); 1 keeps all.

        Raises:
            WhylightError: if the threshold or the overlap is out of range.
        """
        threshold = self.threshold if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise WhylightError(f"threshold: expected a score in [0, 1], got {threshold}")
        if not 0 <= iou <= 1:
            raise WhylightError(f"iou: expected an overlap in [0, 1], got {iou}")
        width, height = self.size
        kept = pick(self.corners, self.scores, threshold, iou)
        found = []
        for corners, score in zip(self.corners[kept].tolist(), self.scores[kept].tolist(), strict=True):
            x0, x1 = (min(max(round(x), 0), width) for x in corners[::2])
            y0, y1 = (min(max(round(y), 0), height) for y in corners[1::2])
            if x0 < x1 and y0 < y1:
                found.append(Box(x0, y0, x1, y1, score))
        if largest and found:
            return [max(found, key=area)]
        return found


def regressed(
    model: Classifier,
    pictures: Iterable[Source],
    *,
    target: Target = None,
    threshold: float | None = None,
    iou: float = 0.5,
) -> list[list[Box]]:
    """The boxes of pictures, best first, from a model that was trained with boxes.

    Args:
        model: a model with a box head.
        pictures: paths, PIL pictures, uint8 arrays or preprocessed tensors (3, H, W).
        target: a class by index or name; None for each picture's top class (no box where that is the background); or a list with
            one class for each picture.
        threshold, iou: as in `Regressed.boxes`.

    Returns:
        For each picture its boxes in pixels of the original picture, half-open.

    Raises:
        ModelError: if the model has no box head.
        TargetError: if the target is no class, or one without boxes.
        ImageError: if a picture cannot be read.
    """
    return [one.boxes(threshold, iou=iou) for one in regress(model, pictures, target=target)]


def regress(
    model: Classifier,
    pictures: Iterable[Source],
    *,
    target: Target = None,
    batch_size: int | None = None,
    on_error: OnError | None = None,
    workers: Workers | None = None,
) -> Iterator[Regressed]:
    """The same, one picture after another, before the threshold.

    Args:
        batch_size: pictures in one forward; default 16.
        on_error: called with the picture and the error where one cannot be read; the rest goes on. Default: it is raised.

    The other arguments are those of `regressed`.
    """
    head = model.box_head
    if head is None or not isinstance(model, Model):
        raise ModelError(
            "this model has no box head, so its boxes come from its maps: locate(…) with another method, or "
            "explain(…).boxes(). `whylight train --boxes FILE` trains one"
        )
    size = BATCH if batch_size is None else batch_size
    if size < 1:
        raise WhylightError(f"batch_size: expected at least 1, got {batch_size}")
    wanted = resolve(target, model.classes)
    if wanted.function is not None:
        raise TargetError(
            "target: boxes are found for a class; name one, or leave target out for each picture's top class"
        )
    named = {wanted.index} if wanted.index is not None else set(wanted.each or ())
    for number in named - set(head.spec.classes):
        raise TargetError(
            f"target: {model.classes[number]!r} had no boxes in training; "
            f"there are boxes of {', '.join(model.classes[one] for one in head.spec.classes)}"
        )

    def run(batch: Sequence[Opened]) -> list[Regressed]:
        found = model.find_boxes(torch.stack([one.x for one in batch]))
        numbers = wanted.take([one.place for one in batch]).indices(found.logits)
        assert numbers is not None
        probabilities = model.probabilities(found.logits)
        return [
            Regressed(
                corners=_in_picture(found, i, one),
                scores=found.scores[i, :, number].cpu(),
                picture=one.picture,
                label=model.classes[number],
                target=number,
                probability=float(probabilities[i, number]),
                threshold=head.spec.threshold,
                source=one.name,
                original=one.original,
            )
            for i, (one, number) in enumerate(zip(batch, numbers.tolist(), strict=True))
        ]

    for _, found in ask_each(model, pictures, run, size, targets=[wanted], on_error=on_error, workers=workers):
        yield found


def _in_picture(found: FoundBoxes, i: int, opened: Opened) -> Tensor:
    """The boxes of one picture, (M, 4), from pixels of the input to pixels of the picture."""
    height, width = opened.x.shape[1:]
    times = 1 if opened.original is None else round(max(opened.original) / max(opened.picture.size))
    region = Region(*(side * times for side in opened.region))
    across, down = (region.x1 - region.x0) / width, (region.y1 - region.y0) / height
    scale = torch.tensor([across, down, across, down])
    return found.boxes[i].cpu() * scale + torch.tensor([region.x0, region.y0, region.x0, region.y0])
