"""The figures of an evaluation, method by method and measure by measure, and which of them is the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from whylight.evaluate.bootstrap import Interval
from whylight.shown import plural

Kind = Literal["localization", "faithfulness", "sanity"]
Better = Literal["higher", "lower", "nearer 0"]


@dataclass(frozen=True)
class Cell:
    """One figure: of a method, by a measure.

    Attributes:
        method: the method, or a baseline, as it is called in the report.
        measure: what was measured; it heads the figures that can be compared.
        value: mean and interval. Of `"%"`, in percent.
        unit: `"%"`, or nothing; `"maps"` for a number of them.
        better: whether a higher or a lower figure is the better one, or one nearer 0, whatever its sign.
        note: what to know about this figure, such as the threshold it was reached at.
    """

    method: str
    measure: str
    value: Interval
    unit: Literal["%", "", "maps"] = "%"
    better: Better = "higher"
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """A line in one of the report's plots: `figure` says which plot, `name` which method."""

    figure: str
    name: str
    x: list[float]
    y: list[float]


@dataclass(frozen=True)
class Example:
    """A picture with the box that was found and those that were annotated.

    Attributes:
        kind: "hit", "near miss" or "miss".
        name, label: of the picture, and of the class on it.
        overlap: of the box found with the best of those annotated, IoU.
        found: whether there is a box at all.
        picture: a WebP file with the boxes drawn, in base 64.
    """

    kind: str
    name: str
    label: str
    overlap: float
    found: bool
    picture: str


@dataclass(frozen=True)
class Examples:
    """A few pictures of one method at one threshold, and how many there are of each kind."""

    method: str
    threshold: float
    counts: Mapping[str, int]
    shown: tuple[Example, ...]


@dataclass(frozen=True)
class Figures:
    """All figures of one evaluation.

    Attributes:
        kind: which evaluation.
        title: what it is about, for people.
        model: which model was asked.
        data: which pictures.
        pictures: how many of them count.
        protocol: how the figures came about: whatever another program would need to get the same ones.
        cells: the figures, measure by measure.
        curves: the lines of the plots.
        figures: of each plot its title and what x and y are.
        answers: of each measure, the question it answers, in a sentence.
        baselines: which of the methods know nothing of the picture.
        remarks: what a reader must know before the figures.
    """

    kind: Kind
    title: str
    model: str
    data: str
    pictures: int
    protocol: dict[str, Any]
    cells: list[Cell]
    curves: list[Curve] = field(default_factory=list)
    figures: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def measures(self) -> list[str]:
        """The measures, in order."""
        return list(dict.fromkeys(cell.measure for cell in self.cells))

    @property
    def methods(self) -> list[str]:
        """The methods, in order; baselines last."""
        names = dict.fromkeys(cell.method for cell in self.cells)
        return sorted(names, key=lambda name: name in self.baselines)

    def cell(self, method: str, measure: str) -> Cell | None:
        """The figure of a method by a measure; None where there is none."""
        return next((cell for cell in self.cells if (cell.method, cell.measure) == (method, measure)), None)

    def best(self, measure: str) -> set[str]:
        """The methods with the best figure by a measure; none where all are alike. Baselines do not compete."""
        ends = {name: end for name, end in self._ends(measure).items() if name not in self.baselines}
        found = {name for name, end in ends.items() if end == max(ends.values())}
        return found if len(found) < len(ends) else set()

    def beaten(self, measure: str) -> bool:
        """Whether a baseline does better by a measure than all methods. Where 0 is what chance gives, that says nothing."""
        if any(cell.better == "nearer 0" for cell in self.cells if cell.measure == measure):
            return False
        ends = self._ends(measure)
        own = [end for name, end in ends.items() if name not in self.baselines]
        return bool(own) and any(end > max(own) for name, end in ends.items() if name in self.baselines)

    def _ends(self, measure: str) -> dict[str, float]:
        """Each method's figure, so that higher is better."""

        def end(mean: float, better: Better) -> float:
            return {"higher": mean, "lower": -mean, "nearer 0": -abs(mean)}[better]

        return {cell.method: end(cell.value.mean, cell.better) for cell in self.cells if cell.measure == measure}


def says_nothing(value: Interval, unit: str) -> bool:
    """Whether an interval is so wide that it leaves everything open: half of all percentages, or of all scores from 0 to 1; of
    seconds or nats, which have no end, one and a half times the figure itself.

    >>> says_nothing(Interval(93.0, 29.5, 100.0, 2), "%"), says_nothing(Interval(63.2, 57.2, 69.2, 250), "%")
    (True, False)
    >>> says_nothing(Interval(7.1, 0.0, 18.0, 2), "s"), says_nothing(Interval(0.02, -0.2, 0.24, 9), "")
    (True, False)
    """
    if value.low is None or value.high is None:
        return False
    return value.high - value.low >= {"%": 50.0, "": 0.5}.get(unit, 1.5 * abs(value.mean))


def shown(cell: Cell) -> str:
    """A figure and its interval as text; in words, where the interval leaves everything open.

    >>> shown(Cell("cam", "accuracy", Interval(63.2, 57.2, 69.2, 250)))
    '63.2 % (57.2 … 69.2)'
    >>> shown(Cell("cam", "drop", Interval(0.1234, None, None, 1), unit=""))
    '0.123'
    >>> shown(Cell("cam", "infidelity", Interval(0.0000321, 0.00002, 0.0123, 9), unit="", better="lower"))
    '3.21e-05 (2.00e-05 … 0.0123)'
    >>> shown(Cell("cam", "accuracy", Interval(50.0, 9.5, 90.5, 2)))
    '50.0 % (2 pictures say nothing)'
    """
    # Where sizes count, small figures get three digits that say something; around 0, where correlations lie, none do.
    small = 0 < abs(cell.value.mean) < 0.1 and cell.better != "nearer 0"

    def number(value: float) -> str:
        if cell.unit == "%":
            return f"{value:.1f}"
        if cell.unit == "maps":
            return f"{value:.0f}"
        return f"{value:#.3g}" if small else f"{value:z.3f}"  # z: no minus before a zero

    mean, low, high, n = cell.value
    unit = f" {cell.unit}" if cell.unit else ""
    if says_nothing(cell.value, cell.unit):
        return f"{number(mean)}{unit} ({plural(n, 'picture')} say nothing)"
    return f"{number(mean)}{unit}" + (
        f" ({number(low)} … {number(high)})" if low is not None and high is not None else ""
    )
