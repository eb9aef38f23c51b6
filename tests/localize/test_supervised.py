"""Boxes from a box head, in pixels of the picture: heads with weights set by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import whylight
from nets import gap_net
from whylight import targets
from whylight.errors import ImageError, ModelError, TargetError, WhylightError
from whylight.images.preprocess import Preprocess
from whylight.localize import Box
from whylight.localize.supervised import Regressed, regress, regressed
from whylight.models.boxhead import BoxHead, BoxSpec
from whylight.models.model import Model

Cell = tuple[int, int, float]  # row, column, score


def head_of(cells: list[Cell], width: float, height: float, classes: tuple[int, ...] = (1,)) -> BoxHead:
    """A head that always says the same: boxes of so many cells around the middle of some cells, which have these scores."""
    head = BoxHead(BoxSpec(classes, channels=6, hidden=8, parts=1, threshold=0.5))

    def forward(grid: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(len(grid), len(classes) + 4, *grid.shape[2:])
        out[:, : len(classes)] = -20
        for row, column, score in cells:
            out[:, 0, row, column] = math.log(score / (1 - score))
        out[:, -2], out[:, -1] = math.log(width), math.log(height)
        return out

    head.forward = forward  # type: ignore[method-assign]
    return head


@pytest.fixture
def make() -> Callable[..., Model]:
    """A model on an input of 32 × 32 pixels with a grid of 8 × 8: cells of 4 × 4 pixels."""

    def build(head: BoxHead, mode: str = "squash") -> Model:
        preprocessing = Preprocess(size=(32, 32), mode=mode, crop_pct=1.0)  # type: ignore[arg-type]
        return Model(gap_net(), classes=["a", "b", "c"], preprocessing=preprocessing, box_head=head)

    return build


def picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_pixels_of_a_stretched_picture(make: Callable[..., Model]) -> None:
    # The middle of cell (2, 5) is (22, 10) in the input; the box is 8 × 4 pixels there: (18, 8, 26, 12).
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    (boxes,) = regressed(model, [picture(64, 96)], target="b")
    assert [box[:4] for box in boxes] == [(36, 24, 52, 36)]  # twice as wide, three times as high
    assert boxes[0].score == pytest.approx(0.9)


def test_pixels_of_a_cropped_picture(make: Callable[..., Model]) -> None:
    # Of 96 × 32 the middle is seen, from x = 32 to 64.
    model = make(head_of([(2, 5, 0.9)], width=2, height=1), "crop")
    (boxes,) = regressed(model, [Image.fromarray(picture(96, 32))], target=1)
    assert [box[:4] for box in boxes] == [(50, 8, 58, 12)]


def test_boxes_are_cut_at_the_rim(make: Callable[..., Model]) -> None:
    model = make(head_of([(0, 0, 0.9), (7, 7, 0.8)], width=4, height=4))
    (boxes,) = regressed(model, [picture(32, 32)], target=1)
    assert [box[:4] for box in boxes] == [(0, 0, 10, 10), (22, 22, 32, 32)]


def test_the_surest_first_and_none_twice(make: Callable[..., Model]) -> None:
    model = make(head_of([(2, 2, 0.7), (2, 3, 0.9), (6, 6, 0.6), (4, 0, 0.4)], width=4, height=4))
    one = next(regress(model, [picture(32, 32)], target="b"))
    assert [round(box.score, 4) for box in one.boxes()] == [
        0.9,
        0.6,
    ]  # (2, 2) overlaps (2, 3) by 3/5; 0.4 is too little
    assert [round(box.score, 4) for box in one.boxes(0.3)] == [0.9, 0.6, 0.4]
    assert [round(box.score, 4) for box in one.boxes(iou=0.7)] == [0.9, 0.7, 0.6]
    assert one.boxes(0.95) == []
    assert isinstance(one.boxes()[0], Box)
    assert one.label == "b"
    assert 0 < one.probability < 1


def test_the_largest_alone() -> None:
    corners = torch.tensor([[0.0, 0, 4, 4], [10, 10, 20, 20]])
    one = Regressed(corners, torch.tensor([0.9, 0.6]), Image.new("RGB", (30, 20)), "b", 1, 0.5, 0.5, "<array>")
    assert one.size == (30, 20)
    assert [box[:4] for box in one.boxes(largest=True)] == [(10, 10, 20, 20)]
    assert one.boxes(0.95, largest=True) == []
    for wrong in ({"threshold": 1.5}, {"iou": -0.1}):
        with pytest.raises(WhylightError, match="expected"):
            one.boxes(**wrong)


def test_many_pictures_in_order(make: Callable[..., Model]) -> None:
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    sizes = [(32 + k, 64) for k in range(20)]  # more than one batch
    found = list(regress(model, (picture(*size) for size in sizes), target="b"))
    assert [one.size for one in found] == sizes
    tensors = [model.preprocess(picture(64, 64)), model.preprocess(picture(96, 32))]
    assert [len(boxes) for boxes in regressed(model, tensors, target=["b", "b"])] == [1, 1]


def test_without_a_target_the_top_class_counts(make: Callable[..., Model]) -> None:
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    for winner, count in ((1, 1), (0, 0)):  # "a" has no boxes
        with torch.no_grad():
            model.module[-1].bias.copy_(10 * torch.eye(3)[winner])  # type: ignore[index, union-attr, operator]
        (boxes,) = regressed(model, [picture(32, 32)])
        assert len(boxes) == count


def test_locate_asks_the_box_head(make: Callable[..., Model], tmp_path: Path) -> None:
    model = make(head_of([(2, 5, 0.9), (6, 1, 0.7), (4, 4, 0.3)], width=2, height=1))
    found = whylight.locate(model, picture(64, 96), "b", method="box")
    assert [box[:4] for box in found.boxes] == [(36, 24, 52, 36), (4, 72, 20, 84)]
    assert [box.score for box in found.boxes] == pytest.approx([0.9, 0.7])
    assert (found.label, found.target, found.threshold, found.stopped) == ("b", 1, 0.5, "one look")
    assert [(len(look.boxes), look.after) for look in found.steps] == [(2, None)]
    with torch.no_grad():
        sure = model.predict(model.preprocess(picture(64, 96)).unsqueeze(0))[0, 1]
    assert found.steps[0].before == pytest.approx(float(sure))
    told = found.to_dict()
    assert (told["method"], told["steps"][0]["blank"]) == ("box", False)
    found.save(tmp_path / "boxes.png")
    found.save(tmp_path / "looks.png", view="strip")
    assert found.strip().size[0] > 0
    assert len(whylight.locate(model, picture(64, 96), "b", method="box", threshold=0.2).boxes) == 3
    assert len(whylight.locate(model, picture(64, 96), "b", method="box", max_objects=1).boxes) == 1
    none = whylight.locate(model, picture(64, 96), "b", method="box", threshold=0.95)
    assert (none.boxes, none.stopped) == ([], "no box has a score of 0.95 or more")


def test_locate_asks_the_box_head_about_many(make: Callable[..., Model], tmp_path: Path) -> None:
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    (tmp_path / "b.png").write_bytes(b"no picture")
    failed: list[object] = []
    found = list(
        whylight.locate_each(
            model,
            [picture(64, 96), tmp_path / "b.png", picture(32, 32)],
            "b",
            method="box",
            batch_size=1,
            on_error=lambda one, error: failed.append(one),
        )
    )
    assert [one.boxes[0][:4] for one in found] == [(36, 24, 52, 36), (18, 8, 26, 12)]
    assert failed == [tmp_path / "b.png"]


def test_locate_says_where_it_cannot_ask_a_box_head(make: Callable[..., Model]) -> None:
    with pytest.raises(ModelError, match=r"no box head.*another method.*whylight train --boxes"):
        whylight.locate(whylight.wrap(gap_net(), size=32), picture(32, 32), method="box")
    black_box = whylight.wrap_callable(lambda x: x.mean((2, 3)), classes=["a", "b", "c"], size=32)
    with pytest.raises(ModelError, match="no box head"):
        whylight.locate(black_box, picture(32, 32), method="box")
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    with pytest.raises(WhylightError, match="sequential: a box head tells neighbours apart"):
        whylight.locate(model, picture(32, 32), "b", method="box", sequential=True)
    with pytest.raises(TargetError, match="'a' had no boxes"):
        whylight.locate(model, picture(32, 32), "a", method="box")
    with pytest.raises(WhylightError, match="batch_size: expected at least 1, got 0"):
        whylight.locate(model, picture(32, 32), "b", method="box", batch_size=0)


def test_what_cannot_be(make: Callable[..., Model]) -> None:
    model = make(head_of([(2, 5, 0.9)], width=2, height=1))
    with pytest.raises(TargetError, match="'a' had no boxes in training; there are boxes of b"):
        regressed(model, [picture(32, 32)], target="a")
    with pytest.raises(TargetError, match="boxes are found for a class"):
        regressed(model, [picture(32, 32)], target=targets.difference("a", "b"))
    with pytest.raises(TargetError, match="2 classes for 1 pictures"):
        regressed(model, [picture(32, 32)], target=["b", "b"])
    with pytest.raises(ImageError, match=r"none\.jpg"):
        regressed(model, ["none.jpg"], target="b")
    with pytest.raises(ModelError, match="no box head, so its boxes come from its maps"):
        regressed(whylight.wrap(gap_net(), size=32), [picture(32, 32)])
