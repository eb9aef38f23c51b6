"""`--fail-on`: a limit that an audit is held against, such as `gap(Male) > 0.02`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from whylight.errors import DataError
from whylight.shown import plural, shown

if TYPE_CHECKING:
    from whylight.subgroups.result import Audit

_LIMIT = re.compile(
    r"\s*(gap|accuracy|change)\s*\((.*)\)\s*(<=|>=|<|>)\s*([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*(%?)\s*", re.DOTALL
)
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class Limit(NamedTuple):
    """What must not be: a figure, of whom, on which side of a number."""

    text: str
    figure: str
    of: tuple[str, ...]
    sign: str
    number: float


class Verdict(NamedTuple):
    """Whether a limit is passed, and the sentence that says so, with the interval."""

    failed: bool
    text: str


def limit(text: str) -> Limit:
    """Read a limit.

    Args:
        text: `gap(Male) > 0.02` (the best of the groups by Male less the worst), `gap(Male,Young) > 3%`, `accuracy(Male=1) < 0.95`,
            `accuracy() < 0.9` (everybody), `change(Young=0) < -0.01` (less right than the predictions compared with).

    Raises:
        DataError: if it is none.

    >>> limit("gap(Male) > 2%").number
    0.02
    """
    found = _LIMIT.fullmatch(text)
    if not found:
        raise DataError(
            f"fail-on: {shown(text)!r} is no limit; write gap(COLUMN) > 0.02, accuracy(COLUMN=VALUE) < 0.95 or "
            "change(COLUMN=VALUE) < -0.01"
        )
    try:
        number = float(found[4]) / (100 if found[5] else 1)
    except ValueError:
        raise DataError(f"fail-on: {shown(found[4])!r} is no number") from None
    of = tuple(one.strip() for one in found[2].split(",") if one.strip())
    columns = found[1] == "gap"
    if (columns and not of) or any(("=" in one) == columns for one in of):
        raise DataError(f"fail-on: {shown(text)!r}: gap() takes columns, the others take COLUMN=VALUE")
    return Limit(text.strip(), found[1], of, found[3], number)


def judge(audit: Audit, one: Limit) -> Verdict:
    """Hold an audit against a limit: by its figure, with its interval said.

    Raises:
        DataError: if the audit has no such group or combination, or there is nothing to compare.
    """
    name = f"{one.figure}({', '.join(map(shown, one.of))})"
    if one.figure == "gap":
        found = audit.gap(*one.of)
        value, ends = found["gap"], found["interval"]
        left = found["groups"] - found["compared"]
        few = f"; {plural(left, 'group')} of too few rows left out" if left else ""
        who = "" if value is None else f", from {_who(found['worst'])} to {_who(found['best'])}{few}"
        lost = "fewer than two of its groups have rows enough, or they are not shown"
    else:
        row = audit.find(dict(part.split("=", 1) for part in _pairs(one)))
        if one.figure == "change" and "change" not in row:
            raise DataError(f"fail-on: {name}: there are no predictions to compare with (against=…)")
        value, ends = (
            (row["accuracy"], row["interval"])
            if one.figure == "accuracy"
            else (row["change"]["accuracy"], row["change"]["interval"])
        )
        who, lost = f", of {row['n']:,} rows", "it has no rows"
    if value is None:
        raise DataError(f"fail-on: {name} cannot be told: {lost}")
    failed = _HOLDS[one.sign](value, one.number)
    within = ends is not None and _HOLDS[one.sign](ends[0], one.number) != _HOLDS[one.sign](ends[1], one.number)
    interval = "" if ends is None else f" [{ends[0]:.4f}, {ends[1]:.4f}]"
    doubt = "; the interval reaches to the other side of the limit" if within else ""
    verb = "fails" if failed else "holds"
    return Verdict(
        failed, f"{verb}: {name} is {value:.4f}{interval}{who}; the limit is {one.sign} {one.number:g}{doubt}"
    )


def _pairs(one: Limit) -> tuple[str, ...]:
    return tuple("=".join(side.strip() for side in part.split("=", 1)) for part in one.of)


def _who(group: dict[str, str]) -> str:
    return " and ".join(f"{shown(k)} {shown(v)}" for k, v in group.items())
