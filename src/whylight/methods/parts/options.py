"""Checks of option values: what is wrong, and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from whylight.errors import MethodError


def whole(method: str, option: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number that is at least `least`, and at most `most` where that is given.

    Raises:
        MethodError: if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        allowed = f"{least} or more" if most is None else f"from {least} to {most}"
        raise MethodError(f"method {method!r}: {option}={value!r}; it is a whole number, {allowed}")
    return value


def number(method: str, option: str, value: Any, *, least: float = 0.0, below: float | None = None) -> float:
    """Return a finite number that is at least `least`, and less than `below` where that is given.

    Raises:
        MethodError: if it is something else.
    """
    real = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not real or value < least or (below is not None and value >= below):
        allowed = f"{least:g} or more" if below is None else f"at least {least:g} and less than {below:g}"
        raise MethodError(f"method {method!r}: {option}={value!r}; it is a number, {allowed}")
    return float(value)


def choice(method: str, option: str, value: Any, allowed: Sequence[str]) -> str:
    """Return a value that is one of the allowed ones.

    Raises:
        MethodError: if it is not.
    """
    if value not in allowed:
        raise MethodError(f"method {method!r}: {option}={value!r}; it is one of {', '.join(allowed)}")
    return str(value)
