"""From what single maps tell to figures over all pictures, each with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from whylight.evaluate.baselines import BASELINES
from whylight.evaluate.bootstrap import Interval, interval, rate, share
from whylight.evaluate.boxes import THRESHOLDS
from whylight.evaluate.data import Labelled
from whylight.evaluate.figures import Cell, Curve
from whylight.evaluate.findings.boxes import EXACT, Boxes, at, at_best, each
from whylight.evaluate.findings.localization_words import ANSWERS, FIGURES, PROTOCOL, near
from whylight.evaluate.maps import Rules
from whylight.evaluate.masks import curve, pxap
from whylight.evaluate.results import Result
from whylight.jobs.lines import Record
from whylight.shown import plural


@dataclass(frozen=True)
class Findings:
    """The records of one method, stacked: n, one for each class that is annotated on a picture. Arrays are None where none has
    what they need.

    Attributes:
        pictures: the picture of each record; the same more than once where several classes are annotated on it.
        labels: the class of each.
        correct: whether the map is of the picture's own class; where it is not, everything else counts as a miss.
        largest, any: (n, T) overlaps, see `boxes.overlaps`; `boxed` says of which pictures.
        pixels: (m, 2, 101) counts, of the m records that have a mask; `masked` says of which.
        inside, near, energy: (n,) each.
        flat: how many maps show nothing, by kind.
    """

    pictures: list[str]
    labels: list[str]
    correct: NDArray[np.bool_]
    boxed: NDArray[np.int64]
    largest: NDArray[np.int64] | None
    any: NDArray[np.int64] | None
    pixels: NDArray[np.int64] | None
    masked: list[int]
    inside: NDArray[np.bool_]
    near: NDArray[np.bool_]
    energy: NDArray[np.float64]
    flat: dict[str, int]

    @classmethod
    def of(cls, records: Sequence[tuple[Labelled, Record]]) -> Self:
        """Stack records."""
        boxed = [place for place, (one, _) in enumerate(records) if one.boxes]
        nothing = [0] * len(THRESHOLDS)

        def stacked(name: str) -> NDArray[np.int64] | None:
            rows = [records[place][1].get(name, nothing) for place in boxed]
            return np.array(rows, dtype=np.int32).astype(np.int64) if rows else None

        masked = [place for place, (_, record) in enumerate(records) if "pixels" in record]
        pixels = [records[place][1]["pixels"] for place in masked]
        kinds = [record.get("flat", "") for _, record in records]
        return cls(
            pictures=[one.name for one, _ in records],
            labels=[one.label or "" for one, _ in records],
            correct=np.array([record.get("correct", True) for _, record in records]),
            boxed=np.array(boxed, dtype=np.int64),
            largest=stacked("largest"),
            any=stacked("any"),
            pixels=np.array(pixels, dtype=np.int64) if pixels else None,
            masked=masked,
            inside=np.array([record.get("inside", False) for _, record in records]),
            near=np.array([record.get("near", False) for _, record in records]),
            energy=np.array([record.get("energy", 0.0) for _, record in records]),
            flat={kind: kinds.count(kind) for kind in ("blank", "constant") if kind in kinds},
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def files(self) -> int:
        """How many different pictures there are."""
        return len(set(self.pictures))

    @property
    def boxed_pictures(self) -> list[str]:
        """The picture of each row of overlaps."""
        return [self.pictures[place] for place in self.boxed]


def result(
    findings: Mapping[tuple[str, str], Findings],
    rules: Rules,
    thresholds: Mapping[str, float],
    model: str,
    data: str,
    protocol: Mapping[str, Any],
) -> Result:
    """All figures of a localisation evaluation, from findings by method and by whose class was asked for."""
    cells: list[Cell] = []
    curves: list[Curve] = []
    for (name, asked), found in findings.items():
        if asked == "true":
            given = thresholds.get(name, thresholds.get(""))
            cells += _boxes(name, found, given)
            cells += _masks(name, found)
            cells += _pointing(name, found, rules)
            curves += _curves(name, found)
        else:
            cells += _top1(name, found, thresholds.get(name, thresholds.get("")))
    first = next(iter(findings.values()))
    order = dict.fromkeys(measure for measure in ANSWERS if any(_kind(cell.measure) == measure for cell in cells))
    cells.sort(key=lambda cell: list(order).index(_kind(cell.measure)))
    flat = {
        name: " and ".join(f"{count} {kind}" for kind, count in found.flat.items())
        for (name, asked), found in findings.items()
        if found.flat and asked == "true"
    }
    remarks = (
        []
        if first.files > 1
        else ["One picture only: there is no interval, and no figure says more than that picture."]
    )
    remarks += [
        f"{name}: {what} maps of {len(first)} show nothing; they have no box and count as misses."
        for name, what in flat.items()
    ]
    shown = {curve.figure for curve in curves}
    return Result(
        kind="localization",
        title="Do the maps find the object?",
        model=model,
        data=data,
        pictures=first.files,
        protocol={**PROTOCOL, "pointing game": near(rules.tolerance), **protocol},
        cells=cells,
        curves=curves,
        figures={name: words for name, words in FIGURES.items() if name in shown},
        answers={cell.measure: ANSWERS[_kind(cell.measure)] for cell in cells},
        baselines=BASELINES,
        remarks=tuple(remarks),
    )


def _boxes(name: str, found: Findings, threshold: float | None) -> Iterator[Cell]:
    if found.largest is None or found.any is None:
        return
    largest, every = (Boxes(one, found.boxed_pictures) for one in (found.largest, found.any))
    best = largest.best(0.5)
    spread = f"; within one point from {best.low:.2f} to {best.high:.2f}" if best.accuracy > 0 else ""
    yield at_best(name, "MaxBoxAcc (IoU 0.5)", largest.chosen, f"{at(best)}{spread}")
    if threshold is not None:
        note = "IoU 0.5; the threshold was fixed beforehand"
        yield Cell(name, f"Box accuracy at {threshold:.2f}", largest.at(threshold), note=note)
    yield at_best(name, "MaxBoxAccV2 (largest part)", largest.chosen_v2, each(largest))
    yield at_best(name, "MaxBoxAccV2 (any part)", every.chosen_v2, each(every))


def _top1(name: str, found: Findings, threshold: float | None) -> Iterator[Cell]:
    right = rate(found.correct, found.pictures)
    yield Cell(name, "Top-1 accuracy", right, note="the model's, whatever the map")
    if found.largest is not None:
        boxes = Boxes(found.largest, found.boxed_pictures)
        yield at_best(name, "Top-1 localisation (IoU 0.5)", boxes.chosen, at(boxes.best(0.5)))
        if threshold is not None:
            note = "the threshold was fixed beforehand"
            yield Cell(name, f"Top-1 localisation at {threshold:.2f}", boxes.at(threshold), note=note)


def _masks(name: str, found: Findings) -> Iterator[Cell]:
    if found.pixels is None or not found.pixels[:, 0].any():  # no pixel is an object's
        return
    pixels = found.pixels.reshape(len(found.pixels), -1).astype(np.float64)  # (m, 202)

    def score(chosen: NDArray[np.int64]) -> float:
        times = np.bincount(chosen, minlength=len(pixels)).astype(np.float64)
        return 100 * pxap((times @ pixels).reshape(2, -1))

    covered = found.pixels[:, 0].sum() / found.pixels.sum()
    pictures = [found.pictures[place] for place in found.masked]
    with_mask = f"{plural(len(set(pictures)), 'picture')} with a mask"
    note = f"{with_mask}; the object has {covered:.1%} of the pixels, which is what chance would score"
    yield Cell(name, "PxAP", share(score, len(pixels), pictures), note=note)


def _pointing(name: str, found: Findings, rules: Rules) -> Iterator[Cell]:
    yield Cell(name, "Pointing game (inside)", rate(found.inside, found.pictures))
    yield Cell(name, f"Pointing game ({rules.tolerance:g} px)", rate(found.near, found.pictures))
    numbers = np.unique(found.labels, return_inverse=True)[1]
    if numbers.max() > 0:  # several classes

        def by_class(chosen: NDArray[np.int64]) -> float:
            there = np.bincount(numbers[chosen])
            right = np.bincount(numbers[chosen], found.near[chosen].astype(np.float64))
            return 100 * float((right[there > 0] / there[there > 0]).mean())

        measure = f"Pointing game ({rules.tolerance:g} px), mean of classes"
        mean = share(by_class, len(found), found.pictures)
        yield Cell(name, measure, mean, note=f"{numbers.max() + 1} classes")
    yield Cell(name, "Energy pointing game", interval(100.0 * found.energy, found.pictures))
    if name not in BASELINES:
        nothing = sum(found.flat.values())
        what = ", ".join(f"{count} {kind}" for kind, count in found.flat.items())
        yield Cell(name, "Maps that show nothing", Interval(nothing, None, None, found.files), "maps", "lower", what)


def _curves(name: str, found: Findings) -> Iterator[Curve]:
    if found.largest is not None:
        boxes = Boxes(found.largest, found.boxed_pictures)
        yield Curve("threshold", name, THRESHOLDS.tolist(), (100 * boxes.rates()[1]).tolist())
        yield Curve("overlap", name, EXACT.tolist(), boxes.by_overlap())
    if found.pixels is not None and found.pixels[:, 0].any():
        precision, recall = curve(found.pixels.sum(0))
        yield Curve("pixels", name, (100 * recall).tolist(), (100 * precision).tolist())


def _kind(measure: str) -> str:
    """A measure's name without the numbers that an option chose."""
    for kind in ("Box accuracy", "Top-1 localisation at"):
        if measure.startswith(kind):
            return kind
    if measure.startswith("Pointing game (") and "inside" not in measure:
        return "Pointing game, mean of classes" if measure.endswith("classes") else "Pointing game (near)"
    return measure
