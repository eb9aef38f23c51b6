"""The plan of a run: which pictures, in which parts, asked what. Written once, added to where the input grew, never changed.

    RUN/plan/plan.json             what is asked (and its fingerprint), how many pictures a part has, the lists below
    RUN/plan/inputs-0000.parquet   the pictures, with what a manifest says of them; a further list where the input grew
    RUN/maps/part-000000-….parquet the rows of a part; the name follows from the content
    RUN/done/000000.json           that a part is whole, and which file it is
    RUN/_SUCCESS                   that all are

A part without its mark is made again, whatever lies in `maps/`. So a kill loses what was in flight, and nothing is there twice.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

from whylight.errors import DataError, WhylightError
from whylight.jobs.folder import place_in, put
from whylight.jsontext import dumps, loads
from whylight.mapstore.arrow import arrow
from whylight.mapstore.inputs import PICTURE, PROBLEM
from whylight.schema import Schema
from whylight.shown import shown

NAME, FORMAT = "plan/plan.json", 1
_GROUP = 32_768  # rows that are read from a list of pictures at once


@dataclass(frozen=True)
class Inputs:
    """A list of pictures.

    Attributes:
        file: where it lies, in the folder.
        rows: how many.
        stamps: of the manifests that it was made of: path, size, time of the last change; empty where folders were searched.
    """

    file: str
    rows: int
    stamps: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What is to be done, part by part.

    Attributes:
        folder: the run's folder.
        settings: all that results depend on.
        part_size: pictures in a part.
        inputs: the lists of pictures, in order; a part never reaches over the end of one.
    """

    folder: Path
    settings: Mapping[str, Any]
    part_size: int
    inputs: tuple[Inputs, ...] = ()

    @property
    def run(self) -> str:
        """The fingerprint of what is asked."""
        return hashlib.sha256(dumps(self.settings, compact=True).encode()).hexdigest()[:16]

    @property
    def rows(self) -> int:
        """How many pictures."""
        return sum(one.rows for one in self.inputs)

    @property
    def parts(self) -> int:
        """How many parts."""
        return self._ends[-1] if self.inputs else 0

    @property
    def _ends(self) -> list[int]:
        """Of each list, the number of the part behind its last."""
        return list(accumulate(-(-one.rows // self.part_size) for one in self.inputs))

    def place(self, part: int) -> tuple[int, int, int]:
        """Of a part: which list, the first row in it, how many rows."""
        ends = self._ends
        which = bisect_right(ends, part)
        first = (part - (ends[which - 1] if which else 0)) * self.part_size
        return which, first, min(self.part_size, self.inputs[which].rows - first)

    def rows_of(self, part: int) -> tuple[int, Any]:
        """Of a part: the place of its first picture in the plan, and a table with a row for each picture."""
        which, first, count = self.place(part)
        before = sum(one.rows for one in self.inputs[:which])
        group = first // self._group
        table = _group_of(str(self.folder / self.inputs[which].file), group)
        return before + first, table.slice(first - group * self._group, count)

    @property
    def _group(self) -> int:
        """Rows read at once: whole parts."""
        return max(1, _GROUP // self.part_size) * self.part_size

    def columns(self) -> list[str]:
        """What manifests say of pictures."""
        names = {
            name: None for one in self.inputs for name in arrow("parquet").read_schema(self.folder / one.file).names
        }
        return [name for name in names if name not in (PICTURE, PROBLEM)]

    def all(self, *columns: str) -> Any:
        """These columns of all pictures, in order."""
        tables = [arrow("parquet").read_table(self.folder / one.file, columns=list(columns)) for one in self.inputs]
        return arrow().concat_tables(tables, promote_options="permissive")

    def grown(self, pictures: Any, stamps: list[list[Any]]) -> Self:
        """The plan with one list more, written down.

        Raises:
            WriteError: if it cannot be written.
        """
        name = f"plan/inputs-{len(self.inputs):04d}.parquet"
        sink = arrow().BufferOutputStream()
        arrow("parquet").write_table(pictures, sink, compression="zstd", row_group_size=self._group)
        put(self.folder, name, sink.getvalue().to_pybytes())
        plan = replace(self, inputs=(*self.inputs, Inputs(name, pictures.num_rows, stamps)))
        plan.write()
        return plan

    def seen(self, stamps: list[list[Any]]) -> Self:
        """The plan with the news that these manifests hold nothing new, written down."""
        *others, last = self.inputs
        plan = replace(self, inputs=(*others, replace(last, stamps=stamps)))
        plan.write()
        return plan

    def write(self) -> None:
        """Write `plan.json`."""
        told = {
            "whylight": "maps",
            "format": FORMAT,
            "run": self.run,
            "part_size": self.part_size,
            "settings": self.settings,
            "inputs": [vars(one) for one in self.inputs],
        }
        put(self.folder, NAME, (dumps(told, indent=1) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The plan of a folder; None where there is none.

        Raises:
            DataError: if it cannot be read, or is none of ours.
        """
        path = folder / NAME
        try:
            value = loads(place_in(folder, NAME).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{shown(path)}: cannot be read: {error.strerror}") from None
        except ValueError:
            raise DataError(f"{shown(path)}: is cut short or no JSON; begin a new run in another folder") from None
        if not isinstance(value, dict) or value.get("whylight") != "maps" or value.get("format") != FORMAT:
            raise DataError(f"{shown(path)}: was not written by this version of whylight")
        try:
            known: _Written = _WRITTEN.read(
                {key: one for key, one in value.items() if key not in ("whylight", "format")}
            )
        except ValueError as error:
            raise DataError(f"{shown(path)}: {shown(error)}") from None
        plan = cls(folder, known.settings, known.part_size, tuple(known.inputs))
        if plan.run != known.run or plan.part_size < 1 or any(one.rows < 1 for one in plan.inputs):
            raise DataError(f"{shown(path)}: was changed since it was written; begin a new run in another folder")
        return plan

    def check(self, settings: Mapping[str, Any], part_size: int | None) -> None:
        """Refuse to go on with another question.

        Raises:
            WhylightError: naming what differs.
        """
        ours, theirs = loads(dumps(settings)), dict(self.settings)
        for name in (*ours, *theirs):
            if ours.get(name) != theirs.get(name):
                raise WhylightError(
                    f"{shown(self.folder)}: is a run with another setting, {shown(name)}: {shown(_short(theirs.get(name)))} there, "
                    f"{shown(_short(ours.get(name)))} now. Choose another folder for a new run"
                )
        if part_size is not None and part_size != self.part_size:
            raise WhylightError(f"{shown(self.folder)}: its parts have {self.part_size:,} pictures, and keep them")


@dataclass(frozen=True)
class _Written:
    """What lies in `plan.json`."""

    run: str
    part_size: int
    settings: dict[str, Any]
    inputs: list[Inputs]


_WRITTEN = Schema(_Written)


@lru_cache(maxsize=2)
def _group_of(path: str, group: int) -> Any:
    with arrow("parquet").ParquetFile(path) as file:
        return file.read_row_group(group)


def _short(value: Any) -> str:
    text = dumps(value)
    return text if len(text) <= 120 else text[:120] + "…"
