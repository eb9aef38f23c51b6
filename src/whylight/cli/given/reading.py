"""Values of options, read: several in one, and those of methods."""

from __future__ import annotations

import json
import re
from typing import Any

from whylight.errors import MethodError, WhylightError


def parts(entry: str) -> list[str]:
    """Split at commas that no space follows: `cat,dog` is two names, `tench, Tinca tinca` is one.

    Raises:
        WhylightError: if there is nothing between two commas.
    """
    found = [part.strip() for part in re.split(r",(?!\s)", entry)]
    if not all(found):
        raise WhylightError(f"{entry!r}: there is nothing between two commas, or before or after one")
    return found


def named(entries: list[str] | None) -> list[str]:
    """The names in an option that can be repeated, or hold several: each once."""
    return list(dict.fromkeys(part for entry in entries or () for part in parts(entry)))


def options_of(entries: list[str] | None) -> dict[str, dict[str, Any]]:
    """The options given to each method, as METHOD.KEY=VALUE.

    Raises:
        MethodError: if one is written otherwise.
    """
    values: dict[str, dict[str, Any]] = {}
    for entry in entries or ():
        match = re.fullmatch(r"([^.=]+)\.([^.=]+)=(.*)", entry)
        if not match:
            raise MethodError(f"--option {entry!r}: write it as METHOD.KEY=VALUE, for example rise.masks=4000")
        name, key, value = match.groups()
        values.setdefault(name, {})[key] = _value(value)
    return values


def one_of(value: str, name: str, choices: tuple[str, ...]) -> None:
    """Complain about a value that is none of an option's."""
    if value not in choices:
        raise WhylightError(f"{name} {value!r}: choose one of {', '.join(choices)}")


def _value(text: str) -> Any:
    """A number, true, false or null where it reads as one, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return {"none": None, "true": True, "false": False}.get(text.lower(), text)
