"""`whylight.open_maps`: a map store as explanations, one at a time, whatever it holds."""

from __future__ import annotations

import os
import random
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from whylight.errors import DataError
from whylight.explanation import Explanation
from whylight.mapstore import parts
from whylight.mapstore.arrow import arrow
from whylight.mapstore.plan import Plan
from whylight.mapstore.schema import FAILED, OK, VERSION, Row, explanation_of, map_of
from whylight.shown import shown

_OPEN = 4  # parts held in memory


class MapStore(Sequence[Explanation]):
    """The maps of a run. Parts are read when something of them is asked for, and a few are held.

    Made by `whylight.open_maps`. `len(store)` is how many maps there are; pictures that failed are in `store.failed()`.

    Attributes:
        folder: the run's folder.
        plan: what was asked of which pictures.
        is_complete: whether all that was planned is there.

    >>> import tempfile, whylight
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = whylight.jobs.run(whylight.jobs.Job("maps", ["examples"], folder, model="face"))
    ...     store = whylight.open_maps(folder)
    ...     (len(store), store[0].label, store[0].map.shape == store.map(0).shape, store.is_complete)
    (1, 'face', True, True)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        plan = Plan.read(self.folder)
        if plan is None:
            raise DataError(
                f"{shown(self.folder)}: holds no map store; whylight explain PICTURES --maps FOLDER makes one"
            )
        self.plan = plan
        self._marks = list(parts.done(self.folder, plan.run).values())
        self._ends = list(accumulate(one.maps for one in self._marks))
        self._held: OrderedDict[int, Any] = OrderedDict()
        self.is_complete = len(self._marks) == plan.parts

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: Any) -> Any:
        """The explanation at a place, its picture read again; of a slice, a list."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return explanation_of(self.row(place))

    def __iter__(self) -> Iterator[Explanation]:
        for row in self.rows():
            yield explanation_of(row)

    def row(self, place: int) -> Row:
        """All that is known of the map at a place, as a mapping; its picture is not read."""
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"map {place}: there are {len(self):,}")
        which = bisect_right(self._ends, at)
        before = self._ends[which - 1] if which else 0
        row: Row = self._part(which).slice(at - before, 1).to_pylist()[0]
        return row

    def map(self, place: int) -> Any:
        """The raw map at a place: (h, w) float32."""
        return map_of(self.row(place))

    def rows(self, *, columns: Sequence[str] | None = None, **equal: Any) -> Iterator[Row]:
        """The rows of maps, in order.

        Args:
            columns: these alone; default: all.
            equal: what rows must say, as `label="face"` or `method="gradcam"`.

        Raises:
            DataError: if there is no such column.
        """
        for table in self.tables(columns=columns, **equal):
            yield from table.to_pylist()

    def tables(self, *, columns: Sequence[str] | None = None, **equal: Any) -> Iterator[Any]:
        """The same as tables of Arrow, one a part: for figures over many maps."""
        pc = arrow("compute")
        for mark in self._marks:
            wanted = None if columns is None else list(dict.fromkeys([*columns, "status", *equal]))
            table = self._read(mark, wanted)
            keep = pc.equal(table["status"], OK)
            for name, value in equal.items():
                keep = pc.and_(keep, pc.fill_null(pc.equal(table[name], value), False))
            found = table.filter(keep)
            yield found if columns is None else found.select(list(columns))

    def of(self, **equal: Any) -> Iterator[Explanation]:
        """Explanations of which rows say so, as `store.of(label="face")` or `store.of(picture="/photos/a.jpg")`."""
        for row in self.rows(**equal):
            yield explanation_of(row)

    def sample(self, count: int, seed: int = 0) -> list[Explanation]:
        """So many at random, each once; all where there are fewer."""
        places = sorted(random.Random(seed).sample(range(len(self)), min(count, len(self))))
        return [self[one] for one in places]

    def failed(self) -> Iterator[tuple[str, str]]:
        """Pictures that could not be explained, each with the reason."""
        for mark in self._marks:
            if mark.failed:
                table = self._read(mark, ["picture", "status", "error"])
                for row in table.filter(arrow("compute").equal(table["status"], FAILED)).to_pylist():
                    yield row["picture"], row["error"]

    def _part(self, which: int) -> Any:
        """The rows with maps of a part; a few parts are held."""
        if which not in self._held:
            table = self._read(self._marks[which], None)
            self._held[which] = table.filter(arrow("compute").equal(table["status"], OK))
            if len(self._held) > _OPEN:
                self._held.popitem(last=False)
        self._held.move_to_end(which)
        return self._held[which]

    def _read(self, mark: parts.Mark, columns: list[str] | None) -> Any:
        pa, path = arrow(), self.folder / mark.file
        try:
            with arrow("parquet").ParquetFile(path) as file:
                known: Mapping[bytes, bytes] = file.schema_arrow.metadata or {}
                if known.get(b"whylight.schema") != str(VERSION).encode():
                    raise DataError(f"{shown(path)}: was written by another version of whylight")
                if unknown := [one for one in columns or () if one not in file.schema_arrow.names]:
                    raise DataError(
                        f"{shown(unknown[0])}: no column of a map store: {', '.join(file.schema_arrow.names)}"
                    )
                return file.read(columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{shown(path)}: cannot be read: {shown(str(error).splitlines()[0])}") from None


def open_maps(path: str | os.PathLike[str]) -> MapStore:
    """Open the maps that `whylight explain PICTURES --maps FOLDER` wrote.

    Args:
        path: the folder. What is there so far can be read while a run goes on.

    Returns:
        A sequence of `Explanation`s, read when they are asked for.

    Raises:
        DataError: if it holds no map store.
        WhylightError: if pyarrow is not installed.
    """
    arrow()
    return MapStore(path)
