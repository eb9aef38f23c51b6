"""Targets as they are written on a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whylight.errors import TargetError
from whylight.targets.kinds import Difference, Rank, difference, rank, top

_RATHER_THAN = ">>"


def parse(text: str, classes: Sequence[str] = ()) -> list[str | Rank | Difference]:
    """Read a target from text; it may stand for several.

    | text | targets |
    |---|---|
    | `tabby`, `281` | that class, by name or index |
    | `top3` | the three most probable classes of each picture |
    | `rank1` | the next to most probable class of each picture; `rank0` is the most probable |
    | `tabby >> tiger cat` | tabby rather than tiger cat: the difference of the two scores |

    `str()` of a rank or difference writes it so again. A text that is the whole name of a class is that class, whatever it
    looks like. Whether the classes exist is seen when the target is resolved.

    Args:
        text: what was written.
        classes: the model's classes, where they are known.

    Raises:
        TargetError: if the text is empty, or a side of `>>` is.

    >>> parse("top2"), parse("tabby >> 282"), parse("top2", classes=["top2", "cat"])
    ([Rank(k=0), Rank(k=1)], [Difference(a='tabby', b='282')], ['top2'])
    """
    text = text.strip()
    if not text:
        raise TargetError("target: expected a class, topK, rankK or A >> B; got nothing")
    if text in classes:
        return [text]
    ranked = re.fullmatch(r"(top|rank)(\d{1,9})", text, re.IGNORECASE | re.ASCII)
    if ranked:
        number = int(ranked[2])
        return [*top(number)] if ranked[1].lower() == "top" else [rank(number)]
    if _RATHER_THAN in text:
        sides = [side.strip() for side in text.split(_RATHER_THAN)]
        if len(sides) != 2 or not all(sides):
            raise TargetError(f"target {text!r}: expected two classes, as in A >> B")
        return [difference(*sides)]
    return [text]
