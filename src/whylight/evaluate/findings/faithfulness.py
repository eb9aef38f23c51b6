"""From the records of single maps to figures over all pictures, each with its interval, and the mean curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from whylight.evaluate.baselines import BASELINES
from whylight.evaluate.bootstrap import interval
from whylight.evaluate.figures import Cell, Curve
from whylight.evaluate.measures.deletion import Protocol
from whylight.evaluate.measures.road import SHARES
from whylight.evaluate.measures.table import DEFAULT, MEASURES, chosen, protocols
from whylight.evaluate.results import Result
from whylight.jobs.lines import Key, Record
from whylight.jobs.store import Store
from whylight.methods import Method
from whylight.shown import plural

Asked = Literal["true", "predicted"]
FIGURES = {
    "insertion": ("Insertion: pixels come, the hottest first", "share of the pixels that are sharp", "mean score"),
    "deletion": ("Deletion: pixels go, the hottest first", "share of the pixels that are gone", "mean score"),
    "morf": ("ROAD, the most relevant first: should fall at once", "share of the pixels removed", "mean score"),
    "lerf": ("ROAD, the least relevant first: should stay up", "share of the pixels removed", "mean score"),
}
PROTOCOL: dict[str, Any] = {
    "score": "probability of the class (softmax; sigmoid where classes do not exclude each other)",
    "intervals": "95 %, over pictures: Student's for means, Wilson's for shares",
    "baselines": "a Gaussian in the middle, its standard deviation a quarter of each side; uniform random numbers on 7 × 7 cells, "
    "enlarged bilinearly, drawn by the picture's name and the seed",
}
# Of measures of how far the score moves, figures up to here are none but for rounding: a millionth of the score.
_STILL = {"drop": 1e-4, "increase": 1e-4, "infidelity": 1e-12}
_CLASSES = {"true": "the picture's own", "predicted": "the most probable one"}


@dataclass(frozen=True)
class Setup:
    """What is measured, and how.

    Attributes:
        methods: by the names that the report calls them.
        asked: whose map and score: those of the picture's own class, or of the one that is most probable.
        measures: names of `measures.MEASURES`.
        steps: the protocol of deletion and insertion.
        seed: decides the random maps.
    """

    methods: Mapping[str, Method]
    asked: Asked = "true"
    measures: Sequence[str] = DEFAULT
    steps: Protocol = field(default_factory=Protocol)
    seed: int = 0

    @property
    def questions(self) -> list[tuple[str, str]]:
        """Every figure there is of a picture: (method or baseline, measure). No baseline moves under noise."""
        names = chosen(self.measures)
        rows = (*self.methods, *BASELINES)
        return [(row, name) for row in rows for name in names if not (row in BASELINES and name == "sensitivity")]

    def settings(self) -> dict[str, Any]:
        """What figures depend on besides picture, method and measure."""
        return {"class": self.asked, "seed": self.seed, **self.steps.to_dict()}


def result(
    store: Store, keys: Sequence[Key], setup: Setup, model: str, data: str, protocol: Mapping[str, Any]
) -> Result:
    """All figures of a faithfulness evaluation over the pictures with these keys."""
    names = chosen(setup.measures)
    rows = list(dict.fromkeys(row for row, _ in setup.questions))
    cells: list[Cell] = []
    curves: list[Curve] = []
    flat: dict[str, int] = {}
    for name in names:
        for row in rows:
            if (row, name) in setup.questions:
                records = [record for key in keys if (record := store.get((*key, row, name))) is not None]
                flat[row] = sum(record["flat"] for record in records)
                cells += _cell(row, name, records)
                curves += _curves(row, name, records, setup.steps.steps)
    shown = {curve.figure for curve in curves}
    return Result(
        kind="faithfulness",
        title="Do the maps show what the network uses?",
        model=model,
        data=data,
        pictures=len(keys),
        protocol={"class": _CLASSES[setup.asked], **PROTOCOL, **protocols(names, setup.steps), **protocol},
        cells=cells,
        curves=curves,
        figures={name: words for name, words in FIGURES.items() if name in shown},
        answers={MEASURES[name].title: MEASURES[name].answer for name in names},
        baselines=BASELINES,
        remarks=(*_remarks(len(keys), names, flat), *_still(cells)),
    )


def _cell(row: str, name: str, records: Sequence[Record]) -> Iterator[Cell]:
    values = [record["value"] for record in records if record["value"] is not None]
    if values:
        left = len(records) - len(values)
        measure = MEASURES[name]
        note = f"{left} of {len(records)} maps are zero everywhere, left out" if left else ""
        yield Cell(row, measure.title, interval(values), measure.unit, measure.better, note)


def _curves(row: str, name: str, records: Sequence[Record], steps: int) -> Iterator[Curve]:
    if name in ("insertion", "deletion"):
        yield Curve(name, row, [step / steps for step in range(steps + 1)], _mean(records, "curve"))
    elif name == "road":
        for order in ("morf", "lerf"):
            yield Curve(order, row, list(SHARES), _mean(records, order))


def _mean(records: Sequence[Record], part: str) -> list[float]:
    mean: list[float] = np.mean([record[part] for record in records], axis=0).round(5).tolist()
    return mean


def _still(cells: Sequence[Cell]) -> Iterator[str]:
    """A remark on measures by which all maps are alike, as the score does not move."""
    titles = {MEASURES[name].title: least for name, least in _STILL.items()}
    values = {title: [cell.value.mean for cell in cells if cell.measure == title] for title in titles}
    still = [title for title, means in values.items() if means and max(map(abs, means)) <= titles[title]]
    if still:
        yield (
            f"0 for every map, those that know nothing of the picture, too: {', '.join(still)}. Here that tells nothing about the "
            "maps. It happens where the score is so near 1 that hiding parts of the picture does not move it."
        )


def _remarks(pictures: int, names: Sequence[str], flat: Mapping[str, int]) -> Iterator[str]:
    if pictures == 1:
        yield "One picture only: there is no interval, and no figure says more than that picture."
    for row, count in flat.items():
        if count:
            yield (
                f"{row}: {count} of {plural(pictures, 'map')} {'is' if count == 1 else 'are'} the same everywhere. Such a map says "
                "nothing about the order of pixels, which then come and go in an order of chance."
            )
    if "deletion" in names:
        yield (
            "Deletion is a weak judge: painting pixels over makes pictures that the network never saw, and on some networks "
            "random maps do as well as good ones. Read insertion first, and every figure beside the baselines'."
        )
