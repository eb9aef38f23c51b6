"""Labels and predictions, however they are written, as what is right, what is there, and what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whylight.errors import DataError
from whylight.shown import plural, shown
from whylight.subgroups.tables.table import Column, Note, as_number

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_YES = {"1", "true", "yes", "t", "y"}
_NO = {"0", "-1", "false", "no", "f", "n"}
THRESHOLD = 0.5


@dataclass(frozen=True)
class Prediction:
    """What one column of predictions says of each row.

    Attributes:
        name: its heading.
        right: (n,) whether it is the label.
        chosen: (n,) whether it is the positive class; None where no class is.
        scores: (n,) the probability of the positive class, where the column has them.
        threshold: from which score on a row counts as positive.
    """

    name: str
    right: Bools
    chosen: Bools | None
    scores: Floats | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Outcome:
    """Labels and predictions of the rows that have all of them.

    Attributes:
        kept: (m,) whether a row has a label and every prediction; the other arrays are of the n rows that do.
        label: the label's heading.
        classes: its values.
        codes: (n,) int32, places in `classes`.
        positive: which class rates are about; None where no class is.
        actual: (n,) whether the label is the positive class.
        predictions: one for each column.
        notes: what was odd, or chosen here.
    """

    kept: Bools
    label: str
    classes: tuple[str, ...]
    codes: NDArray[np.int32]
    positive: str | None
    actual: Bools | None
    predictions: tuple[Prediction, ...]
    notes: list[Note] = field(default_factory=list)


def outcome(
    label: Column, predictions: Sequence[Column], *, positive: str | None = None, threshold: float | None = None
) -> Outcome:
    """Read labels and predictions.

    Classes may be 0 and 1, −1 and 1, false and true, no and yes, or any texts. A column of numbers between the two classes is one
    of probabilities of the positive class.

    Args:
        label, predictions: columns of the same rows.
        positive: the class that rates of positives are about; default: the one that says 1, true or yes.
        threshold: for predictions that are probabilities or other scores; default for probabilities: 0.5.

    Raises:
        DataError: if no row has label and prediction, no prediction can be a label, probabilities come without a positive class or
            scores without a threshold.
    """
    notes: list[Note] = []
    kept = _kept(label, predictions, notes)
    label = _used(label.take(kept))
    found = _Labels(label, positive, threshold, notes)
    read = tuple(found.read(_used(one.take(kept))) for one in predictions)
    if threshold is not None and all(one.threshold is None for one in read):
        notes.append(
            Note("threshold", f"The threshold {threshold:g} is not used: the predictions are classes.", warn=True)
        )
    if found.positive is None:
        text = (
            f"Which class of {shown(label.name)} ({_some(label.values)}) is the positive one is not said (positive=…): rates of "
            "true and false positives and calibration are not told."
        )
        notes.append(Note("label", text, len(label.values)))
    elif len(label.values) > 2:
        text = (
            f"{shown(label.name)} has {len(label.values)} classes: accuracy is over all of them; positive is "
            f"{shown(found.positive)}, negative every other."
        )
        notes.append(Note("label", text, len(label.values)))
    elif len(label.values) == 1:
        text = (
            f"{shown(label.name)} is {shown(label.values[0])} in every row: one of the rates of positives has no row."
        )
        notes.append(Note("label", text, int(kept.sum()), True))
    return Outcome(kept, label.name, label.values, label.codes, found.positive, found.actual, read, notes)


def _kept(label: Column, predictions: Sequence[Column], notes: list[Note]) -> Bools:
    kept = np.ones(len(label.codes), bool)
    for one in (label, *predictions):
        gone = one.codes < 0
        if gone.any():
            count = int(gone.sum())
            notes.append(
                Note("missing", f"{plural(count, 'row')} without a value of {shown(one.name)} left out.", count)
            )
        kept &= ~gone
    if not kept.any():
        raise DataError(f"{shown(label.name)}: no row has a label and a prediction")
    return kept


def _used(column: Column) -> Column:
    """The column with those values only that it has."""
    there = np.bincount(column.codes, minlength=len(column.values)) > 0
    place = np.cumsum(there) - 1
    values = tuple(one for one, used in zip(column.values, there, strict=True) if used)
    return Column(column.name, values, place[column.codes].astype(np.int32))


class _Labels:
    def __init__(self, label: Column, positive: str | None, threshold: float | None, notes: list[Note]) -> None:
        self.label, self.threshold, self.notes = label, threshold, notes
        self.positive = self._positive(positive)
        self.actual = None if self.positive is None else _is(label, {self.positive})
        self._said: set[str] = set()

    def _positive(self, given: str | None) -> str | None:
        values = self.label.values
        if given is None:
            yes = [one for one in values if _plain(one) in _YES]
            return yes[0] if _binary(values) and yes else "1" if _binary(values) else None
        same = [one for one in values if _plain(one) == _plain(str(given))]
        if not same:
            raise DataError(
                f"positive: {shown(given)!r} is no value of {shown(self.label.name)}; it has {_some(values)}"
            )
        return same[0]

    def read(self, column: Column) -> Prediction:
        values, classes = column.values, {_plain(one): i for i, one in enumerate(self.label.values)}
        numbers = [as_number(one) for one in values]
        if all(_plain(one) in classes for one in values):
            return self._hard(column, classes)
        if _binary(values):
            return self._binary(column)
        if None not in numbers and (self.threshold is not None or any(one != int(one or 0) for one in numbers)):
            return self._scores(column, np.array(numbers, np.float64))
        strange = [one for one in values if _plain(one) not in classes]
        if len(strange) == len(values):
            raise DataError(
                f"{shown(column.name)}: its values ({_some(values)}) are none of the label's, {shown(self.label.name)} "
                f"({_some(self.label.values)}); spell them alike, or name the positive one (positive=…)"
            )
        count = int(_is(column, set(strange)).sum())
        text = f"{plural(count, 'prediction')} of {shown(column.name)} that no label has ({_some(strange)}): counted as wrong."
        self.notes.append(Note("label", text, count, True))
        return self._hard(column, classes)

    def _hard(self, column: Column, classes: dict[str, int]) -> Prediction:
        place = np.array([classes.get(_plain(one), -1) for one in column.values], np.int32)[column.codes]
        positive = (
            None
            if self.positive is None
            else self.label.values.index(self.positive)
            if self.positive in self.label.values
            else -2
        )
        return Prediction(column.name, place == self.label.codes, None if positive is None else place == positive)

    def _binary(self, column: Column) -> Prediction:
        """Predictions in another spelling of no and yes than the label's."""
        if self.actual is None:
            raise DataError(
                f"{shown(column.name)}: its values are {_some(column.values)}, the label's {_some(self.label.values)}; "
                "say which of the label's is the positive one (positive=…)"
            )
        chosen = _is(column, {one for one in column.values if _plain(one) in _YES})
        if column.values != self.label.values:
            yes = next((one for one in column.values if _plain(one) in _YES), "1")
            self._say(
                Note(
                    "label",
                    f"{shown(yes)} in {shown(column.name)} is taken for {shown(self.positive)} in {shown(self.label.name)}.",
                )
            )
        return Prediction(column.name, self._right(chosen), chosen)

    def _scores(self, column: Column, numbers: Floats) -> Prediction:
        name = shown(column.name)
        if self.actual is None:
            raise DataError(f"{name}: a column of numbers; say of which class they are the probability (positive=…)")
        inside = bool(numbers.min() >= 0 and numbers.max() <= 1)
        if not inside and self.threshold is None:
            raise DataError(
                f"{name}: numbers from {numbers.min():g} to {numbers.max():g} are no probabilities; say from which on a row "
                f"counts as {shown(self.positive)} (threshold=…)"
            )
        threshold = THRESHOLD if self.threshold is None else self.threshold
        how = "as given" if self.threshold is not None else "chosen here, as none was given"
        kind = "probabilities" if inside else "scores, so calibration is not told,"
        text = f"{name} holds {kind} of {shown(self.positive)}; from {threshold:g} on a row counts as such ({how})."
        self._say(Note("threshold", text, warn=self.threshold is None))
        values = numbers[column.codes]
        chosen = values >= threshold
        return Prediction(column.name, self._right(chosen), chosen, values if inside else None, threshold)

    def _right(self, chosen: Bools) -> Bools:
        assert self.actual is not None
        if len(self.label.values) > 2:
            self._say(Note("label", "Predictions tell the positive class from all others only; so does accuracy."))
        return np.asarray(chosen == self.actual)

    def _say(self, note: Note) -> None:
        if note.text not in self._said:
            self._said.add(note.text)
            self.notes.append(note)


def _is(column: Column, values: set[str]) -> Bools:
    return np.asarray(np.array([one in values for one in column.values], bool)[column.codes])


def _binary(values: Sequence[str]) -> bool:
    """Whether values are a spelling of no and yes, or one of the two."""
    plain = {_plain(one) for one in values}
    return len(values) <= 2 and len(plain & _YES) <= 1 and len(plain & _NO) <= 1 and plain <= _YES | _NO


def _plain(text: str) -> str:
    """A class without what differs between programs: 1.0 is 1, True is true."""
    number = as_number(text)
    if number is not None:
        return f"{number:.12g}"
    low = text.casefold()
    return low if low in _YES | _NO else text


def _some(values: Sequence[str]) -> str:
    return ", ".join(map(shown, values[:5])) + (", …" if len(values) > 5 else "")
