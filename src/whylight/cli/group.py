"""A command with commands of its own."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """Has its own --help only where no command follows: to read the value of any option, given or not, typer loads pydantic."""

    _command_given = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self._command_given = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        return None if self._command_given else super().get_help_option(ctx)
