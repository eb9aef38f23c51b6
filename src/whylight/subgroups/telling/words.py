"""The findings of an audit in sentences: who is served better, what a comparison changed, what is within noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whylight.shown import plural, shown
from whylight.subgroups.breakdown import Settings
from whylight.subgroups.telling.rows import ALONE, BETTER, INSUFFICIENT, NOISE, WORSE, noise
from whylight.subgroups.telling.told import Told

_NAMED = 5  # groups of one kind named in a sentence


def summary(audit: Told, looks: Sequence[str] = ()) -> list[str]:
    """The findings, most important first; each sentence stands by itself.

    Args:
        audit: what was found.
        looks: what is said of where the model looks.
    """
    everyone = audit.groups[0] if audit.groups and not audit.groups[0]["group"] else None
    if everyone is None:
        return ["There are too few rows for any figure to be shown."]
    by: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in audit.groups[1:]:
        by.setdefault(tuple(row["group"]), []).append(row)
    name = shown(audit.prediction[0] or "the prediction")
    people = "" if audit.people is None else f" of {plural(audit.people, 'person')}".replace("persons", "people")
    first = (
        f"{name} is right about {shown(audit.label)} in {percent(everyone['accuracy'])} of {plural(audit.rows, 'row')}{people} "
        f"({_between(everyone['interval'])})."
    )
    lines = [first, *(_column(audit, column, by.get((column,), [])) for column, _ in audit.columns)]
    if deep := [row for row in audit.groups if len(row["group"]) > 1]:
        lines += _intersections(audit, deep)
    if audit.against:
        lines += _comparison(audit, everyone, by)
    lines += looks
    if hidden := sum(int(part.hidden.sum()) for part in audit.parts.values()):
        lines.append(
            f"{plural(hidden, 'group')} not shown: of fewer than {audit.hide_under} rows, or such that would tell one's figures."
        )
    lines += [note.text for note in audit.notes if note.warn]
    lines.append(
        f"Intervals hold the truth in {percent(audit.settings.level, 0)} of such samples, each by itself. {_corrected(audit)} "
        "Groups are what annotators wrote down, not what people are."
    )
    return lines


def _corrected(audit: Told) -> str:
    """What the tests hold, and over which of them."""
    alpha = percent(audit.settings.alpha, 0)
    over = (
        "all tests of one question (the groups with one prediction, with the other, what changed, whether gaps changed: "
        "each has an error of its own)"
        if audit.against
        else "all tests that were made"
    )
    if audit.correction == "bh":
        return f"A difference is called one such that, over {over}, at most {alpha} of those named are expected to be chance."
    return f"A difference is called one where its test, corrected for {over}, leaves less than {alpha} to chance."


def _column(audit: Told, column: str, rows: list[dict[str, Any]], key: str | None = None) -> str:
    """What can be said of the groups by one column; `key`: of the predictions compared with."""
    facts = [(row, row if key is None else row[key]) for row in rows]
    name = shown(column)
    if not facts:
        return f"{name}: no group of it can be shown."
    said = [one["verdict"] for _, one in facts]
    if set(said) == {ALONE} or len(facts) == 1:
        return f"{name}: there is nobody to compare with."
    if len(facts) == 2 and audit.gap(column)["groups"] == 2:
        return _two(name, column, facts)
    worse, better = ([pair for pair in facts if pair[1]["verdict"] == kind] for kind in (WORSE, BETTER))
    parts = []
    if worse:
        parts.append(f"served worse than all others: {_list(column, worse)}")
    if better:
        parts.append(f"served better: {_list(column, better)}")
    if not parts:
        parts.append(
            "no group differs from all others by more than noise"
            if set(said) == {NOISE}
            else "of no group is it shown that it differs from all others"
            if NOISE in said
            else "nothing can be said of any group"
        )
    if key is None and (gap := audit.gap(column))["gap"] is not None:
        worst, best = shown(gap["worst"][column]), shown(gap["best"][column])
        parts.append(
            f"from {worst} to {best} it is {points(gap['gap'])} ({_range(gap['interval'])}; {points(gap['less_chance'])} without "
            "what chance adds to a largest gap)"
        )
    few = [row for row, one in facts if one["verdict"] == INSUFFICIENT]
    if few:
        parts.append(f"insufficient evidence for {plural(len(few), 'group')}: {_names(column, few)}")
    return f"{name}: {'; '.join(parts)}."


def _two(name: str, column: str, facts: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    (low, less), (high, more) = sorted(
        facts, key=lambda pair: pair[1]["accuracy"] if pair[1]["accuracy"] is not None else -1.0
    )
    one, other = shown(high["group"][column]), shown(low["group"][column])
    gap = more["gap_to_rest"]
    figures = f"{percent(more['accuracy'])} of {high['n']:,} against {percent(less['accuracy'])} of {low['n']:,}"
    if more["verdict"] == BETTER:
        return (
            f"{name}: {one} is served better than {other}, {figures}: {points(gap['value'])} more "
            f"({_range(gap['interval'])}; {_p(more['p_corrected'])})."
        )
    if more["verdict"] == NOISE:
        return (
            f"{name}: the difference between {one} and {other}, {figures}, is within noise: {points(gap['value'])} "
            f"({_range(gap['interval'])}; {_p(more['p_corrected'])})."
        )
    reach = "" if gap["interval"] is None else f"; the difference may be anything from {_range(gap['interval'])}"
    return f"{name}: insufficient evidence about {one} and {other}, {figures}{reach}."


def _intersections(audit: Told, rows: list[dict[str, Any]]) -> list[str]:
    found = [row for row in rows if row["verdict"] in (WORSE, BETTER)]
    few, noise = (sum(row["verdict"] == kind for row in rows) for kind in (INSUFFICIENT, NOISE))
    lines = []
    for kind, words in ((WORSE, "served worse"), (BETTER, "served better")):
        some = sorted(
            (row for row in found if row["verdict"] == kind), key=lambda row: -abs(row["gap_to_rest"]["value"])
        )
        if some:
            named = "; ".join(_stands(_who(row["group"]), row, row) for row in some[:_NAMED])
            more = f"; and {len(some) - _NAMED} more" if len(some) > _NAMED else ""
            lines.append(f"Of {plural(len(rows), 'intersection')}, {words} than all others: {named}{more}.")
    text = (
        f"Of {plural(len(rows), 'intersection')}, {noise:,} differ from all others by no more than noise"
        if noise
        else ""
    )
    if few:
        text += (
            "; " if text else f"Of {plural(len(rows), 'intersection')}, "
        ) + f"for {few:,} there is insufficient evidence"
    if text:
        lines.append(text + ".")
    small = [row for row in rows if row["shrunk"]["accuracy"] is not None and row["n"] > 0]
    worst = min(small, key=lambda row: row["shrunk"]["accuracy"], default=None)
    if worst is not None:
        shrunk = worst["shrunk"]
        lines.append(
            f"The lowest accuracy of an intersection, shrunk towards what its parts predict, is that of {_who(worst['group'])}: "
            f"{percent(shrunk['accuracy'])} ({_range(shrunk['interval'], percent)}); counted, {percent(worst['accuracy'])} of "
            f"{worst['n']:,}."
        )
    if any(row["family"] == "exploratory" for row in found):
        lines.append("Findings on intersections that were not declared are exploratory: confirm them on other rows.")
    return lines


def _comparison(audit: Told, everyone: dict[str, Any], by: Mapping[tuple[str, ...], list[dict[str, Any]]]) -> list[str]:
    first, second = shown(audit.prediction[0]), shown(audit.against[0])
    change = everyone["change"]
    size = points(abs(change["accuracy"]))
    sign = "more" if change["accuracy"] > 0 else "less"
    tested = change["p_corrected"]
    real = tested is not None and tested < audit.settings.alpha
    small = change["interval"] is not None and noise(
        change["interval"][0], change["interval"][1], audit.settings.margin
    )
    seen = f"{_range(change['interval'])}; {_p(tested)}"
    lines = [
        f"Against {second}: {first} is right {sign} often in all, by {size} ({seen})." if real
        else f"Against {second}: the difference in all, {points(change['accuracy'])}, is within noise ({seen})." if small
        else f"Against {second}: insufficient evidence about the difference in all, {points(change['accuracy'])} ({seen})."
    ]  # fmt: skip
    for column, _ in audit.columns:
        rows = by.get((column,), [])
        if not rows:
            continue
        lines.append(f"With {second}, {_column(audit, column, rows, 'against')}")
        lines.append(_changes(audit, column, rows))
    if "seeds" in change:
        seeds = change["seeds"]
        both = min(len(seeds["each"]), len(seeds["against"])) > 1
        lines.append(
            f"Over {len(seeds['each'])} and {len(seeds['against'])} seeds the difference in all is {points(seeds['accuracy'])} "
            f"({_range(seeds['interval'])}{', for other seeds too' if both else '; for other seeds of one alone'})."
        )
    return lines


def _changes(audit: Told, column: str, rows: list[dict[str, Any]]) -> str:
    alpha, moved, still, untested, small = audit.settings.alpha, [], 0, 0, True
    for row in rows:
        change = row["change"]
        ends = change["interval"]
        small = small and ends is not None and noise(ends[0], ends[1], audit.settings.margin)
        if change["p_corrected"] is None:
            untested += 1
        elif change["p_corrected"] < alpha:
            side = "more" if change["accuracy"] > 0 else "less"
            by = f"{points(abs(change['accuracy']))} ({_range(change['interval'])})"
            moved.append(f"right {side} often for {shown(row['group'][column])}, by {by}")
        else:
            still += 1
    first, second = shown(audit.prediction[0]), shown(audit.against[0])
    nothing = (
        "no group's accuracy changed by more than noise"
        if small
        else "of no group is it shown that its accuracy changed"
    )
    text = f"{shown(column)}, {first} instead of {second}: " + ("; ".join(moved[:_NAMED]) if moved else nothing)
    if moved and still:
        text += f"; for {still:,} other group{'s' if still > 1 else ''} no change is shown"
    if untested:
        text += f"; {plural(untested, 'group')} of too few rows not tested"
    if len(rows) == 2 and audit.gap(column)["groups"] == 2:
        text += f". {_gap_change(column, rows, audit.settings)}"
    return text + "."


def _gap_change(column: str, rows: list[dict[str, Any]], settings: Settings) -> str:
    """Whether the gap between two groups became narrower: seen from the group that was ahead with the other predictions."""
    ahead = max(rows, key=lambda row: row["against"]["gap_to_rest"]["value"] or 0.0)
    before, after = ahead["against"]["gap_to_rest"]["value"], ahead["gap_to_rest"]["value"]
    ends, value = ahead["change"]["gap_interval"], ahead["change"]["gap"]
    if before is None or after is None or ends is None:
        return "Whether the gap changed cannot be told"
    who = f"The lead of {shown(ahead['group'][column])} went from {points(before)} to {points(after)}"
    p = ahead["change"]["gap_p_corrected"]
    if p is not None and p < settings.alpha:
        side, seen = ("wider", ends) if value > 0 else ("narrower", [-ends[1], -ends[0]])
        return f"{who}: {side} by {points(abs(value))} ({_range(seen)}; {_p(p)})"
    if p is None:
        return f"{who}: not tested, for one of them has too few rows ({_range(ends)})"
    said = "a change within noise" if noise(ends[0], ends[1], settings.margin) else "that it changed is not shown"
    return f"{who}: {said} ({_range(ends)}; {_p(p)})"


def _list(column: str, facts: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    ordered = sorted(facts, key=lambda pair: -abs(pair[1]["gap_to_rest"]["value"]))
    text = ", ".join(_stands(shown(row["group"][column]), row, one) for row, one in ordered[:_NAMED])
    return text + (f" and {len(facts) - _NAMED} more" if len(facts) > _NAMED else "")


def _stands(who: str, row: dict[str, Any], one: dict[str, Any]) -> str:
    """A group with its accuracy, and how far it is from all others."""
    gap = points(one["gap_to_rest"]["value"], sign=True)
    return f"{who} ({percent(one['accuracy'])} of {row['n']:,}, {gap}; {_p(one['p_corrected'])})"


def _names(column: str, rows: list[dict[str, Any]]) -> str:
    text = ", ".join(
        f"{shown(row['group'][column])} ({percent(row['accuracy'])} of {row['n']:,}; {_between(row['interval'])})"
        for row in rows[:_NAMED]
    )
    return text + (f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else "")


def _who(group: Mapping[str, str]) -> str:
    return ", ".join(f"{shown(k)} {shown(v)}" for k, v in group.items())


def percent(value: float | None, digits: int = 2) -> str:
    """A share in percent.

    >>> percent(0.966937), percent(None)
    ('96.69 %', 'nothing')
    """
    return "nothing" if value is None else f"{100 * value:.{digits}f} %"


def points(value: float, *, sign: bool = False) -> str:
    """A difference of shares in percentage points.

    >>> points(0.00382), points(-0.02, sign=True)
    ('0.38 points', '−2.00 points')
    """
    return f"{100 * value:{'+' if sign else ''}.2f} points".replace("-", "−")


def _between(ends: list[float] | None) -> str:
    return "no interval" if ends is None else f"interval {_range(ends, percent)}"


def _range(ends: list[float] | None, how: Any = None) -> str:
    if ends is None:
        return "no interval"
    return f"{100 * ends[0]:.2f} to {100 * ends[1]:.2f}{' %' if how is percent else ''}".replace("-", "−")


def _p(value: float | None) -> str:
    return "not tested" if value is None else "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"
