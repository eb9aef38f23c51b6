"""A model asked about the pictures of a table: what it says of each row, and where it looks for whom."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from whylight.errors import DataError, TargetError
from whylight.evaluate.labels import Labels
from whylight.models.zoo.choice import ModelChoice
from whylight.shown import plural, shown
from whylight.subgroups.found import Attention
from whylight.subgroups.looking.looked import Looked
from whylight.subgroups.run import attend, look
from whylight.subgroups.tables.table import Column, Note, Table, column

NAMED = 3  # of many pictures so many are named
# Folders in the results folder with what the model said, and what the one said that it is compared with.
LOOKED, COMPARED = "looked", "against"


class Seen(NamedTuple):
    """What a model said of the rows of a table.

    Attributes:
        label: what is there, as the model's classes are called.
        predictions: what the model said, and what the one said that it is compared with: classes; or, where one of two is the
            positive one, its probability. Missing where there is no picture, or none that can be read.
        attention: where the first looked; None where there are no two groups to compare.
        notes: what was odd about the pictures.
    """

    label: Column
    predictions: list[Column]
    attention: Attention | None
    notes: list[Note]


def ask(
    model: ModelChoice | str,
    known: Table,
    *,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    label: str,
    groups: Sequence[str],
    key: str,
    identity: str | None = None,
    positive: str | None = None,
    against: ModelChoice | str | None = None,
    looking: Mapping[str, Any] | None = None,
) -> Seen:
    """Ask a model about every row's picture; what an earlier, interrupted call has found is not asked again.

    Args:
        model: a name as `whylight.load` takes it, or a `ModelChoice`.
        known: the table.
        data: the folder that the names of pictures begin at.
        out: the results folder; what the model said goes to `looked/` in it.
        label, groups, key, identity: columns of the table; `key` has the names of the pictures.
        positive: the class that rates of positives are about.
        against: another model of the same classes that is asked about the same pictures, for its answers alone.
        looking: how to look, as `run.look` takes it: `method`, `cover`, `judged`, `align` (default here: `none`), `on_event` …

    Raises:
        DataError: if no picture of the table is in the folder, a label is none of the model's classes, or the other model is the
            same, or of other classes.
        WhylightError: if the model, the method or a setting cannot be used.
    """
    names = _texts(known[key])
    rows, paths, notes = _found(names, Path(data), key)
    choices = [ModelChoice(one) if isinstance(one, str) else one for one in (model, against) if one is not None]
    classes = choices[0].load().classes
    truth = _named(known[label], Labels(classes))  # before the model is asked for hours
    if against is not None:
        _comparable(choices, classes)
    # Pictures as they are, unless somebody says that they are of faces: `look` by itself is for faces.
    asked = {"align": "none", **(looking or {})}
    looked = look(choices[0], paths, Path(out) / LOOKED, **asked)
    said = [column(_called(choices, 0), _said(looked, rows, known.rows, positive))]
    if against is not None:
        answers = {name: value for name, value in asked.items() if name not in ("cover", "judged", "method", "options")}
        other = look(choices[1], paths, Path(out) / COMPARED, **{**answers, "align": "none"})
        said.append(column(_called(choices, 1), _said(other, rows, known.rows, positive)))
    if looked.failed:
        notes.append(
            _note("unreadable", looked.failed, "cannot be read and is left out", "cannot be read and are left out")
        )
    columns = {name: [_texts(known[name])[row] for row in rows] for name in groups}
    several = {name: values for name, values in columns.items() if len(set(values) - {""}) > 1}
    attention = None
    if several:  # of one group by each column there is nobody to compare with
        attention = attend(
            looked,
            groups=several,
            label=[truth[row] for row in rows],
            people=None if identity is None else [_texts(known[identity])[row] for row in rows],
        )
    return Seen(column(label, truth), said, attention, notes)


def _comparable(choices: Sequence[ModelChoice], classes: Sequence[str]) -> None:
    """Refuse a comparison of a model with itself, or with one of other classes."""
    first, other = choices
    if first == other:
        raise DataError(f"against: {shown(other.name)} is the model itself; name another")
    if set(theirs := other.load().classes) != set(classes):
        raise DataError(
            f"against: {shown(other.name)} has other classes than {shown(first.name)}: {_some(theirs)}; not {_some(classes)}"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:NAMED])) + (", …" if len(names) > NAMED else "")


def _called(choices: Sequence[ModelChoice], which: int) -> str:
    """What a model's predictions are called; files of the same name in two folders are told apart."""
    names = [one.name for one in choices]
    return names[which] if len(set(names)) == len(names) else f"{names[which]} ({'first' if which == 0 else 'second'})"


def _texts(one: Column) -> list[str]:
    """A text for each row; "" where there is none."""
    values = [*one.values, ""]
    return [values[code] for code in one.codes]


def _found(names: Sequence[str], data: Path, key: str) -> tuple[list[int], list[Path], list[Note]]:
    """The rows with a picture, the pictures, and a note on those without."""
    if not data.is_dir():
        raise DataError(f"{shown(data)}: is no folder; name the one that the pictures are in")
    rows, paths, lost = [], [], []
    for row, name in enumerate(names):
        inside = bool(name) and not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
        if inside and (data / name).is_file():
            rows.append(row)
            paths.append(data / name)
        else:
            lost.append(name)
    if not rows:
        raise DataError(
            f"{shown(data)}: none of the {len(names):,} pictures in the column {shown(key)!r} is there, such as "
            f"{shown(names[0])!r}; name the folder that these names begin at"
        )
    return rows, paths, [_note("unmatched", lost, "has no picture", "have no picture")] if lost else []


def _note(what: str, names: Sequence[str] | Mapping[str, str], one: str, many: str) -> Note:
    some = ", ".join(shown(name) or "no name" for name in [*names][:NAMED]) + (", …" if len(names) > NAMED else "")
    text = (
        f"{plural(len(names), 'row' if what == 'unmatched' else 'picture')} {one if len(names) == 1 else many}: {some}."
    )
    return Note(what, text, len(names), True)


def _named(one: Column, classes: Labels) -> list[str]:
    """What is there, by the names of the model's classes."""
    try:
        called = [classes.name(value) for value in one.values]
    except TargetError as error:
        raise DataError(
            f"column {shown(one.name)!r}: {error}; an audit of a model needs labels that are classes of it, by name or by index"
        ) from error
    values = [*called, ""]
    return [values[code] for code in one.codes]


def _said(looked: Looked, rows: Sequence[int], n: int, positive: str | None) -> Any:
    """What the model said of each row of the table."""
    at = np.asarray(rows, np.int64)
    if positive is not None and len(looked.classes) == 2 and positive in looked.classes and not looked.multilabel:
        probability = np.full(n, np.nan)
        probability[at] = np.where(looked.there, looked.probabilities[:, looked.classes.index(positive)], np.nan)
        return probability
    said = np.full(n, "", object)
    said[at] = [looked.classes[place] if place >= 0 else "" for place in looked.predicted]
    return said
