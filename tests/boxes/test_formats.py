"""Boxes written in the forms of others say the same."""

from __future__ import annotations

import csv
import io

import pytest

from whylight.boxes.formats import Found, categories, coco, numbers, table, yolo
from whylight.localize import Box

FOUND = [
    Found("a.jpg", (100, 50), [("cat", Box(10, 5, 30, 45, 0.9)), ("dog", Box(0, 0, 100, 50, 0.4))]),
    Found("empty.jpg", (8, 8), []),
    Found("sub/b, c.jpg", (40, 40), [("dog", Box(1, 2, 3, 4, 1.0))]),
]


def test_coco() -> None:
    found = coco(FOUND)
    assert found["images"][1] == {"id": 2, "file_name": "empty.jpg", "width": 8, "height": 8}
    assert [one["name"] for one in found["categories"]] == ["cat", "dog"]
    assert [(a["id"], a["image_id"], a["category_id"], a["bbox"], a["area"]) for a in found["annotations"]] == [
        (1, 1, 1, [10, 5, 20, 40], 800),
        (2, 1, 2, [0, 0, 100, 50], 5000),
        (3, 3, 2, [1, 2, 2, 2], 4),
    ]


def test_classes_have_the_models_numbers_whichever_was_found() -> None:
    classes = ["bird", "dog", "fish", "cat", "dog"]  # one name twice, as in ImageNet
    found = coco(FOUND, classes)
    assert [(one["id"], one["name"]) for one in found["categories"]] == list(enumerate(classes, 1))
    assert [one["category_id"] for one in found["annotations"]] == [4, 2, 2]
    assert coco(FOUND[2:], classes)["categories"] == found["categories"]
    assert yolo(FOUND[0], numbers(classes)).split("\n")[0].startswith("3 ")
    assert categories(FOUND, ["fish", "dog"]) == ["fish", "dog", "cat"]  # another model's label comes last


def test_yolo_turns_back_into_the_same_boxes() -> None:
    lines = yolo(FOUND[0], {"cat": 3, "dog": 7}).splitlines()
    back = []
    for line in lines:
        kind, x, y, w, h, score = (float(part) for part in line.split())
        back.append((kind, (x - w / 2) * 100, (y - h / 2) * 50, (x + w / 2) * 100, (y + h / 2) * 50, score))
    assert back[0] == pytest.approx((3, 10, 5, 30, 45, 0.9))
    assert back[1] == pytest.approx((7, 0, 0, 100, 50, 0.4))
    assert yolo(FOUND[1], {}) == ""


def test_csv_quotes_names_with_commas() -> None:
    rows = list(csv.DictReader(io.StringIO(table(FOUND))))
    assert len(rows) == 3
    assert rows[2] == {
        "file": "sub/b, c.jpg",
        "label": "dog",
        "x0": "1",
        "y0": "2",
        "x1": "3",
        "y1": "4",
        "score": "1.000000",
        "probability": "",
    }


def test_both_numbers_are_named_and_tools_that_know_one_get_the_probability() -> None:
    sure = [Found("a.jpg", (10, 10), [("cat", Box(0, 0, 5, 5, 1.0, 0.25))])]
    (annotation,) = coco(sure)["annotations"]
    assert (annotation["score"], annotation["map_score"], annotation["probability"]) == (0.25, 1.0, 0.25)
    (row,) = csv.DictReader(io.StringIO(table(sure)))
    assert (row["score"], row["probability"]) == ("1.000000", "0.250000")
    assert yolo(sure[0], {"cat": 0}).split()[-1] == "0.250000"
    (unknown,) = coco(FOUND[2:])["annotations"]
    assert (unknown["score"], unknown["probability"]) == (1.0, None)
