"""Annotated pictures: which there are, what is on them and where; or an error that names every wrong line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from whylight.errors import DataError, ImageError, TargetError
from whylight.evaluate.labels import Labels
from whylight.images import size_of, walk
from whylight.images.annotations import SHOWN, Rectangle, Row, fitted, read_rows

MASKS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm")  # kinds of file that keep every pixel's number
_ENDLESS = (1 << 30, 1 << 30)  # the size of a picture that cannot be read, which is told when it is its turn


class Labelled(NamedTuple):
    """A picture, one class on it, and where that class is.

    A picture with boxes of several classes comes once for each of them.

    Attributes:
        path: the file.
        name: its path relative to the data's folder, with forward slashes.
        label: name of the class; None where nothing says which it is.
        boxes: of that class, (x0, y0, x1, y1) each, half-open, in pixels of the upright picture.
        mask: a picture of the same size, above zero where the class is.
    """

    path: Path
    name: str
    label: str | None
    boxes: tuple[Rectangle, ...] = ()
    mask: Path | None = None


def read(
    folder: str | os.PathLike[str],
    boxes_csv: str | os.PathLike[str] | None = None,
    masks: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
    *,
    label: str | None = None,
) -> list[Labelled]:
    """List annotated pictures, sorted by name.

    Args:
        folder: the pictures, at any depth. Without boxes, the folders at its top are the classes (`CLASS/….jpg`).
        boxes_csv: a CSV file with the columns file, x0, y0, x1, y1 and, unless `label` says it, label: half-open, in pixels of the
            upright picture at its own size. Files are relative to `folder` or to the CSV's own folder; lines about files
            outside `folder` are left out, and so are pictures that no line names.
        masks: a folder with a mask for each picture, of the same name but for the suffix (its folder may be left out where no two
            pictures share a name); above zero is the object. Pictures without a mask have none.
        classes: the model's classes: labels may be names, ImageNet synsets or indices, and come back as its names. Without it
            they come back as they are.
        label: the class that everything annotated is, whatever the file or the folder says.

    Raises:
        DataError: naming file and line, what is wrong and what to do: no such folder, no pictures, an empty CSV, a column that
            is missing, a missing file, a box that is inverted or outside its picture, an unknown label, a mask of another size.
        TargetError: if `label` is no class.
    """
    known = Labels(classes) if classes is not None else None
    found = _Reading(Path(folder), known, known.name(label) if known is not None and label is not None else label)
    if not found.root.is_dir():
        raise DataError(f"{found.root}: no such folder of pictures")
    pictures = list(found.boxed(Path(boxes_csv)) if boxes_csv is not None else found.foldered())
    if masks is not None:
        pictures = found.masked(pictures, Path(masks))
    if found.problems:
        rest = len(found.problems) - SHOWN
        more = [f"and {rest} more"] if rest > 0 else []
        raise DataError("\n  ".join(["the annotations cannot be used as they stand:", *found.problems[:SHOWN], *more]))
    return pictures


class _Reading:
    """One reading of annotations: what is wrong is collected in `problems`, and told at once."""

    def __init__(self, root: Path, known: Labels | None, label: str | None) -> None:
        self.root, self.known, self.label = root, known, label
        self.problems: list[str] = []
        self._unknown: dict[
            str, tuple[int, str, int]
        ] = {}  # labels: the place among the problems, the first line, how often
        self._sizes: dict[Path, tuple[int, int] | None] = {}

    def boxed(self, file: Path) -> Iterator[Labelled]:
        """The pictures that a CSV names, once for each class that has boxes on them."""
        top = os.path.abspath(self.root) + os.sep
        boxes: dict[tuple[str, str], list[Rectangle]] = {}
        outside = 0
        for row in read_rows(file, labelled=self.label is not None, problems=self.problems):
            place = next((place for base in (self.root, file.parent) if (place := base / row.file).is_file()), None)
            if place is None:
                self.problems.append(
                    f"{row.where}: there is no file {row.file} in {self.root}, nor beside the CSV; add it, or remove the line"
                )
                continue
            path = os.path.abspath(place)
            if not path.startswith(top):
                outside += 1
                continue
            name = path[len(top) :].replace(os.sep, "/")
            label = self._label(row)
            box = fitted(row, self._size(self.root / name) or _ENDLESS, self.problems)
            if label is not None and box is not None:
                boxes.setdefault((name, label), []).append(box)
        if not boxes and not self.problems:
            boxes_are = "one box is of a file" if outside == 1 else f"{outside} boxes are of files"
            why = f"its {boxes_are} outside {self.root}" if outside else "it holds no boxes, only a header"
            raise DataError(f"{file}: {why}; give the CSV that belongs to these pictures")
        for name, label in sorted(boxes):
            yield Labelled(self.root / name, name, label, tuple(boxes[name, label]))

    def foldered(self) -> Iterator[Labelled]:
        """The pictures of a folder; the folders at its top are the classes, if they are called like classes."""
        paths = walk([self.root])
        names = [path.relative_to(self.root).as_posix() for path in paths]
        folders = sorted({name.split("/")[0] for name in names if "/" in name})
        labels: dict[str, str] = {}
        wrong: list[str] = []
        for one in folders if self.label is None else []:
            try:
                labels[one] = self.known.name(one) if self.known is not None else one
            except TargetError as error:
                wrong.append(str(error))
        if labels and wrong:  # some are called like classes, so the others are meant to be
            raise DataError(
                f"{self.root}: {len(wrong)} of {len(folders)} folders are no classes of this model; rename or remove them: "
                + "; ".join(wrong[:3])
            )
        for path, name in zip(paths, names, strict=True):
            yield Labelled(path, name, self.label or labels.get(name.split("/")[0]))

    def masked(self, pictures: Sequence[Labelled], folder: Path) -> list[Labelled]:
        """The same pictures, each with its mask, where it has one."""
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder of masks")
        stems = Counter(stem.name for stem in {Path(one.name).with_suffix("") for one in pictures})
        found = [one._replace(mask=self._mask(one, folder, stems)) for one in pictures]
        if pictures and not any(one.mask for one in found):
            raise DataError(
                f"{folder}: holds no mask for any of the pictures; a mask is called like its picture, with .png"
            )
        return found

    def _label(self, row: Row) -> str | None:
        if self.label is not None:
            return self.label
        try:
            return self.known.name(row.label) if self.known is not None else row.label
        except TargetError as error:
            place, first, count = self._unknown.get(row.label, (len(self.problems), row.where, 0))
            self._unknown[row.label] = (place, first, count + 1)
            more = f" and {count} more line{'' if count == 1 else 's'}" if count else ""
            words = f"{first}{more}: {error}. Correct it, or say what all boxes are: --label CLASS"
            self.problems[place : place + 1] = [words]
            return None

    def _mask(self, one: Labelled, folder: Path, stems: Counter[str]) -> Path | None:
        stem = Path(one.name).with_suffix("")
        names = (stem, stem.name) if stems[stem.name] == 1 else (stem,)  # without its folder, where that says enough
        places = [folder / f"{name}{suffix}" for name in names for suffix in MASKS]
        mask = next((place for place in places if place.is_file()), None)
        if mask is None:
            return None
        size, own = self._size(one.path), self._size(mask)
        if own is None:
            self.problems.append(f"{mask}: this mask cannot be read; it should be a picture, such as a PNG")
        elif size is not None and own != size:
            self.problems.append(
                f"{mask}: this mask has {own[0]} × {own[1]} pixels, and its picture {one.name} has {size[0]} × {size[1]}; "
                "make them the same size"
            )
        return mask

    def _size(self, path: Path) -> tuple[int, int] | None:
        """(width, height) of a picture as it is decoded; None if it cannot be."""
        if path not in self._sizes:
            try:
                self._sizes[path] = size_of(path)
            except ImageError:
                self._sizes[path] = None
        return self._sizes[path]
