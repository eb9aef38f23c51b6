"""Pictures with boxes on disk: which there are, what class each counts as, what a network is to learn from each."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from whylight.errors import DataError
from whylight.images import walk
from whylight.images.annotations import Drawn, read_boxes
from whylight.images.preprocess import Preprocess
from whylight.models.boxhead import Size
from whylight.train.boxes.augment import BoxAugment
from whylight.train.boxes.loss import wanted
from whylight.train.data.augment import pixels
from whylight.train.data.folders import SPLITS, Data, Item, split
from whylight.train.data.pictures import Pictures, mix

SHOWN = 10  # pictures without boxes that are named


def find(root: str | os.PathLike[str], boxes: str | os.PathLike[str], background: str | None) -> Data:
    """List the pictures of a folder, with the boxes that a CSV file (`annotations.read_boxes`) gives them.

    A picture counts as the class that covers most of it. Pictures without a box are the background class. Where all lie in
    `train/` and `val/` (and `test/`), that is the split.

    Args:
        root: the folder; pictures may lie in folders inside it.
        boxes: the CSV file.
        background: the name of what pictures without boxes show.

    Raises:
        DataError: the folder or file is missing or wrong; pictures without boxes and no background, or the other way round.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    drawn = read_boxes(boxes, root)
    labels = {box.label for some in drawn.values() for box in some}
    names = sorted({path.relative_to(root).as_posix() for path in walk([root])} | drawn.keys())
    bare = [name for name in names if name not in drawn]
    if background is None and bare:
        more = f" and {len(bare) - SHOWN} more" if len(bare) > SHOWN else ""
        raise DataError(
            f"{root}: {len(bare)} of {len(names)} pictures have no box in {boxes}: {', '.join(bare[:SHOWN])}{more}. Add their "
            "boxes, take them away, or, if nothing of your classes is in them, give them a class: --background NAME"
        )
    if background is not None and background in labels:
        raise DataError(f"background: {background!r} has boxes in {boxes}: name the class of the pictures without any")
    if background is not None and not bare:
        raise DataError(f"background: every picture in {root} has boxes in {boxes}: leave --background out")
    classes = tuple(sorted(labels | ({background} if background is not None else set())))
    items = [_item(root, name, drawn.get(name, []), classes, background) for name in names]
    by_split: dict[str, list[Item]] = {part: [i for i in items if i.name.startswith(f"{part}/")] for part in SPLITS}
    given = bool(by_split["train"] and by_split["val"]) and sum(map(len, by_split.values())) == len(items)
    parts = {part: some for part, some in by_split.items() if some} if given else {"train": items}
    return Data(root, classes, parts, given)


def _item(root: Path, name: str, drawn: list[Drawn], classes: tuple[str, ...], background: str | None) -> Item:
    covered: dict[str, float] = defaultdict(float)
    for label, (x0, y0, x1, y1) in drawn:
        covered[label] += (x1 - x0) * (y1 - y0)
    main = max(covered, key=lambda label: (covered[label], label)) if drawn else str(background)
    boxes = tuple((float(classes.index(label)), *box) for label, box in drawn)
    return Item(root / name, classes.index(main), name, boxes)


def cut(data: Data, groups: dict[Path, str], val_share: float, test_share: float, seed: int) -> Data:
    """Split as `data.split` does, but by boxes or none, not by class: a class may have boxes without a picture of its own."""
    kinds = ("pictures with boxes", "pictures without")
    items = {item.path: item for item in data.splits["train"]}
    coarse = [item._replace(label=int(not item.boxes)) for item in items.values()]
    present = kinds if any(item.label for item in coarse) else kinds[:1]
    parts = split(Data(data.root, present, {"train": coarse}, given=False), groups, val_share, test_share, seed)
    return Data(
        data.root,
        data.classes,
        {part: [items[item.path] for item in some] for part, some in parts.splits.items()},
        False,
    )


class Learned(NamedTuple):
    """What the box head is to learn on: the numbers of the classes with boxes, and the (height, width) of its grid."""

    classes: tuple[int, ...]
    grid: Size


class BoxPictures(Pictures):
    """Pictures as inputs, and in place of where the label may hold what the box head is to give (see `box_loss.wanted`)."""

    def __init__(self, items: list[Item], preprocess: Preprocess, augment: BoxAugment, learned: Learned) -> None:
        super().__init__(items, preprocess, augment)
        self.learned = learned

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        item = self.items[index]
        assert self.augment is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.augment.seed, self.epoch, index))
            picture, boxes = self.augment(item)
        channels = torch.tensor([self.learned.classes.index(int(number)) for number in boxes[:, 0]], dtype=torch.long)
        target = wanted(boxes[:, 1:], channels, len(self.learned.classes), self.preprocess.size, self.learned.grid)
        return pixels(picture, self.preprocess), item.label, target
