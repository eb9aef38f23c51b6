"""Whether a value is of the kind that a setting wants: what TOML and the command line give is not checked by anyone else."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def wrong_type(kind: type, key: str, value: Any) -> str | None:
    """What is wrong with the kind of a field's value, or None.

    >>> from whylight.train import TrainConfig
    >>> wrong_type(TrainConfig, "epochs", 2.5)
    'epochs = 2.5: expected int'
    """
    hint = _hints(kind)[key]
    if fits(value, hint):
        return None
    options = [hint, *get_args(hint)] if get_origin(hint) in (Union, UnionType) else [hint]
    if choices := [choice for one in options if get_origin(one) is Literal for choice in get_args(one)]:
        return f"{key} is one of {', '.join(choices)}, not {value!r}"
    return f"{key} = {value!r}: expected {hint if get_origin(hint) or isinstance(hint, UnionType) else hint.__name__}"


_hints = cache(get_type_hints)  # an experiment asks this of every field of every run


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type: a plain one, a union, a choice, or a tuple of these."""
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        inner = kinds[:1] * len(value) if kinds[1:] == (Ellipsis,) and isinstance(value, list | tuple) else kinds
        same = isinstance(value, list | tuple) and len(value) == len(inner)
        return same and all(fits(one, kind) for one, kind in zip(value, inner, strict=True))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
