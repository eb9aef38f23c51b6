"""Write what `whylight locate` found, in all runs, in the forms that other tools read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.atomic import named_errors, replacing
from whylight.cli.ledger import Ledger, Record, stamp

if TYPE_CHECKING:
    from whylight.boxes.formats import Found

NUMBERED = ("coco", "yolo")  # of the forms, those in which classes are numbers


def export(ledger: Ledger, forms: Sequence[str], root: str, classes: Sequence[str]) -> None:
    """Write the boxes of all pictures that the ledger knows and that are as they were when they were searched.

    Args:
        ledger: of the output folder.
        forms: among `coco`, `yolo` and `csv`.
        root: absolute path of the folder that pictures are named from.
        classes: the model's; not needed for `csv`.
    """
    from whylight.boxes import formats

    records = current(ledger)
    names = named([record["stamp"]["path"] for record in records], root)
    found = [_found(record, name) for record, name in zip(records, names, strict=True)]
    if "csv" in forms:
        _put(ledger.folder / "boxes.csv", formats.table(found))
    if "coco" in forms:
        _put(
            ledger.folder / "coco.json",
            json.dumps(formats.coco(found, classes), ensure_ascii=False, indent=1) + "\n",
        )
    if "yolo" in forms:
        listed = formats.categories(found, classes)
        _put(ledger.folder / "classes.txt", "".join(f"{name}\n" for name in listed))
        for record, one in zip(records, found, strict=True):
            stem = record["file"].removesuffix(".boxes.png")
            _put(ledger.folder / "labels" / f"{stem}.txt", formats.yolo(one, formats.numbers(listed)))


def current(ledger: Ledger) -> list[Record]:
    """The latest record of each picture, by path; without pictures that are gone or others now, or whose result is gone."""
    latest = {record["stamp"]["path"]: record for record in ledger.records()}
    return [latest[path] for path in sorted(latest) if _holds(latest[path], ledger.folder)]


def named(paths: Iterable[str], root: str) -> list[str]:
    """Pictures named as `evaluate --data ROOT --boxes` and `train ROOT --boxes` look for them: from the root.

    Where one lies elsewhere, as those of another run may, or the root is that of the whole file system, all are named by absolute
    paths: these are found from any folder.

    >>> named(["/p/a.jpg", "/p/sub/b.jpg"], "/p"), named(["/p/a.jpg", "/q/b.jpg"], "/p")
    (['a.jpg', 'sub/b.jpg'], ['/p/a.jpg', '/q/b.jpg'])
    """
    found = [Path(path) for path in paths]
    inside = all(path.is_relative_to(root) for path in found) and root != os.path.dirname(root)
    return [(path.relative_to(root) if inside else path).as_posix() for path in found]


def _holds(record: Record, folder: Path) -> bool:
    try:
        now = stamp(record["stamp"]["path"])
    except OSError:
        return False
    return now == dict(record["stamp"]) and (folder / record["file"]).is_file()


def _found(record: Record, name: str) -> Found:
    from whylight.boxes.formats import Found
    from whylight.localize import Box

    width, height = record["picture_size"]
    return Found(name, (width, height), [(record["label"], Box(**box)) for box in record["boxes"]])


def _put(path: Path, text: str) -> None:
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
