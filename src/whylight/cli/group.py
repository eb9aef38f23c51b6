"""A command with commands of its own."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

COMMON: dict[str, Any] = {
    "rich_markup_mode": None,  # importing rich would take longer than all the rest of a help page
    "no_args_is_help": True,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class Group(TyperGroup):
    """Has options of its own (--help, those for shell completion) only where no command follows: to read the value of any option,
    given or not, typer loads pydantic.
    """

    _command_given = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self._command_given = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        return [] if self._command_given else super().get_params(ctx)


def new_group(about: str, *, of: type[Group] = Group, epilog: str | None = None) -> typer.Typer:
    """A verb that has verbs below it."""
    return typer.Typer(cls=of, help=about, epilog=epilog, add_completion=False, **COMMON)
