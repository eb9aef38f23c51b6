"""JSON that survives what is put into it: names that are not UTF-8, numbers that are none, input that was made to hurt."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_DEEPEST = 100  # brackets in brackets; far deeper ones would be too deep for whoever goes through the value
# How Python holds bytes of a file name that are not UTF-8 (no UTF-8 text can); and what a terminal would obey, or nobody sees.
_SPELLED = re.compile("[\ud800-\udfff\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def dumps(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    r"""A value as JSON text in UTF-8: half characters and invisible ones as escapes, NaN and infinity as null, arrays as lists.

    >>> dumps({"file": "caf\udce9.jpg", "score": float("nan")})
    '{"file": "caf\\udce9.jpg", "score": null}'
    >>> loads(dumps("caf\udce9.jpg")) == "caf\udce9.jpg"
    True
    """
    separators = (",", ":") if compact else None
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return _SPELLED.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


def loads(text: str | bytes) -> Any:
    """The value of a JSON text from anywhere.

    Raises:
        ValueError: if it is none: NaN, bytes that are not UTF-8, and brackets too deep to follow included.

    >>> loads("[" * 101 + "]" * 101)
    Traceback (most recent call last):
    ValueError: brackets in brackets, too deep to follow
    """
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        value, deep = None, True
    else:
        marks: tuple[Any, ...] = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
        deep = sum(map(text.count, marks)) > _DEEPEST and _is_deep(value)  # few brackets cannot be deep
    if deep:
        raise ValueError("brackets in brackets, too deep to follow")
    return value


def plain(value: Any) -> Any:
    """The same value as JSON can hold it: no NaN or infinity (null instead), no arrays, no tuples."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers, tensors
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return False
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return True


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
