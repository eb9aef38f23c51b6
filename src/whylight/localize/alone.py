"""How sure a model is of what is in a box when it is shown that and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from whylight.boxes import Box
from whylight.boxes.box import Rectangle
from whylight.images.preprocess import Preprocess
from whylight.models.base import Classifier

_AT_ONCE = 16  # boxes in one forward, where nothing else is said


def judged(
    model: Classifier, picture: Image.Image, boxes: Sequence[Box], target: int | None, most: int | None = None
) -> list[Box]:
    """The same boxes, each with the class's probability where the model is shown the box alone.

    Args:
        model: the classifier.
        picture: RGB.
        boxes: in its pixels.
        target: the class; None where what was asked is no class: then there is no probability.
        most: boxes in one forward.
    """
    if target is None or model.bands != 3:
        return list(boxes)
    told: list[Box] = []
    size = most or _AT_ONCE
    for start in range(0, len(boxes), size):
        some = boxes[start : start + size]
        x = torch.stack([model.preprocess(alone(picture, box, model.preprocessing)) for box in some])
        sure = model.predict(x)[:, target].tolist()
        told += [box._replace(probability=value) for box, value in zip(some, sure, strict=True)]
    return told


def alone(picture: Image.Image, box: Rectangle, preprocessing: Preprocess) -> Image.Image:
    """What is in a box, in the middle of a ground of its mean colour: of the shape of the model's input, which shows all of it.

    >>> alone(Image.new("RGB", (90, 90), "red"), (10, 10, 40, 20), Preprocess(size=(224, 224))).size
    (30, 30)
    """
    x0, y0, x1, y1 = (round(side) for side in box[:4])
    part = picture.crop((x0, y0, x1, y1))
    rows, columns = preprocessing.size
    kept = preprocessing.crop_pct if preprocessing.mode == "crop" else 1.0  # the rest, at the rim, is cut off
    cell = max(part.width / columns, part.height / rows) / kept
    size = max(part.width, math.ceil(cell * columns)), max(part.height, math.ceil(cell * rows))
    red, green, blue = (round(float(value)) for value in np.asarray(part).reshape(-1, 3).mean(0))
    ground = Image.new("RGB", size, (red, green, blue))
    ground.paste(part, ((size[0] - part.width) // 2, (size[1] - part.height) // 2))
    return ground
