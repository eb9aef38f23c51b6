"""Are maps equally faithful for everyone? Insertion and deletion of some pictures, to be told by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whylight.evaluate.baselines import RANDOM
from whylight.evaluate.data import Labelled
from whylight.evaluate.faithfulness import RECORD, Setup, key_of
from whylight.evaluate.measures.deletion import Protocol
from whylight.jobs.store import Store
from whylight.subgroups.chances.contrast import Floats
from whylight.subgroups.looking.look import Setup as Looking

MEASURES = ("insertion", "deletion")  # of each the area under the curve: higher is better, lower is better
STEPS = 14


def judged_setup(looking: Looking) -> Setup:
    """What is measured: the method that made the maps, about each picture's top class."""
    return Setup({looking.method.name: looking.method}, "predicted", MEASURES, Protocol(steps=STEPS))


def judged_store(folder: Path, setup: Setup, settings: Mapping[str, Any], *, overwrite: bool = False) -> Store:
    """The store of a folder, see `run.opened_store`."""
    every = {**settings, **setup.settings()}
    return Store(folder, "faithfulness", every, overwrite=overwrite, schema=RECORD)


def labelled(path: str | Path) -> Labelled:
    """A picture without a label, known by its path."""
    return Labelled(Path(path), str(path), None)


def judged(store: Store, setup: Setup, paths: Sequence[str | Path]) -> dict[str, Floats]:
    """What was measured, by measure: (n,), NaN for pictures that were not; `attention.by_group` tells it by group."""
    (method,) = setup.methods

    def told(row: str, measure: str) -> Floats:
        records = [store.get((*key_of(labelled(path)), row, measure)) for path in paths]
        values = [np.nan if one is None or one["value"] is None else float(one["value"]) for one in records]
        return np.array(values, np.float64)

    found = {measure: told(method, measure) for measure in setup.measures}
    # Some groups' pictures are easier whatever is shown of them: held against a map that knows nothing, they are not.
    found["insertion beyond a random map"] = found["insertion"] - told(RANDOM, "insertion")
    return found
