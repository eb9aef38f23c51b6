"""`whylight.audit`: is a classifier as good for everyone? From predictions that are there already, or asked of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.errors import DataError
from whylight.shown import plural, shown
from whylight.subgroups import groups as grouping
from whylight.subgroups import measures, privacy
from whylight.subgroups.breakdown import Breakdown, Settings, Test, break_down
from whylight.subgroups.findings import Attention
from whylight.subgroups.pictures import ask
from whylight.subgroups.result import Audit
from whylight.subgroups.stats.families import DECLARED, Correction, corrected
from whylight.subgroups.tables.labels import outcome as read_outcome
from whylight.subgroups.tables.reading import Source, read
from whylight.subgroups.tables.table import Column, Note, Table, column

if TYPE_CHECKING:
    from whylight.models.zoo.choice import ModelChoice

Named = str | Sequence[str]
_LEAST = 1e-12  # share nearer to 0 or 1 than this: beyond what quantiles in double precision can tell


def audit(
    table: Source | Sequence[Source],
    *,
    label: str | ArrayLike,
    prediction: Named | ArrayLike | None = None,
    groups: Named,
    model: ModelChoice | str | None = None,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    looking: Mapping[str, Any] | None = None,
    against: Named | ModelChoice | None = None,
    depth: int = 2,
    declared: Sequence[Sequence[str]] = (),
    identity: str | None = None,
    key: str = "file",
    positive: str | None = None,
    threshold: float | None = None,
    correction: Correction = "holm",
    level: float = 0.95,
    alpha: float = 0.05,
    enough: int = 30,
    margin: float = 0.05,
    hide_under: int = 0,
    seed: int = 0,
    attention: Attention | None = None,
) -> Audit:
    """Accuracy, rates and calibration by group, each with what it is worth.

    Args:
        table: a CSV file, a pandas DataFrame or a mapping of names to arrays; or a list of them, joined by `key`.
        label: the column with what is there; or an array, one value a row.
        prediction: the column with what the classifier said: classes, or probabilities of the positive class; or an array. Several
            names are seeds of one kind of classifier: figures by group are of the first, the comparison is of all.
        groups: the columns that rows are grouped by: names, or one text with commas.
        model: asked about the pictures, in place of `prediction`: a name as `whylight.load` takes it. Labels are classes of it, by
            name or by index; what it says is the class, or, where `positive` is one of two classes, that one's probability.
        data: the folder that the pictures' names, in the column `key`, begin at.
        out: the results folder; what was asked already is not asked again.
        looking: how the model is looked at: `method`, `cover`, `judged`, `align` … as for `subgroups.run.look`; pictures
            are taken as they are unless `align` is "face".
        against: the predictions that those are compared with; several are seeds. With `model`: another model, asked about the same
            pictures.
        depth: how many columns are combined: 1 takes each by itself, 2 also every two together, and so on.
        declared: combinations of columns that were in question before anybody looked, such as `[("Male", "Young")]`; each column by
            itself is so anyway. All others are exploratory, and have the smaller part of the error that is allowed.
        identity: a column that says which rows are of one person: these count, and are drawn, together.
        key: the column that says which rows of several tables belong together, and which are there twice.
        positive: the class that rates of positives are about. Default: the one that says 1, true or yes.
        threshold: from which score on a row counts as positive; default for probabilities: 0.5, which is said.
        correction: for many comparisons: "holm" holds the chance of any false finding, "bh" the expected share of false ones.
        level: of the intervals.
        alpha: the error allowed to all tests together.
        enough: rows (persons) under which a group has insufficient evidence; it is told all the same, and not tested.
        margin: a gap with an interval reaching farther than this to each side is insufficient evidence, too, unless it is found.
        hide_under: groups of fewer rows (persons) than this are not shown, nor those that would tell their figures.
        seed: decides the bootstrap's draws.
        attention: where the model looks, by group; it becomes part of the result.

    Returns:
        The audit: `.groups`, `.summary`, `.to_json()`, `.write(folder)`.

    Raises:
        DataError: if a file, column or value cannot be used; the message says which, and what to do.

    >>> found = audit({"there": [1, 1, 0, 0], "said": [1, 0, 0, 0], "who": ["a", "b", "a", "b"]},
    ...               label="there", prediction="said", groups="who")
    >>> found.group(who="b")["accuracy"], found.group(who="b")["verdict"]
    (0.5, 'insufficient evidence')
    """
    _check(level=level, alpha=alpha, margin=margin)
    _one_of(prediction, model, data, out)
    names, firsts = _names(groups), [""] if prediction is None else _predictions(prediction)
    seconds = [] if against is None else [""] if model is not None else _predictions(against)
    other = None if isinstance(against, Sequence) and not isinstance(against, str) else against
    if model is not None and other is None and against is not None:
        raise DataError("against: a model is compared with one other; name it")
    told = [*firsts, *seconds]
    if len(set(told)) < len(told) and all(told):
        raise DataError("against: a column of predictions is named twice")
    wanted = [one for one in (label, *told, *names, identity, key if model else None) if isinstance(one, str) and one]
    known = read(table, wanted, key=key)
    columns = [known[one] for one in names]
    notes = list(known.notes)
    if model is not None and data is not None and out is not None:
        if not isinstance(label, str):
            raise DataError("label: with a model, name the column with what is there")
        seen = ask(
            model, known, data=data, out=out, looking=looking,
            label=label, groups=names, key=key, identity=identity, positive=positive, against=other,
        )  # fmt: skip
        labels, said, attention = seen.label, seen.predictions, seen.attention
        notes += seen.notes
    else:
        labels = known[label] if isinstance(label, str) else _given("label", label, known)
        said = [known[one] if one else _given("prediction", prediction, known) for one in told]
    result = read_outcome(labels, said, positive=positive, threshold=threshold)
    notes += result.notes
    columns = [one.take(result.kept) for one in columns]
    notes += grouping.check(columns, depth)
    near = (grouping.near_label(one, result.codes, len(result.classes), result.label) for one in columns)
    notes += [one for one in near if one is not None]
    person = None if identity is None else _persons(known[identity].take(result.kept), notes)
    chosen = _declared(declared, names, depth)
    settings = Settings(level, alpha, enough, margin, seed)
    state = measures.states(result, len(firsts) if seconds else None)
    parts: dict[tuple[int, ...], Breakdown] = {}
    for which in [*grouping.combinations(len(names), depth), *(one for one in chosen if len(one) > depth)]:
        parts[which] = break_down(grouping.cells(columns, which), result, state, person, len(firsts), settings)
    families = _correct(parts, chosen, correction)
    gone = privacy.hidden(
        {k: one.values for k, one in parts.items()}, {k: one.evidence for k, one in parts.items()}, hide_under
    )
    for which, part in parts.items():
        part.hidden = gone[which]
    if attention is not None and hide_under:
        attention = attention.without(_unseen(columns, parts))
    return Audit(
        columns=tuple((one.name, one.values) for one in columns),
        parts=parts,
        rows=len(state),
        label=result.label,
        classes=result.classes,
        positive=result.positive,
        prediction=tuple(one.name for one in result.predictions[: len(firsts)]),
        against=tuple(one.name for one in result.predictions[len(firsts) :]),
        threshold=result.predictions[0].threshold,
        identity=identity,
        people=None if person is None else int(person.max()) + 1,
        declared=frozenset(chosen),
        correction=correction,
        families=families,
        settings=settings,
        hide_under=hide_under,
        notes=tuple(notes),
        attention=attention,
    )


def _check(**shares: float) -> None:
    for name, value in shares.items():
        if not _LEAST <= value <= 1 - _LEAST:
            raise DataError(f"{name}: {value} given; it lies between 0 and 1, at least {_LEAST:g} from either")


def _one_of(prediction: Any, model: Any, data: Any, out: Any) -> None:
    if (prediction is None) == (model is None):
        raise DataError("prediction, model: give one of them: a column with what was said, or who is to be asked")
    missing = [name for name, one in (("data", data), ("out", out)) if model is not None and one is None]
    if missing:
        raise DataError(f"{missing[0]}: a model is asked about pictures; name the folder")


def _names(given: Named) -> list[str]:
    found = [one.strip() for one in given.split(",")] if isinstance(given, str) else [str(one) for one in given]
    return [one for one in found if one]


def _predictions(given: Any) -> list[str]:
    """Names of columns; one empty name for an array."""
    if isinstance(given, str):
        found = _names(given)
    elif isinstance(given, list | tuple) and given and all(isinstance(one, str) for one in given) and len(given) <= 100:
        found = list(given)
    else:
        return [""]
    if not found:
        raise DataError("prediction: no column named")
    return found


def _given(name: str, values: Any, table: Table) -> Column:
    found = column(name, values)
    if len(found.codes) != table.total:
        raise DataError(
            f"{name}: {len(found.codes):,} values given for {plural(table.total, 'row')}; give one for each, in their order"
        )
    return found.take(table.places)


def _persons(identity: Column, notes: list[Note]) -> NDArray[np.int32]:
    """Numbers of persons without gaps; a row without one is a person by itself."""
    codes = identity.codes.astype(np.int64)
    alone = codes < 0
    if alone.any():
        count = int(alone.sum())
        codes[alone] = len(identity.values) + np.arange(count)
        notes.append(
            Note(
                "missing",
                f"{plural(count, 'row')} without a value of {shown(identity.name)}: each taken for a person of its own.",
                count,
            )
        )
    return np.unique(codes, return_inverse=True)[1].astype(np.int32)


def _declared(given: Sequence[Sequence[str]], names: list[str], depth: int) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = {(i,) for i in range(len(names))}
    for one in given:
        parts = _names(one)
        strange = [name for name in parts if name not in names]
        if strange or not parts:
            raise DataError(
                f"declared: {shown(strange[0]) if strange else 'nothing'!r} is none of the groups, {', '.join(map(shown, names))}"
            )
        found.add(tuple(sorted({names.index(name) for name in parts})))
    return found


def _unseen(columns: list[Column], parts: dict[tuple[int, ...], Breakdown]) -> set[str]:
    """The groups by one column that are not shown, as attention calls them."""
    return {
        f"{one.name}={one.values[row[0]]}"
        for i, one in enumerate(columns)
        for row in parts[i,].values[parts[i,].hidden]
    }


def _correct(
    parts: dict[tuple[int, ...], Breakdown], declared: set[tuple[int, ...]], how: Correction
) -> dict[str, dict[str, float]]:
    """Correct all tests, family by family; say how many there were and what share of the error each family has."""
    of = {which: "declared" if which in declared else "exploratory" for which in parts if which}
    counts = {
        name: sum(int(parts[which].test.own.sum()) for which in of if of[which] == name)
        for name in ("declared", "exploratory")
    }
    shares = (
        {"declared": DECLARED, "exploratory": 1 - DECLARED}
        if all(counts.values())
        else {"declared": 1.0, "exploratory": 1.0}
    )
    for name, share in shares.items():
        mine = [parts[which] for which in of if of[which] == name]
        _family([one.test for one in mine], how, share)
        _family([one.other_test for one in mine if one.other_test], how, share)
        changes = [(one.change, one.test) for one in mine if one.change]
        if changes:
            p = [np.where(np.isnan(test.p), np.nan, change.paired.p) for change, test in changes]
            every = parts[()].change
            whole = (
                [every] if name == "declared" and every is not None else []
            )  # what changed in all is a question, too
            asked = [*whole, *(change for change, _ in changes)]
            for change, one in zip(asked, _together([*(one.paired.p for one in whole), *p], how, share), strict=True):
                change.corrected = one
            moved = [
                Test(np.where(np.isnan(test.p), np.nan, change.gap_p), test.own, test.p) for change, test in changes
            ]
            _family(moved, how, share)
            for (change, _), gap in zip(changes, moved, strict=True):
                change.gap_corrected = gap.corrected
    return {name: {"tests": counts[name], "share": shares[name]} for name in counts}


def _family(tests: list[Test], how: Correction, share: float) -> None:
    if not tests:
        return
    found = _together([np.where(one.own, one.p, np.nan) for one in tests], how, share)
    for one, part in zip(tests, found, strict=True):
        twin = ~one.own & ~np.isnan(one.p)  # the second of two groups, whose test is the first one's
        one.corrected = np.where(twin, part[0], part) if len(part) else part


def _together(p: list[NDArray[np.float64]], how: Correction, share: float) -> list[NDArray[np.float64]]:
    found = corrected(np.concatenate(p), how, share=share)
    return np.split(found, np.cumsum([len(one) for one in p])[:-1])
