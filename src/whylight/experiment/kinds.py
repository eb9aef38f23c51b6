"""Whether a value is of the kind that a setting wants: what TOML and the command line give is not checked by anyone else."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from whylight.train import TrainConfig


def wrong_type(key: str, value: Any) -> str | None:
    """What is wrong with the kind of a setting's value, or None.

    >>> wrong_type("epochs", 2.5)
    'epochs = 2.5: expected int'
    """
    hint = get_type_hints(TrainConfig)[key]
    if (key == "unfreeze" and value == "all") or fits(value, hint):
        return None
    name = str(hint).replace("typing.", "").replace("Literal", "one of ") if get_origin(hint) else hint.__name__
    return f"{key} = {value!r}: expected {name}"


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
