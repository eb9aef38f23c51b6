"""Names of the files that explanations go into: never one that another result has, nor one that was given in this run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.jobs.names import file_name, grid_name
from whylight.jobs.pictures import Picture

if TYPE_CHECKING:
    from whylight.jobs.lines import Record

# Settings that change how a map is shown, not which.
DRAWN = frozenset({"style", "colormap", "alpha", "format", "verify", "grid"})


class Names:
    """Deals them out.

    Args:
        out: the results folder.
        pictures: those of the job, which may lie in it.
        owner: the record whose file a name is.
    """

    def __init__(self, out: Path, pictures: Iterable[Picture], owner: Callable[[str], Record | None]) -> None:
        self._out, self._owner = out, owner
        self._stems = {os.path.abspath(out / one.stem) for one in pictures}
        self._given: set[str] = set()

    def of_map(self, item: Picture, record: Record, style: str, suffix: str) -> str:
        """A name for one map of a picture."""
        return self._free(
            lambda taken: file_name(item.stem, record["method"], record["label"], style, suffix, taken),
            lambda owner: _same_map(owner, record),
        )

    def of_grid(self, item: Picture, record: Record) -> str:
        """A name for the grid of a picture; one with other methods or targets takes the place of the last."""
        suffix = record["settings"]["format"]
        return self._free(
            lambda taken: grid_name(item.stem, suffix, taken),
            lambda owner: _is_grid(owner) and _same_model(owner, record),
        )

    def _free(self, made: Callable[[int], str], ours: Callable[[Record], bool]) -> str:
        for taken in itertools.count():
            name = made(taken)
            owner = self._owner(name)
            free = owner is None or ours(owner)
            if free and name.casefold() not in self._given and os.path.abspath(self._out / name) not in self._stems:
                break
        self._given.add(name.casefold())
        return Path(name).as_posix()


def _same_map(owner: Record, record: Record) -> bool:
    """Whether two records answer the same question about the same picture, perhaps drawn in other colours, or verified."""
    same = all(owner.get(key) == record[key] for key in ("method", "target", "label"))
    return same and _is_grid(owner) == _is_grid(record) and _same_model(owner, record)


def _same_model(owner: Record, record: Record) -> bool:
    """Whether the same model was asked about the same picture in the same way."""
    what = [{k: v for k, v in one["settings"].items() if k not in DRAWN} for one in (owner, record)]
    return bool(owner["stamp"]["path"] == record["stamp"]["path"] and what[0] == what[1])


def _is_grid(record: Record) -> bool:
    return bool(record["settings"].get("style") == "grid")
