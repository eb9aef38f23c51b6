"""What an audit found, group by group, and how to look a group up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from whylight.errors import DataError
from whylight.shown import shown
from whylight.subgroups.findings import Findings
from whylight.subgroups.telling import rows


class Told(Findings):
    """Findings with their groups and gaps as mappings."""

    @cached_property
    def groups(self) -> list[dict[str, Any]]:
        """Every group that is shown, everybody first, with its figures; see [the guide](../guides/audit.md) for what they are."""
        return rows.rows(self)

    @cached_property
    def gaps(self) -> list[dict[str, Any]]:
        """For every combination of columns, the best and the worst group, and how far they are apart."""
        return rows.gaps(self)

    @cached_property
    def _by_group(self) -> dict[frozenset[tuple[str, str]], dict[str, Any]]:
        return {frozenset(one["group"].items()): one for one in self.groups}

    def group(self, **values: object) -> dict[str, Any]:
        """One group's figures: `audit.group(Male="1", Young="0")`; without values, everybody's.

        Raises:
            DataError: if there is no such group, or it is not shown.
        """
        return self.find({name: str(value) for name, value in values.items()})

    def find(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The same, by a mapping."""
        found = self._by_group.get(frozenset(values.items()))
        if found is None:
            text = ", ".join(f"{shown(k)}={shown(v)}" for k, v in values.items())
            raise DataError(f"group {text}: there is none, it was not asked for, or it is not shown")
        return found

    def gap(self, *columns: str) -> dict[str, Any]:
        """How far the best and the worst group by these columns are apart.

        Raises:
            DataError: if they were not combined.
        """
        for one in self.gaps:
            if sorted(one["columns"]) == sorted(columns):
                return one
        names = "; ".join(",".join(map(shown, one["columns"])) for one in self.gaps)
        raise DataError(f"gap({', '.join(map(shown, columns))}): these columns were not combined; there are {names}")
