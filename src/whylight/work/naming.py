"""Names of the files that explanations go into: never one that another result has, nor one that was given in this run.

What earlier runs called otherwise is moved, and what a new result stands for is deleted.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.atomic import named_errors
from whylight.jobs.folder import place_in
from whylight.jobs.names import file_name, grid_name
from whylight.jobs.pictures import Picture
from whylight.jobs.templates import Template

if TYPE_CHECKING:
    from whylight.jobs.lines import Record
    from whylight.jobs.results import Results
    from whylight.work.explain_job import Settings

# Settings that change how a map is shown, not which.
DRAWN = frozenset({"style", "colormap", "alpha", "scale", "format", "verify", "grid"})
RAW = "map.npz"  # what a raw map ends in


class Names:
    """Deals them out.

    Args:
        out: the results folder.
        pictures: those of the job, which may lie in it.
        results: what is there.
        look: of the job: template, style and format.
    """

    def __init__(self, out: Path, pictures: Iterable[Picture], results: Results, look: Settings) -> None:
        self._out, self._results, self._look = out, results, look
        self._template = template_of(look)
        # Neither a picture, where results lie among them, nor what another picture's results begin with.
        places = [os.path.abspath(place) for one in pictures for place in (one.key, out / one.stem)]
        self._taken = {place.casefold() for place in places}
        self._given: set[str] = set()

    def of_map(self, item: Picture, record: Record, with_raw: bool) -> dict[str, Any]:
        """Names for one map of a picture in a file of its own, and for the raw map, with the template they are made by."""

        def made(taken: int) -> list[str]:
            file = self._place(item, record, taken) or file_name(
                item.stem, record["method"], record["label"], self._look.style, self._look.format, taken
            )
            return [file, self._raw(item, record, taken)] if with_raw else [file]

        file, *raw = self._free(made, lambda owner: _same_map(owner, record))
        return {**self._by(), "file": file, "map": raw[0] if raw else None}

    def of_grid(self, item: Picture, records: Sequence[Record]) -> str:
        """A name for the grid of a picture; one with other methods or targets takes the place of the last."""
        both = {key: "+".join(dict.fromkeys(str(one[key]) for one in records)) for key in ("method", "label", "target")}
        about = {**records[0], **both, "probability": None, "score": None}

        def made(taken: int) -> list[str]:
            return [self._place(item, about, taken) or grid_name(item.stem, self._look.format, taken)]

        return self._free(made, lambda owner: _is_grid(owner) and _same_model(owner, records[0]))[0]

    def on_grid(self, item: Picture, record: Record, file: str, with_raw: bool) -> dict[str, Any]:
        """The name of a grid for one of its maps, with a name for the raw one, and the template they are made by."""
        raw = None
        if with_raw:
            (raw,) = self._free(lambda taken: [self._raw(item, record, taken)], lambda owner: _same_map(owner, record))
        return {**self._by(), "file": file, "map": raw}

    def keep(self, record: Record) -> None:
        """Leave a known result its names: no other gets them in this run."""
        self._given.update(name.casefold() for name in (record["file"], record["map"]) if name)

    def _by(self) -> dict[str, str]:
        return {} if self._look.name is None else {"name": self._look.name}

    def _place(self, item: Picture, about: Record, taken: int) -> str | None:
        if self._template is None:
            return None
        return f"{self._template.place(item.stem, {**about, 'style': self._look.style}, taken)}.{self._look.format}"

    def _raw(self, item: Picture, record: Record, taken: int) -> str:
        """Called alike in whatever style the map is drawn, since it is the same; those of a grid, which go with it, apart."""
        if self._template is None:
            style = "grid" if self._look.style == "grid" else "overlay"
            return file_name(item.stem, record["method"], record["label"], style, RAW, taken)
        return f"{self._template.place(item.stem, {**record, 'style': self._look.style}, taken)}.{RAW}"

    def _free(self, made: Callable[[int], list[str]], ours: Callable[[Record], bool]) -> list[str]:
        for taken in itertools.count():
            names = made(taken)
            if all(self._is_free(name, ours) for name in names):
                break
        self._given.update(name.casefold() for name in names)
        return [Path(name).as_posix() for name in names]

    def _is_free(self, name: str, ours: Callable[[Record], bool]) -> bool:
        if name.casefold() in self._given or os.path.abspath(self._out / name).casefold() in self._taken:
            return False
        owner = self._results.owner(name)
        if owner is None:
            return True
        # A raw map may be of a grid and of a file of its own; a picture is of one of them.
        return ours(owner) and (name.endswith(RAW) or _is_grid(owner) == (self._look.style == "grid"))


class Files:
    """Moves and deletes the files of results, sparing those that other results have, too."""

    def __init__(self, out: Path, results: Results) -> None:
        self._out, self._results = out, results
        self._moved: set[tuple[str, str]] = set()

    def move(self, before: Record, now: Record) -> None:
        """Call the files of a result otherwise, and note it down."""
        for old, new in ((before["file"], now["file"]), (before["map"], now["map"])):
            if old is not None and new is not None and old != new:
                self._move(old, new)
        self._results.forget(before)
        self._results.add(now)

    def drop(self, before: Record, now: Record) -> None:
        """Forget a result that another one, noted down already, stands for; its files go, but for those that others have, too.

        A raw map stays where no new one was made: it was asked for once.
        """
        self._results.forget(before)
        for name in (before["file"], before["map"] if now["map"] else None):
            if name and not self._results.holders(name):
                path = place_in(self._out, name)
                with named_errors(path):
                    path.unlink(missing_ok=True)
                    self._tidy(path.parent)

    def _move(self, old: str, new: str) -> None:
        source, target = place_in(self._out, old), place_in(self._out, new)
        with named_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if self._results.holders(old) <= 1:
                source.replace(target)
                self._tidy(source.parent)
            elif (old, new) not in self._moved:  # the other maps of a grid will come for it, too
                shutil.copyfile(source, target)
        self._moved.add((old, new))

    def _tidy(self, folder: Path) -> None:
        """Take away folders that are empty now, up to the results folder."""
        while folder != self._out and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def template_of(look: Settings) -> Template | None:
    """The template of a job's names, where there is one.

    Raises:
        WhylightError: if it cannot be used.
    """
    return None if look.name is None else Template(look.name, look.format)


def _same_map(owner: Record, record: Record) -> bool:
    """Whether two records answer the same question about the same picture, perhaps drawn in other colours, or verified."""
    return all(owner.get(key) == record[key] for key in ("method", "target", "label")) and _same_model(owner, record)


def _same_model(owner: Record, record: Record) -> bool:
    """Whether the same model was asked about the same picture in the same way."""
    what = [{k: v for k, v in one["settings"].items() if k not in DRAWN} for one in (owner, record)]
    return bool(owner["stamp"]["path"] == record["stamp"]["path"] and what[0] == what[1])


def _is_grid(record: Record) -> bool:
    return bool(record["settings"].get("style") == "grid")
