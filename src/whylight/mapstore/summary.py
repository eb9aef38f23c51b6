"""What a map store says as a whole: a mean map and figures for each group, and the strangest maps. Parts are read one at a time.

Only sums are held, one set a group: memory does not grow with the number of maps.
"""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import DataError
from whylight.jobs.folder import put
from whylight.jobs.names import safe
from whylight.jsontext import dumps
from whylight.mapstore.arrow import arrow
from whylight.mapstore.store import MapStore
from whylight.render.colormap import colorize
from whylight.shown import shown

Floats = NDArray[np.float64]
FOLDER = "summary"
_COLUMNS = (
    "row",
    "picture",
    "method",
    "label",
    "probability",
    "flat",
    "level",
    "map_unit",
    "map_height",
    "map_width",
    "map",
)
_MOST = 1000  # groups: of more, a column tells pictures apart, and no groups
_CELL = 16  # pixels of a cell in a drawing
_DRAWN = 200  # mean maps drawn
NOTHING = "(nothing)"  # the group of those of whom a column says nothing


class Strange(NamedTuple):
    """A map that is unlike its group's.

    Attributes:
        distance: 1 less the cosine of it and the group's mean map.
    """

    distance: float
    picture: str
    group: str


@dataclass
class Group:
    """The maps of one method and one group.

    Attributes:
        maps: how many.
        without: of them, how many say nothing about places.
        mean: (h, w): each map's positive evidence, of its own maximum; the mean over those that say something.
        probability: the mean probability of what was explained; None where no target had one.
        spread: the mean cosine distance of maps to the mean map.
    """

    method: str
    group: str
    maps: int = 0
    without: int = 0
    total: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    probabilities: float = 0.0
    known: int = 0
    distances: float = 0.0

    @property
    def mean(self) -> Floats:
        """The mean map."""
        return np.asarray(self.total / max(1, self.maps - self.without), np.float64)

    @property
    def probability(self) -> float | None:
        """The mean probability."""
        return self.probabilities / self.known if self.known else None

    @property
    def spread(self) -> float | None:
        """How far maps are from their mean, 0 (all alike) to 1."""
        told = self.maps - self.without
        return self.distances / told if told else None

    def to_dict(self) -> dict[str, Any]:
        """All but the map, as JSON holds it."""
        peak = None
        if self.mean.any():
            y, x = divmod(int(self.mean.argmax()), self.mean.shape[1])
            peak = [(x + 0.5) / self.mean.shape[1], (y + 0.5) / self.mean.shape[0]]
        return {
            "method": self.method,
            "group": self.group,
            "maps": self.maps,
            "without evidence": self.without,
            "mean probability": self.probability,
            "mean distance to the mean map": self.spread,
            "peak of the mean map": peak,
        }


class Summary(NamedTuple):
    """What a store says as a whole.

    Attributes:
        by: the column that maps are grouped by.
        groups: the largest first.
        strange: the maps most unlike their group's, the strangest first.
    """

    by: str
    groups: list[Group]
    strange: list[Strange]

    def write(self, store: MapStore) -> list[str]:
        """Write `summary.json`, `means.npz` and a drawing of each mean map into `summary/` of the store's folder.

        Returns:
            The files, relative to it.
        """
        told = {
            "by": self.by,
            "maps": len(store),
            "complete": store.is_complete,
            "groups": [one.to_dict() for one in self.groups],
            "strange": [one._asdict() for one in self.strange],
        }
        files = {f"{FOLDER}/summary.json": (dumps(told, indent=1) + "\n").encode()}
        sink = io.BytesIO()
        np.savez_compressed(sink, allow_pickle=False, **{f"{one.method} {one.group}": one.mean for one in self.groups})
        files[f"{FOLDER}/means.npz"] = sink.getvalue()
        for place, one in enumerate(self.groups[:_DRAWN]):
            files[f"{FOLDER}/{place:03d}-{safe(one.method)}-{safe(one.group)}.png"] = _drawn(one.mean)
        for name, data in files.items():
            put(store.folder, name, data)
        return list(files)


def summarise(store: MapStore, *, by: str = "label", strange: int = 20) -> Summary:
    """Mean maps and figures by group. Every map is read twice: for the means, and for how far it is from them.

    Args:
        store: from `whylight.open_maps`.
        by: a column of the maps (`label`, `target`, `asked`), or one that the table of pictures had.
        strange: how many of the strangest maps are named.

    Raises:
        DataError: if there is no such column, it has more than 1,000 values, or there are no maps.
    """
    if not len(store):
        raise DataError(f"{shown(store.folder)}: holds no map yet")
    group_of = _groups(store, by)
    found: dict[tuple[str, str], Group] = {}
    for batch in _batches(store, group_of, by):
        for (method, name), rows in batch.split().items():
            one = found.setdefault((method, name), Group(method, name))
            if len(found) > _MOST:
                raise DataError(f"by: {shown(by)} has more than {_MOST:,} values; take a column that has fewer")
            _add(one, batch, rows)
    heap: list[Strange] = []
    for batch in _batches(store, group_of, by):
        for key, rows in batch.split().items():
            one = found[key]
            far = _distances(batch.maps[rows], one.total)
            told = batch.told[rows]
            one.distances += float(far[told].sum())
            for row, distance in zip(rows[told], far[told], strict=True):
                item = Strange(float(distance), batch.pictures[row], one.group)
                if len(heap) < strange:
                    heapq.heappush(heap, item)
                elif heap and item > heap[0]:
                    heapq.heapreplace(heap, item)
    groups = sorted(found.values(), key=lambda one: (-one.maps, one.method, one.group))
    return Summary(by, groups, sorted(heap, reverse=True))


class _Batch(NamedTuple):
    """The maps of a part, on one grid."""

    maps: Floats  # (n, h, w), positive evidence, of its own maximum
    told: NDArray[np.bool_]  # which say something
    methods: list[str]
    groups: list[str]
    pictures: list[str]
    probabilities: Floats

    def split(self) -> dict[tuple[str, str], NDArray[np.int64]]:
        """The rows of each method and group."""
        keys: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(zip(self.methods, self.groups, strict=True)):
            keys.setdefault(key, []).append(row)
        return {key: np.asarray(rows, np.int64) for key, rows in keys.items()}


def _add(one: Group, batch: _Batch, rows: NDArray[np.int64]) -> None:
    one.maps += len(rows)
    one.without += int((~batch.told[rows]).sum())
    summed = batch.maps[rows].sum(0)
    one.total = summed if not one.total.size else one.total + summed
    known = np.isfinite(batch.probabilities[rows])
    one.known += int(known.sum())
    one.probabilities += float(batch.probabilities[rows][known].sum())


def _distances(maps: Floats, mean: Floats) -> Floats:
    """1 less the cosine of each map (n, h, w) and a mean map."""
    flat, one = maps.reshape(len(maps), -1), mean.ravel()
    lengths = np.linalg.norm(flat, axis=1) * np.linalg.norm(one)
    return np.asarray(1 - (flat @ one) / np.where(lengths > 0, lengths, 1), np.float64)


def _groups(store: MapStore, by: str) -> Callable[[list[int]], list[str]] | None:
    """For a column of the table of pictures, what it says of rows of the plan; None where the maps have the column."""
    if by in ("label", "target", "asked", "method", "model"):
        return None
    if by not in (there := store.plan.columns()):
        more = ", ".join(map(shown, there))
        raise DataError(
            f"by: there is no column {shown(repr(by))}; take label, target, asked{', ' + more if more else ''}"
        )
    column = arrow("compute").cast(store.plan.all(by)[by], arrow().string()).combine_chunks()

    def said(rows: list[int]) -> list[str]:
        return [NOTHING if one is None else str(one) for one in column.take(arrow().array(rows)).to_pylist()]

    return said


def _batches(store: MapStore, group_of: Callable[[list[int]], list[str]] | None, by: str) -> Iterator[_Batch]:
    grid: tuple[int, int] | None = None
    columns = list(dict.fromkeys([*_COLUMNS, *([by] if group_of is None else [])]))
    for table in store.tables(columns=columns):
        if not table.num_rows:
            continue
        rows = {name: table[name].to_pylist() for name in columns if name != "map"}
        grid = grid or (rows["map_height"][0], rows["map_width"][0])
        maps = np.stack([
            _on(grid, np.frombuffer(one, "<f2").reshape(h, w).astype(np.float64) * unit - level)
            for one, h, w, unit, level in zip(
                table["map"].to_pylist(), rows["map_height"], rows["map_width"], rows["map_unit"], rows["level"], strict=True
            )
        ]).clip(min=0)  # fmt: skip
        told = np.array([flat == "" for flat in rows["flat"]])
        most = maps.max((1, 2), keepdims=True)
        maps = np.where(told[:, None, None] & (most > 0), maps / np.where(most > 0, most, 1), 0.0)
        groups = (
            group_of(rows["row"])
            if group_of is not None
            else [NOTHING if one is None else str(one) for one in rows[by]]
        )
        probabilities = np.array([np.nan if one is None else one for one in rows["probability"]], np.float64)
        yield _Batch(maps, told, rows["method"], groups, rows["picture"], probabilities)


def _on(grid: tuple[int, int], cells: Floats) -> Floats:
    """A map on the grid of the first."""
    if cells.shape == grid:
        return cells
    return np.asarray(cv2.resize(cells, grid[::-1], interpolation=cv2.INTER_LINEAR), np.float64)


def _drawn(mean: Floats) -> bytes:
    picture = Image.fromarray(np.asarray(colorize(mean / (mean.max() or 1.0)), np.uint8))
    with io.BytesIO() as file:
        size = picture.width * _CELL, picture.height * _CELL
        picture.resize(size, Image.Resampling.NEAREST).save(file, "PNG")
        return file.getvalue()
