"""Class names as people write them: whole, in part, in another case, or with a slip."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from whylight.errors import TargetError


def index_of(label: str, classes: Sequence[str]) -> int:
    """Find the class that a name means.

    Raises:
        TargetError: if it is unknown (near names are given) or ambiguous.

    >>> index_of("Tabby Cat", ["dog", "tabby, tabby cat"])
    1
    """
    exact = [i for i, name in enumerate(classes) if name == label]
    wanted = label.casefold().strip()
    # Class lists give synonyms behind a comma ("tabby, tabby cat"): each of them names the class.
    matches = exact or [
        i for i, name in enumerate(classes) if wanted in (part.strip() for part in name.casefold().split(","))
    ]
    matches = matches or [i for i, name in enumerate(classes) if name.casefold() == wanted]
    if len(matches) == 1:
        return matches[0]
    if matches:
        places = ", ".join(f"{i} ({classes[i]})" for i in matches)
        raise TargetError(f"target {label!r} names several classes: {places}. Give the index")
    if label.isascii() and label.isdigit() and int(label) < len(classes):  # an index that came as text
        return int(label)
    raise _unknown(label, classes)


def _unknown(label: str, classes: Sequence[str]) -> TargetError:
    parts = {part.strip(): name for name in classes for part in (name.casefold(), *name.casefold().split(","))}
    near = dict.fromkeys(parts[p] for p in difflib.get_close_matches(label.casefold(), parts, n=3, cutoff=0.5))
    hint = (
        f"Near it: {', '.join(near)}"
        if near
        else f"It has {len(classes)}: {', '.join(classes[:8])}{', …' * (len(classes) > 8)}"
    )
    return TargetError(f"target {label!r} is no class of this model. {hint}")
