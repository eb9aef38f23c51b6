"""`--config FILE`: any verb's options out of a TOML file, under the names they have on the command line.

What stands at the top of the file is for every verb that has such an option; a table named like a verb (`[explain]`,
`[evaluate.faithfulness]`) is for that one, or for all of a group (`[evaluate]`), and wins over the top. The command line wins over
both. Paths count from where the command is given, as they do on the command line.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from whylight.errors import WhylightError
from whylight.shown import shown

NAME = "config"
Table = Mapping[str, Any]


def _read(context: typer.Context, param: typer.CallbackParam, file: str | None) -> str | None:
    if file is not None and not context.resilient_parsing:
        context.default_map = {**(context.default_map or {}), **values_for(context, file)}
    return file


Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file with any of these options, by their names here; what is given here wins.",
        show_default=False,
        is_eager=True,
        expose_value=False,
        callback=_read,
    ),
]


def values_for(context: typer.Context, file: str) -> dict[str, Any]:
    """What a file says of the options of the verb that is being called, by the names of its parameters.

    Raises:
        WhylightError: naming the file, the key, and what is wrong: no such option, a value it does not take, a broken file.
    """
    verbs: list[str] = []
    group: Any = context
    while group.parent is not None:
        verbs.insert(0, str(group.command.name))
        group = group.parent
    found: dict[str, tuple[str, Any]] = {}
    _File(file, group.command).gather(group.command, verbs, _load(file), [], found)
    params = {param.name: param for param in context.command.params}
    return {name: _value(context, params[name], f"{shown(file)}: {key}", given) for name, (key, given) in found.items()}


class _File:
    """One file, for what is said of it."""

    def __init__(self, file: str, root: Any) -> None:
        self.file, self.root = shown(file), root

    def gather(self, command: Any, verbs: list[str], table: Table, path: list[str], found: dict[str, Any]) -> None:
        """Take what a table, and the tables in it on the way to the verb, say: parameter → (key, value)."""
        below: Mapping[str, Any] = getattr(command, "commands", {})
        ours = _walk(command, verbs)
        tables = {key: value for key, value in table.items() if key in below and isinstance(value, dict)}
        mentioned = below if path else tables  # a group's own table is for all of its verbs
        beside = [_options(one) for verb in mentioned for _, one in _verbs(below[verb])]
        here: dict[str, str] = {}
        for key, value in table.items():
            if key in tables:
                continue
            name = _options(ours).get(_plain(key))
            if name is None:
                if not any(_plain(key) in options for options in beside):
                    raise self._unknown(key, path, ours, below, isinstance(value, dict))
                continue  # another verb's, which has a table in this file
            if name in here:
                raise WhylightError(
                    f"{self.file}: {here[name]} and {self._at(path, key)} are the same option; leave one out"
                )
            here[name] = self._at(path, key)
            found[name] = here[name], value
        if verbs and verbs[0] in tables:
            self.gather(below[verbs[0]], verbs[1:], tables[verbs[0]], [*path, verbs[0]], found)

    def _unknown(self, key: str, path: list[str], ours: Any, below: Table, is_table: bool) -> WhylightError:
        where = f"{self.file}: {self._at(path, key)}"
        if others := sorted(name for name, one in _verbs(self.root) if _plain(key) in _options(one)):
            table = others[0].replace(" ", ".")
            return WhylightError(
                f"{where}: no option of {ours.name}, but of {', '.join(others)}: move it to a table [{table}]"
            )
        names = [key for param in _settable(ours) for key in _long(param)[:1]] + (list(below) if is_table else [])
        near = difflib.get_close_matches(_plain(key), names, n=3) or sorted(names)
        return WhylightError(
            f"{where}: no option of {ours.name}{' and no verb' * is_table}. Near it: {', '.join(near)}"
        )

    def _at(self, path: list[str], key: str) -> str:
        return shown(".".join([*path, key]))


def _load(file: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise WhylightError(f"--config {shown(file)}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WhylightError(f"--config {shown(file)}: is no text in UTF-8; a TOML file is") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WhylightError(f"--config {shown(file)}: is no TOML: {shown(error)}") from error


def _walk(command: Any, verbs: list[str]) -> Any:
    for verb in verbs:
        command = command.commands[verb]
    return command


def _verbs(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The verbs of a group with their names, those of groups in it among them; or a verb itself."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
    for word, one in (below or {}).items():
        yield from _verbs(one, f"{name} {word}".strip())


def _settable(command: Any) -> list[Any]:
    return [param for param in command.params if param.name != NAME]


def _options(command: Any) -> dict[str, str]:
    """Key → parameter, for each option and argument of a verb."""
    return {key: param.name for param in _settable(command) for key in _long(param)}


def _long(param: Any) -> list[str]:
    """The keys of a parameter: its long options, or an argument's name."""
    if param.param_type_name == "argument":
        return [_plain(param.name)]
    return [opt[2:] for opt in param.opts if opt.startswith("--")]


def _plain(key: str) -> str:
    return key.replace("_", "-")


def _value(context: typer.Context, param: Any, where: str, given: Any) -> Any:
    """A value as the command line would have brought it, checked as there."""
    many = param.multiple or param.nargs == -1
    if getattr(param, "is_flag", False):
        if not isinstance(given, bool):
            raise WhylightError(f"{where}: expected true or false, got {shown(repr(given))}")
        value: Any = given
    elif isinstance(given, dict) and many:
        value = list(_flat(where, given))
    elif isinstance(given, list):
        each = [_text(where, one) for one in given]
        value = each if many else ",".join(each)
    else:
        value = [_text(where, given)] if many else _text(where, given)
    try:
        param.process_value(context, value)
    except typer.BadParameter as error:
        raise WhylightError(f"{where}: {shown(error.format_message())}") from None
    except WhylightError as error:
        raise WhylightError(f"{where}: {error}") from None
    return value


def _text(where: str, given: Any) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise WhylightError(f"{where}: expected text or a number, got {_words(given)}")
    return given if isinstance(given, str) else repr(given)


def _flat(where: str, table: Table, before: str = "") -> Iterator[str]:
    """`{rise = {masks = 4000}}` → `rise.masks=4000`."""
    for key, given in table.items():
        if isinstance(given, dict):
            yield from _flat(where, given, f"{before}{key}.")
        elif isinstance(given, str | int | float):
            yield f"{before}{key}={json.dumps(given) if not isinstance(given, str) else given}"
        else:
            raise WhylightError(
                f"{where}.{shown(before + key)}: expected text, a number, true or false, got {_words(given)}"
            )


def _words(given: Any) -> str:
    if isinstance(given, dict):
        return "a table"
    return "a list" if isinstance(given, list) else shown(str(given).lower() if isinstance(given, bool) else given)
