"""Where a model looks, by group: run it over a table's pictures, and hold groups against each other: maps, mistakes and doubts.

looked = look("runs/gender", paths, "looked", cover=["mouth", "hair"], judged=100)
found = attend(looked, label=labels, groups={"gender": genders, "age": ages})
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from whylight.errors import DataError
from whylight.evaluate.labels import Labels
from whylight.jobs.events import OnEvent
from whylight.jobs.job import Job
from whylight.jobs.session import run as run_job
from whylight.shown import shown
from whylight.subgroups.attention import by_group, difference, mean_maps, telling
from whylight.subgroups.chances.chance import FEWEST
from whylight.subgroups.chances.contrast import Bools, Floats, Ints
from whylight.subgroups.discover import discover
from whylight.subgroups.found import OTHERS, Attention, Pair
from whylight.subgroups.hiding import Hiding, hiding
from whylight.subgroups.looking.covering import HERE
from whylight.subgroups.looking.looked import Looked
from whylight.subgroups.middle import SHARE, middle
from whylight.subgroups.tables.table import MISSING

if TYPE_CHECKING:
    from whylight.models.zoo.choice import ModelChoice

DRAWS = 1000


def look(
    model: ModelChoice | str,
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    target: str | None = None,
    align: str = "face",
    detector: str = "haar",
    detector_weights: str | os.PathLike[str] | None = None,
    cover: Sequence[str] = (),
    fill: str = "mean",
    judged: int = 0,
    on_event: OnEvent | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    overwrite: bool = False,
) -> Looked:
    """Run a model over pictures, as a job that goes on where it was stopped.

    Args:
        model: a name as `whylight.load` takes it, or a `ModelChoice`.
        paths: pictures, one for each row of a table; those that cannot be read are named in the result and left out.
        out: the results folder.
        method, options, target: as for `whylight.explain`; default: the model's own method, each picture's top class.
        align: `face` lays maps on the largest face, `none` on pictures as they are.
        detector, detector_weights: what finds faces: `haar` (upright faces only), `yunet` with its weights, or `cam`.
        cover: parts of the face that are covered in everybody's picture, see `looking.frame.PARTS`; `fill`: `mean` or `blur`.
        judged: of how many pictures it is measured how faithful their maps are.
        on_event: is told how far it is.
        workers, batch_size, overwrite: as for `whylight.jobs.run`.

    Returns:
        A row for each path, in that order.

    Raises:
        DataError: if no picture could be looked at.
        WhylightError: if the model, method, folder or a setting cannot be used.
    """
    if not paths:
        raise DataError("paths: there are no pictures")
    named = [os.path.abspath(path) for path in paths]
    job = Job(
        "attention",
        list(dict.fromkeys(named)),
        os.fspath(out),
        model=model,
        questions={
            "method": method,
            "options": dict(options or {}),
            "target": target,
            "cover": list(cover),
            "judged": judged,
        },
        settings={
            "align": align,
            "detector": detector,
            "detector_weights": None if detector_weights is None else os.path.abspath(detector_weights),
            "fill": fill,
        },
    )
    outcome = run_job(job, on_event=on_event, workers=workers, batch_size=batch_size, overwrite=overwrite)
    found: Looked = outcome.result
    places = {str(path): place for place, path in enumerate(found.paths)}
    found = found.take([places[name] for name in named])
    found.failed.update({one["picture"]: one["error"] for one in outcome.failed})
    return found


def attend(
    looked: Looked,
    *,
    groups: Mapping[str, Sequence[object]],
    label: Sequence[object] | None = None,
    people: Sequence[object] | None = None,
    describe: Mapping[str, Sequence[object]] | None = None,
    band: tuple[float, float] | None = None,
    share: float = SHARE,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Attention:
    """Hold groups against each other: maps, parts of the face, what covering them does, mistakes, and doubts.

    Maps are about what `look` was asked: each picture's top class by default. Of groups that are nearly the label itself they
    differ as the evidence for two classes does, which says nothing of fairness; `look(target=…)` asks about one class everywhere.

    Args:
        looked: from `look`.
        groups: for each column, by its name, a value for each row; empty and missing values belong to nobody.
        label: the true class of each row, by name or index; without it nothing is said of mistakes.
        people: whose picture each row is.
        describe: more columns, with which groups that are found are described; those of `groups` always are.
        band, share: which pictures are the uncertain middle, see `middle`.
        level: of the intervals; maps are told apart with 1 − level of error for all pairs of groups together.
        draws: of chance, for the maps of each pair.
        seed: decides all draws.

    Raises:
        DataError: if a column has another length, or a label is no class of the model.
    """
    n = len(looked.paths)
    member, couples = _groups(groups, n)
    maps = np.where(looked.there[:, None, None], looked.maps, np.nan)
    truth = None if label is None else _truth(label, looked)
    asked = _Asked(looked, maps, member, truth, people, (1 - level) / len(couples), level, draws, seed)
    pairs = [_pair(names, asked) for names in couples]
    answered = np.flatnonzero(looked.there)
    known = answered if truth is None else answered[truth[answered] >= 0]
    columns = {**groups, **(describe or {})}
    discovery = None
    if truth is not None and len(known):
        discovery = discover(
            looked.features[known],
            looked.predicted[known] != truth[known],
            logits=looked.logits[known],
            people=_taken(people, known),
            columns={name: [values[i] for i in known] for name, values in columns.items()},
            level=1 - level,
            seed=seed,
        )
    doubts = None
    if looked.logits.shape[1] > 1 and not looked.multilabel:
        doubts = middle(
            looked.logits[answered],
            member={name: inside[answered] for name, inside in member.items()},
            label=None if truth is None else truth[answered],
            maps=maps[answered],
            people=_taken(people, answered),
            band=band,
            share=share,
            level=level,
            seed=seed,
        )
    return Attention(
        looked=looked,
        member=member,
        means=mean_maps(maps, {"everybody": np.ones(n, np.bool_), **member}),
        parts=by_group(looked.shares, member, people, level=level),
        faithful=by_group(looked.judged, member, people, level=level),
        pairs=pairs,
        discovery=discovery,
        known=known,
        truth=truth,
        middle=doubts,
        answered=answered,
        level=level,
    )


class _Asked(NamedTuple):
    """What all pairs of groups are compared by."""

    looked: Looked
    maps: Floats
    member: Mapping[str, Bools]
    truth: Ints | None
    people: Sequence[object] | None
    error: float
    level: float
    draws: int
    seed: int


def _pair(names: tuple[str, str], asked: _Asked) -> Pair:
    """Two groups, or a group and everybody else who has a value in its column."""
    first = asked.member[names[0]]
    second = asked.member[names[1]] if names[1] in asked.member else _others(names[0], asked.member)
    told, why, typical = None, "", (np.empty(0, np.int64), np.empty(0, np.int64))
    try:
        # The smallest p that draws can tell lies well below the error allowed.
        draws = max(asked.draws, round(10 / asked.error))
        told = difference(asked.maps, first, second, asked.people, draws=draws, level=asked.error, seed=asked.seed)
        typical = telling(asked.maps, told, first, second)
    except DataError as problem:
        why = str(problem)
    here: list[Hiding] = []
    elsewhere: list[Hiding] = []
    if asked.truth is not None:
        known = (asked.truth >= 0) & asked.looked.there
        seen = np.where(known, asked.looked.predicted == asked.truth, np.nan)
        for (region, where), logits in asked.looked.covered.items():
            usable = known & np.isfinite(logits).all(1)
            after = np.where(usable, np.nan_to_num(logits).argmax(1) == asked.truth, np.nan)
            if min((first & usable).sum(), (second & usable).sum()) >= FEWEST:
                one = hiding(
                    region, np.where(usable, seen, np.nan), after, first, second, asked.people, level=asked.level
                )
                (here if where == HERE else elsewhere).append(one)
    return Pair(names, told, why, typical, here, elsewhere)


def _groups(columns: Mapping[str, Sequence[object]], n: int) -> tuple[dict[str, Bools], list[tuple[str, str]]]:
    """Who belongs to which value of which column, and which groups are held against each other.

    Raises:
        DataError: if a column has another length, or only one value.
    """
    member: dict[str, Bools] = {}
    pairs: list[tuple[str, str]] = []
    if not columns:
        raise DataError("groups: give at least one column")
    for name, given in columns.items():
        if len(given) != n:
            raise DataError(
                f"groups: {shown(repr(name))} has {len(given):,} values for {n:,} pictures; give one for each"
            )
        texts = np.array(["" if str(one).strip().lower() in MISSING else str(one).strip() for one in given])
        values = [str(one) for one in np.unique(texts) if one]
        if len(values) < 2:
            raise DataError(f"groups: {shown(repr(name))} has {len(values)} value; groups take two or more")
        for value in values:
            member[f"{name}={value}"] = texts == value
        if len(values) == 2:
            pairs.append((f"{name}={values[0]}", f"{name}={values[1]}"))
        else:
            pairs += [(f"{name}={value}", OTHERS) for value in values]
    return member, pairs


def _others(group: str, member: Mapping[str, Bools]) -> Bools:
    """Those with another value in the group's column."""
    column = group.split("=")[0]
    found = np.zeros(len(member[group]), np.bool_)
    for name, inside in member.items():
        if name != group and name.split("=")[0] == column:
            found |= inside
    return found


def _truth(label: Sequence[object], looked: Looked) -> Ints:
    """The index of each row's class; −1 where nothing is said.

    Raises:
        DataError: if there is not one for each row.
        TargetError: if the model has no such class.
    """
    if len(label) != len(looked.paths):
        raise DataError(f"label: expected one for each of the {len(looked.paths):,} pictures, got {len(label):,}")
    names = Labels(looked.classes)
    texts = ["" if str(one).strip().lower() in MISSING else str(one).strip() for one in label]
    codes = {text: names.index(text) for text in dict.fromkeys(texts) if text}
    return np.array([codes.get(text, -1) for text in texts], np.int64)


def _taken(values: Sequence[object] | None, rows: Ints) -> list[object] | None:
    return None if values is None else [values[row] for row in rows]
