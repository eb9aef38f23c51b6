"""Boxes that were found, in all runs, in the forms that other tools read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.jobs.folder import put
from whylight.jobs.names import PIPED
from whylight.jobs.results import Results, stamp
from whylight.jsontext import dumps

if TYPE_CHECKING:
    from whylight.boxes.formats import Found
    from whylight.jobs.lines import Record

FORMS = ("coco", "yolo", "csv")
NUMBERED = ("coco", "yolo")  # of the forms, those in which classes are numbers


def export(results: Results, forms: Sequence[str], root: str, classes: Sequence[str]) -> None:
    """Write the boxes of all pictures that the folder knows and that are as they were when they were searched.

    Args:
        results: of the output folder.
        forms: among `coco`, `yolo` and `csv`.
        root: absolute path of the folder that pictures are named from.
        classes: the model's; not needed for `csv`.
    """
    from whylight.boxes import formats

    records = current(results)
    names = named([record["stamp"]["path"] for record in records], root)
    found = [_found(record, name) for record, name in zip(records, names, strict=True)]

    def write(name: str, text: str) -> None:
        put(results.folder, name, text.encode(errors="surrogateescape"))  # names in the bytes that they have on disk

    if "csv" in forms:
        write("boxes.csv", formats.table(found))
    if "coco" in forms:
        write("coco.json", dumps(formats.coco(found, classes), indent=1) + "\n")
    if "yolo" in forms:
        listed = formats.categories(found, classes)
        write("classes.txt", "".join(f"{name}\n" for name in listed))
        for record, one in zip(records, found, strict=True):
            stem = record["file"].removesuffix(".boxes.png")
            write(f"labels/{stem}.txt", formats.yolo(one, formats.numbers(listed)))


def current(results: Results) -> list[Record]:
    """The latest record of each picture, by path; without pictures that are gone or others now, or whose result is gone."""
    latest = {record["stamp"]["path"]: record for record in results.records()}
    return [latest[path] for path in sorted(latest) if holds(latest[path], results.folder)]


def named(paths: Iterable[str], root: str) -> list[str]:
    """Pictures named as `evaluate --data ROOT --boxes` and `train ROOT --boxes` look for them: from the root.

    Where one lies elsewhere, as those of another run may, or the root is that of the whole file system, all are named by absolute
    paths: these are found from any folder.

    >>> named(["/p/a.jpg", "/p/sub/b.jpg"], "/p"), named(["/p/a.jpg", "/q/b.jpg"], "/p")
    (['a.jpg', 'sub/b.jpg'], ['/p/a.jpg', '/q/b.jpg'])
    """
    found = [Path(path) for path in paths]
    inside = all(path.is_relative_to(root) for path in found if path.is_absolute()) and root != os.path.dirname(root)
    return [(path.relative_to(root) if inside and path.is_absolute() else path).as_posix() for path in found]


def holds(record: Record, folder: Path) -> bool:
    """Whether a record's picture is as it was, and its result there."""
    if PIPED.fullmatch(record["stamp"]["path"]):
        return Path(folder, record["file"]).is_file()
    try:
        now = stamp(record["stamp"]["path"])
    except (OSError, ValueError):  # gone; or no path at all, which a line may hold that somebody changed
        return False
    return dict(now) == dict(record["stamp"]) and Path(folder, record["file"]).is_file()


def _found(record: Record, name: str) -> Found:
    from whylight.boxes import Box
    from whylight.boxes.formats import Found

    width, height = record["picture_size"]
    return Found(name, (width, height), [(record["label"], Box(**box)) for box in record["boxes"]])
