"""What a model was found to do with pictures, as arrays with a row for each row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.jobs.store import Store
from whylight.subgroups.chances.contrast import Bools, Floats, Ints
from whylight.subgroups.looking.frame import NONE, PARTS, SIDE
from whylight.subgroups.looking.look import LOOKED, key_of
from whylight.subgroups.looking.packing import unpacked


@dataclass(frozen=True, eq=False)
class Looked:
    """A row for each picture that was asked for, in that order, doubles included.

    Attributes:
        paths: the pictures.
        there: (n,) of which there are answers; the others could not be read, and their rows are NaN (−1 for classes).
        logits: (n, C).
        predicted: (n,) the top class, −1 where there is none.
        asked: (n,) the class that the map is about; −1 where the target is no class.
        features: (n, K).
        maps: (n, SIDE, SIDE) evidence, each of its own maximum; NaN where there is no face to lay it on.
        labels: (n, SIDE, SIDE) the part of each cell, a place in `frame.PARTS`, or `frame.NONE`.
        shares: of the evidence by part, (n,) each; NaN where nobody knows.
        inside: (n,) the share of the evidence that lies in the frame.
        matrices: (n, 2, 3) each frame's place in its picture, pixel = matrix @ (x, y, 1) for a cell's (x, y); NaN for none.
        aligned: (n,) by what the frame was laid: `points`, `eyes`, `box`, `picture`; `no face`, or "" where there is no answer.
        covered: logits (n, C) with a region covered, by (region, `here` or `elsewhere`); NaN where it was not.
        judged: how faithful maps are, (n,) by measure; NaN for pictures that were not judged.
        classes: names of the logits.
        multilabel: whether they do not exclude each other.
        failed: pictures without an answer, each with what is wrong.
        told: what was asked, and how: for a report.
    """

    paths: list[Path]
    there: Bools
    logits: Floats
    predicted: Ints
    asked: Ints
    features: Floats
    maps: Floats
    labels: NDArray[np.uint8]
    shares: dict[str, Floats]
    inside: Floats
    matrices: Floats
    aligned: list[str]
    covered: dict[tuple[str, str], Floats] = field(default_factory=dict)
    judged: dict[str, Floats] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    multilabel: bool = False
    failed: dict[str, str] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    def take(self, rows: Sequence[int]) -> Self:
        """Some rows, in an order of one's own; one may come twice."""
        at = np.asarray(rows, np.int64)
        arrays = ("there", "logits", "predicted", "asked", "features", "maps", "labels", "inside", "matrices")
        return replace(
            self,
            paths=[self.paths[row] for row in at],
            aligned=[self.aligned[row] for row in at],
            shares={name: values[at] for name, values in self.shares.items()},
            covered={name: values[at] for name, values in self.covered.items()},
            judged={name: values[at] for name, values in self.judged.items()},
            **{name: getattr(self, name)[at] for name in arrays},
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures were laid on a frame by what, and how many were not, or have no answer."""
        names = [one or "no answer" for one in self.aligned]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def probabilities(self) -> Floats:
        """(n, C): softmax of the logits, or sigmoids where classes do not exclude each other."""
        if self.multilabel:
            return np.asarray(1 / (1 + np.exp(-self.logits)), np.float64)
        raised = np.exp(self.logits - self.logits.max(1, keepdims=True))
        return np.asarray(raised / raised.sum(1, keepdims=True), np.float64)


def read(store: Store, paths: Sequence[str | Path]) -> Looked:
    """Read what a store knows of pictures.

    Raises:
        DataError: if it knows of none of them, or its records are of different models.
    """
    places = list(map(Path, paths))
    records = [store.get(key_of(path, LOOKED)) for path in places]
    first = next((one for one in records if one is not None), None)
    if first is None:
        raise DataError(
            f"{store.path}: there are no answers to any of the {len(places):,} pictures; see the errors above"
        )
    n = len(places)
    logits = np.full((n, len(unpacked(first["logits"], "f4"))), np.nan)
    features = np.full((n, len(unpacked(first["features"], "f4"))), np.nan)
    maps = np.full((n, SIDE, SIDE), np.nan)
    labels = np.full((n, SIDE, SIDE), NONE, np.uint8)
    shares, inside = np.full((n, len(PARTS)), np.nan), np.full(n, np.nan)
    matrices = np.full((n, 2, 3), np.nan)
    asked = np.full(n, -1)
    for i, record in enumerate(records):
        if record is None:
            continue
        try:
            logits[i], features[i] = unpacked(record["logits"], "f4"), unpacked(record["features"], "f4")
            asked[i] = record["asked"]
            if "map" in record:
                maps[i] = unpacked(record["map"], "f2", (SIDE, SIDE))
                labels[i] = unpacked(record["labels"], "u1", (SIDE, SIDE), squeezed=True)
                shares[i] = record["shares"] if record["shares"] is not None else np.nan
                inside[i] = record["inside"]
                matrices[i] = np.array(record["matrix"]).reshape(2, 3)
        except (KeyError, ValueError) as error:
            raise DataError(f"{store.path}: the line of {places[i]} is not whole ({error}); --overwrite") from error
    there = np.array([record is not None for record in records])
    predicted = np.full(n, -1)
    predicted[there] = logits[there].argmax(1)
    by_part = {part: shares[:, number] for number, part in enumerate(PARTS)}
    aligned = ["" if record is None else record["aligned"] for record in records]
    return Looked(places, there, logits, predicted, asked, features, maps, labels, by_part, inside, matrices, aligned)


def frames(records: Mapping[Path, dict[str, Any]]) -> dict[Path, tuple[Floats, NDArray[np.uint8]]]:
    """Of each record that has a frame, its matrix and labels."""
    return {
        path: (
            np.array(record["matrix"]).reshape(2, 3),
            unpacked(record["labels"], "u1", (SIDE, SIDE), squeezed=True),
        )
        for path, record in records.items()
        if "matrix" in record
    }
