"""What the pages of all kinds of job have in common: pictures by name, their labels, what failed, and the writing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from whylight.errors import TargetError, WhylightError, WhylightWarning
from whylight.evaluate.labels import Labels
from whylight.jobs.folder import ERRORS
from whylight.jsontext import loads
from whylight.pages import page
from whylight.pages.entries import Entry, Gallery
from whylight.pages.thumbs import Thumbs, name_of
from whylight.pipeline.workers import Workers
from whylight.render.thumbnail import thumbnail
from whylight.shown import shown
from whylight.train.data.folders import SPLIT_LIKE

if TYPE_CHECKING:
    from PIL import Image

    from whylight.jobs.lines import Record
    from whylight.jobs.session import Session

_CLASSES = (
    "model",
    "pretrained",
    "weights",
    "model_file",
    "bundled",
    "classes",
)  # settings that say which classes there are


class Shelf:
    """Collects the pictures of a page.

    Args:
        out: the results folder.
        root: the folder that pictures are named from.
        session: the run.

    Raises:
        WhylightError: if somebody else's page is in the way.
    """

    def __init__(self, out: Path, root: str, session: Session) -> None:
        page.check_place(out)
        self.out, self.root, self._session = out, root, session
        self.thumbs = Thumbs(out)
        self.entries: dict[str, Entry] = {}  # by absolute path, and more where a picture has several
        self._wanted: dict[str, str] = {}  # small pictures → the files they are made from
        self._labels: dict[str, Labels | None] = {}
        self._truths: dict[tuple[str, str], str | None] = {}

    def entry(self, key: str, path: str, size: tuple[int, int], picture: str | None = None, note: str = "") -> Entry:
        """The entry of a picture, made where there is none; `picture` is its thumbnail, `note` follows its name."""
        if key not in self.entries:
            self.entries[key] = Entry(name_from(self.root, path) + note, size, picture)
        return self.entries[key]

    def keep_picture(self, record: Record, picture: Image.Image) -> None:
        """Keep the thumbnail of a picture that is at hand anyway; threads may."""
        if not self.thumbs.has(name := _picture_of(record)):
            self.thumbs.keep(name, thumbnail(picture))

    def picture(self, record: Record) -> str:
        """The thumbnail of a record's picture."""
        return self.small(_picture_of(record), record["stamp"]["path"])

    def file(self, name: str) -> str:
        """The thumbnail of a file of the folder."""
        facts = os.stat(self.out / name)
        return self.small(name_of("file", name, facts.st_size, facts.st_mtime_ns), str(self.out / name))

    def small(self, name: str, path: str) -> str:
        """A thumbnail that is made of a file if it is not there."""
        self._wanted[name] = path
        return name

    def remember(self, settings: Mapping[str, Any], classes: Sequence[str]) -> None:
        """Keep a model's classes, so that the next page need not load it."""
        self.thumbs.keep_list(_classes_of(settings), classes)

    def truth(self, record: Record, load: Callable[[], Sequence[str]] | None) -> str | None:
        """The class that a picture's folder is named after, the topmost below the root; None where it is no class's name.

        Args:
            record: about the picture.
            load: gives the model's classes where they are not known yet; None: they cannot be had.
        """
        folder = label_in(name_from(self.root, record["stamp"]["path"]))
        if folder is None:
            return None
        name = _classes_of(record["settings"])
        if name not in self._labels:
            classes = self.thumbs.get_list(name)
            if classes is None and load is not None:
                classes = self._loaded(record, load)
            self._labels[name] = Labels(classes) if classes else None
        if (
            name,
            folder,
        ) not in self._truths:  # looked up once: for a name that is none, all classes are searched for near ones
            self._truths[name, folder] = _class_called(folder, self._labels[name])
        return self._truths[name, folder]

    def _loaded(self, record: Record, load: Callable[[], Sequence[str]]) -> list[str] | None:
        try:
            classes = list(load())
        except WhylightError as error:  # the results are there without their model
            said = f"the page tells nothing correct or wrong, since the model's classes are not known: {error}"
            warnings.warn(said, WhylightWarning, stacklevel=2)
            return None
        self.remember(record["settings"], classes)
        return classes

    def fail(self) -> None:
        """Add what went wrong in this run."""
        try:
            lines = (self.out / ERRORS).read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            failure = loads(line)
            path = os.path.abspath(failure["picture"])
            entry = self.entries.setdefault(path, Entry(name_from(self.root, path)))
            # Its path as it was typed says nothing more than the name does, and may say who the user is.
            entry.error = failure["error"].removeprefix(f"{shown(failure['picture'])}: ")

    def write(self, gallery: Gallery) -> Path:
        """Make the small pictures that are missing, write the page, and delete small pictures that it does not show."""
        with Workers(self._session.workers) as workers:
            self.thumbs.make(self._wanted, workers, self._session.watch.cancel.check)
        path = page.write(gallery, self.out, self.thumbs)
        used = {entry.picture for entry in gallery.entries}
        used |= {view.layer for entry in gallery.entries for view in entry.views}
        self.thumbs.sweep({name for name in used if name is not None} | set(self._labels))
        return path

    def sorted(self) -> list[Entry]:
        """All entries, by name."""
        return sorted(self.entries.values(), key=lambda entry: entry.name)


def _picture_of(record: Record) -> str:
    """The name of the thumbnail of a record's picture."""
    return name_of("picture", record["stamp"])


def link(name: str) -> str:
    """The address of a file of the folder, relative to the page: nothing in it is a scheme, a query or a mark.

    >>> link("javascript:alert(1)#x?.png")
    './javascript%3Aalert%281%29%23x%3F.png'
    """
    return "./" + quote(os.fsencode(name))


def name_from(root: str, path: str) -> str:
    """A picture's name as people tell it: from the folder that was given, with forward slashes."""
    return PurePath(os.path.relpath(path, root)).as_posix()


def label_in(name: str) -> str | None:
    """The folder of a picture that may be a label: the topmost, below `train`, `val` or the like; None where there is none.

    >>> label_in("cat/a.jpg"), label_in("val/cat/more/a.jpg"), label_in("a.jpg"), label_in("../cat/a.jpg")
    ('cat', 'cat', None, None)
    """
    folders = name.split("/")[:-1]
    if len(folders) > 1 and folders[0] in SPLIT_LIKE:
        folders = folders[1:]
    return folders[0] if folders and folders[0] not in ("..", *SPLIT_LIKE) else None


def _class_called(folder: str, labels: Labels | None) -> str | None:
    # A folder called 7 is a year's month or somebody's numbering as often as a class: only a class of that name counts.
    if labels is None or (folder.isdigit() and folder not in labels.classes):
        return None
    try:
        return labels.name(folder)
    except TargetError:
        return None


def _classes_of(settings: Mapping[str, Any]) -> str:
    return "classes-" + name_of({key: settings.get(key) for key in _CLASSES})
