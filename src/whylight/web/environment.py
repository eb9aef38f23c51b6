"""Settings of the site as they stand in the environment, each read and checked in one place."""

from __future__ import annotations

import os

from whylight.errors import WhylightError
from whylight.shown import shown


def text(name: str, default: str = "") -> str:
    """A variable as it is."""
    return os.environ.get(name, "").strip() or default


def words(name: str, default: str = "") -> list[str]:
    """Several values with commas between them."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def number(name: str, default: int, least: int = 0) -> int:
    """A whole number.

    Raises:
        WhylightError: naming the variable.
    """
    given = text(name, str(default))
    try:
        value = int(given)
    except ValueError:
        value = least - 1
    if value < least:
        raise WhylightError(f"{name}={shown(given)}: expected a whole number from {least}")
    return value


def flag(name: str, default: bool = False) -> bool:
    """Yes or no.

    Raises:
        WhylightError: naming the variable.
    """
    given = text(name, "1" if default else "0").lower()
    if given in ("1", "true", "yes", "on"):
        return True
    if given in ("0", "false", "no", "off"):
        return False
    raise WhylightError(f"{name}={shown(given)}: expected 1 or 0")
