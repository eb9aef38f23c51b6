"""Names of classes in a file: one a line, or JSON as training scripts leave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whylight.errors import ModelError
from whylight.jsontext import loads
from whylight.shown import shown


def read_names(path: str, called: str) -> tuple[str, ...]:
    """The names in a file, in the order of the scores.

    Args:
        path: text with one name a line; or JSON: a list of names, index → name (also `["n02123045", "tabby"]`, of which the last
            counts), or name → index, as torchvision's `class_to_idx`.
        called: the option or argument, for errors.

    Raises:
        ModelError: if the file cannot be read, or holds no names, or not one for each index from 0 on.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{called} {shown(path)}: cannot be read as text: {error}") from error
    if path.lower().endswith(".json"):
        try:
            names = _listed(loads(text))
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{called} {shown(path)}: {shown(error)}") from error
    else:
        lines = text.splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        names = [line.strip() for line in lines]
    if not names:
        raise ModelError(f"{called} {shown(path)}: the file is empty; it needs one class name a line")
    return tuple(names)


def _listed(value: Any) -> list[str]:
    """The names in what a JSON file holds.

    >>> _listed({"1": "dog", "0": "cat"}), _listed({"dog": 1, "cat": 0}), _listed({"0": ["n02123045", "tabby"]})
    (['cat', 'dog'], ['cat', 'dog'], ['tabby'])
    """
    if isinstance(value, list):
        return [_name(one) for one in value]
    if not isinstance(value, dict):
        raise ValueError("expected a list of names, or index → name")
    if value and all(type(index) is int for index in value.values()):
        value = {index: name for name, index in value.items()}
    try:
        numbered = {int(index): name for index, name in value.items()}
    except ValueError:
        raise ValueError("expected a list of names, index → name, or name → index") from None
    if len(numbered) != len(value) or sorted(numbered) != list(range(len(numbered))):
        raise ValueError("its indices are not 0, 1, 2, … with one name each")
    return [_name(numbered[index]) for index in range(len(numbered))]


def _name(value: Any) -> str:
    value = value[-1] if isinstance(value, list) and value else value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no class name")
    return value.strip()
