"""Run a model over pictures with a region covered, in everybody's the same: what `whylight.subgroups.hiding` judges."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, stack

from whylight.errors import DataError, ModelError, WhylightError
from whylight.jobs.events import Watch
from whylight.jobs.lines import Key, Record
from whylight.jobs.runner import Answer, Question, carry_out
from whylight.jobs.store import Store
from whylight.models.base import Classifier, checked
from whylight.pipeline.ahead import Opened
from whylight.pipeline.ask import ask_each
from whylight.pipeline.workers import Workers
from whylight.shown import shown
from whylight.subgroups.chances.contrast import Bools, Floats
from whylight.subgroups.hiding import FILLS, Fill, cover
from whylight.subgroups.looking.frame import PARTS, SIDE, onto_input
from whylight.subgroups.looking.look import LOOKED, key_of
from whylight.subgroups.looking.looked import frames
from whylight.subgroups.looking.packing import packed, unpacked

Where = str | NDArray[np.bool_]
HERE, ELSEWHERE = "here", "elsewhere"


class Covering:
    """Work for the runner: each region, where it is and, for comparison, the same hole elsewhere in the frame.

    Args:
        model: the model.
        regions: names of `frame.PARTS`, or masks (SIDE, SIDE) under names of their own.
        fill: see `hiding.FILLS`.
        store: has the frames, from `run.look_over`; it gets the answers.
        paths: pictures; those without a frame are left out.
        watch, batch_size: as in `run.Looking`.
    """

    patient: ClassVar[bool] = False

    def __init__(
        self,
        model: Classifier,
        regions: Mapping[str, Where],
        fill: Fill,
        store: Store,
        paths: Sequence[Path],
        watch: Watch,
        *,
        batch_size: int | None = None,
    ) -> None:
        self.model, self.store, self.watch, self._fill = model, store, watch, fill
        self._regions, self._batch_size = regions, batch_size
        known = {path: record for path in paths if (record := store.get(key_of(path, LOOKED))) is not None}
        self._frames = frames(known)
        self.items = list(self._frames)

    @property
    def questions(self) -> Sequence[Question]:
        """Region by region, here and elsewhere."""
        return [
            question_of(name, region, self._fill, where)
            for name, region in self._regions.items()
            for where in (HERE, ELSEWHERE)
        ]

    def knows(self, item: Path, question: Question) -> bool:
        """Whether the store does."""
        return key_of(item, question) in self.store

    def prepare(self) -> None:
        """The model is there."""

    def source(self, item: Path) -> Path:
        """The picture's path."""
        return item

    def ask(self, items: Sequence[Path], questions: Sequence[Question], workers: Workers) -> Generator[Answer[Path]]:
        """Cover each region in turn, and ask again."""
        size = self._batch_size or (16 if self.model.device.type == "cpu" else 32)

        def asked(batch: Sequence[Opened]) -> list[list[tuple[Key, Record]] | WhylightError]:
            return self._asked([items[one.place] for one in batch], batch, questions)

        for opened, parts in ask_each(self.model, items, asked, size, on_error=self.watch.failed, workers=workers):
            yield Answer(items[opened.place], list(parts), opened.pixels)
            del opened, parts

    def _asked(
        self, paths: Sequence[Path], batch: Sequence[Opened], questions: Sequence[Question]
    ) -> list[list[tuple[Key, Record]] | WhylightError]:
        x = stack([one.x for one in batch])
        size = (x.shape[2], x.shape[3])
        found: list[list[tuple[Key, Record]]] = [[] for _ in batch]
        for question in questions:
            masks = np.stack(
                [
                    onto_input(self._mask(path, question), self._frames[path][0], one.region, size)
                    for path, one in zip(paths, batch, strict=True)
                ]
            )
            areas = masks.mean((1, 2)).tolist()
            logits = self._logits(x, torch.from_numpy(masks), areas)
            for i, path in enumerate(paths):
                record: Record = {"area": areas[i], "logits": packed(logits[i], "f4") if areas[i] > 0 else ""}
                found[i].append((key_of(path, question), record))
            bad = [not bool(logits[i].isfinite().all()) for i in range(len(batch))]
            if any(bad):
                name = batch[bad.index(True)].name
                raise ModelError(f"{name}: the answer is not finite where {question[1]} is covered")
        return list(found)

    def _logits(self, x: Tensor, masks: Tensor, areas: Sequence[float]) -> Tensor:
        """(N, C): of the covered inputs; zeros where nothing is to be covered."""
        some = [i for i, area in enumerate(areas) if area > 0]
        found = torch.zeros(len(x), len(self.model.classes))
        if some:
            found[some] = self.model.logits(cover(x[some], masks[some], self._fill)).float().cpu()
        return found

    def _mask(self, path: Path, question: Question) -> Bools:
        name, where = str(question[1]), str(question[-1])
        region, labels = self._regions[name], self._frames[path][1]
        mask = labels == list(PARTS).index(name) if isinstance(region, str) else region
        if where == HERE:
            return mask
        # By the picture's name, so that it is the same when a run goes on: from a quarter to three quarters of the frame away.
        rng = np.random.default_rng(zlib.crc32(path.name.encode("utf-8", "surrogateescape")))
        down, across = rng.integers(SIDE // 4, 3 * SIDE // 4, 2)
        return np.roll(mask, (down, across), (0, 1)) & ~mask

    def write(self, part: tuple[Key, Record]) -> tuple[Key, Record]:
        """It is a record already."""
        return part

    def note(self, part: tuple[Key, Record]) -> None:
        """One line more."""
        self.store.add(*part)


def question_of(name: str, region: Where, fill: Fill, where: str) -> Question:
    """What tells the answers about a covered region from others."""
    what = "" if isinstance(region, str) else f"{zlib.crc32(np.packbits(region).tobytes()):08x}"
    return "covered", name, what, fill, where


def regions_of(names: Sequence[str], masks: Mapping[str, ArrayLike] | None = None) -> dict[str, Where]:
    """Regions by name, checked.

    Raises:
        DataError: if a part is unknown, a mask is of another size or empty, or a name is given twice.
    """
    found: dict[str, Where] = {}
    for name in names:
        if name not in PARTS:
            raise DataError(f"cover: there is no part called {shown(repr(name))}; choose among {', '.join(PARTS)}")
        found[name] = name
    for name, given in (masks or {}).items():
        mask = np.asarray(given, np.bool_)
        if mask.shape != (SIDE, SIDE) or not mask.any():
            raise DataError(
                f"cover: {shown(name)}: expected a mask of {SIDE} × {SIDE} cells, not all empty, got {mask.shape}"
            )
        if name in found or name in PARTS:
            raise DataError(f"cover: {shown(name)}: is the name of a part; give the mask another")
        found[name] = mask
    return found


def cover_over(
    model: Classifier,
    paths: Sequence[str | Path],
    regions: Mapping[str, Where],
    store: Store,
    *,
    fill: Fill = "mean",
    watch: Watch | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
) -> None:
    """Ask a model about pictures with regions covered; what is known is not asked again.

    Args:
        model: the one that `run.look_over` asked.
        paths: pictures.
        regions: from `regions_of`.
        store: has what `run.look_over` found.
        fill: see `hiding.FILLS`.
        watch, workers, batch_size: as in `run.look_over`.
    """
    if fill not in FILLS:
        raise DataError(f"fill: expected one of {', '.join(FILLS)}, got {shown(repr(fill))}")
    if not regions:
        return
    places = list(dict.fromkeys(map(Path, paths)))
    work = Covering(checked(model), regions, fill, store, places, watch or Watch(), batch_size=batch_size)
    carry_out(work, work.items, work.watch, workers)


def covered(
    store: Store, paths: Sequence[str | Path], name: str, region: Where, *, fill: Fill = "mean", where: str = HERE
) -> Floats:
    """What a model said with a region covered: logits (n, C), NaN where it was not, or there is nothing of it in the picture.

    Raises:
        DataError: if it was covered in none of them.
    """
    found = try_covered(store, paths, name, region, fill=fill, where=where)
    if found is None:
        raise DataError(f"{shown(name)}: was covered in none of the {len(paths):,} pictures")
    return found


def try_covered(
    store: Store, paths: Sequence[str | Path], name: str, region: Where, *, fill: Fill = "mean", where: str = HERE
) -> Floats | None:
    """The same; None where it was covered in no picture."""
    question = question_of(name, region, fill, where)
    records = [store.get(key_of(Path(path), question)) for path in paths]
    told = [None if one is None or not one["logits"] else unpacked(one["logits"], "f4") for one in records]
    first = next((one for one in told if one is not None), None)
    if first is None:
        return None
    return np.stack([np.full(len(first), np.nan) if one is None else one.astype(np.float64) for one in told])
