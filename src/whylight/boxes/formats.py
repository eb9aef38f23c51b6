"""Boxes in the forms that other tools read: COCO, YOLO, CSV. Pure functions; who calls them writes the files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from whylight.boxes.box import Box


class Found(NamedTuple):
    """What was found in one picture: its path, (width, height) in pixels, and labelled boxes."""

    picture: str
    size: tuple[int, int]
    boxes: Sequence[tuple[str, Box]]  # (label, box)


def categories(pictures: Iterable[Found], classes: Sequence[str]) -> list[str]:
    """The names of classes in the order of their numbers: all of the model's as it counts them, then other labels, by name.

    The numbers are the model's own, so that boxes of several runs can be put together.

    >>> categories([Found("a.jpg", (10, 8), [("dog", Box(1, 2, 5, 8, 0.5))])], ["cat", "dog"])
    ['cat', 'dog']
    """
    labels = {label for found in pictures for label, _ in found.boxes}
    return [*classes, *sorted(labels.difference(classes))]


def numbers(names: Sequence[str]) -> dict[str, int]:
    """The place of each name, from 0; of a name that occurs twice, the first."""
    return {name: number for number, name in reversed(list(enumerate(names)))}


def coco(pictures: Iterable[Found], classes: Sequence[str] = ()) -> dict[str, Any]:
    """The COCO form: `bbox` is [x, y, width, height] in pixels.

    `score` is the box's `probability`, where it has one; `map_score` its share of the map's maximum.

    Args:
        pictures: what was found.
        classes: the model's; each is a category, and its `id` is its index plus one.

    >>> coco([Found("a.jpg", (10, 8), [("cat", Box(1, 2, 5, 8, 0.5))])])["annotations"][0]["bbox"]
    [1, 2, 4, 6]
    """
    pictures = list(pictures)
    names = categories(pictures, classes)
    places = numbers(names)
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, (picture, (width, height), boxes) in enumerate(pictures, 1):
        images.append({"id": number, "file_name": picture, "width": width, "height": height})
        for label, box in boxes:
            wide, high = box.x1 - box.x0, box.y1 - box.y0
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": places[label] + 1,
                    "bbox": [box.x0, box.y0, wide, high],
                    "area": wide * high,
                    "iscrowd": 0,
                    # COCO's tools take the score for how sure a box is.
                    "score": round(_confidence(box), 6),
                    "map_score": round(box.score, 6),
                    "probability": None if box.probability is None else round(box.probability, 6),
                }
            )
    listed = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": listed}


def yolo(found: Found, classes: Mapping[str, int]) -> str:
    """The YOLO form of one picture: a line `class x y width height confidence` a box, centre and size as shares of the picture.

    The confidence is the box's probability where it has one, else its score.

    >>> yolo(Found("a.jpg", (10, 8), [("cat", Box(1, 2, 5, 8, 0.5))]), {"cat": 0})
    '0 0.300000 0.625000 0.400000 0.750000 0.500000\\n'
    """
    width, height = found.size
    lines = []
    for label, box in found.boxes:
        middle = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
        side = (box.x1 - box.x0) / width, (box.y1 - box.y0) / height
        values = (*middle, *side, _confidence(box))
        lines.append(f"{classes[label]} " + " ".join(f"{value:.6f}" for value in values) + "\n")
    return "".join(lines)


def table(pictures: Iterable[Found]) -> str:
    """The CSV form, which `evaluate` and `train --boxes` read: file, label, x0, y0, x1, y1 (half-open, pixels), score, probability.

    The score is the share of the map's maximum; the probability is empty where no class was asked about.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "label", "x0", "y0", "x1", "y1", "score", "probability"))
    for found in pictures:
        for label, box in found.boxes:
            told = f"{box.score:.6f}", "" if box.probability is None else f"{box.probability:.6f}"
            writer.writerow((found.picture, label, *box[:4], *told))
    return text.getvalue()


def _confidence(box: Box) -> float:
    """How sure a box is, for tools that know one number."""
    return box.score if box.probability is None else box.probability
