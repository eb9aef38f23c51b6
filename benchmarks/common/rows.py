"""One measurement, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One measurement.

    Args:
        name: what was measured, readable on its own.
        value: the figure, or None where it could not be measured: then `note` says why.
        unit: "×" for ratios, "s", "MB", "%" …
        goal: what it has to reach; None for figures given for comparison.
        better: which way is better.
        note: one short remark.
    """

    name: str
    value: float | None
    unit: str = ""
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    @property
    def figure(self) -> str:
        """The value with its unit."""
        return _figure(self.value, self.unit)

    @property
    def wanted(self) -> str:
        """The goal with its unit and direction; "" without one."""
        sign = "≤" if self.better == "lower" else "≥"
        return "" if self.goal is None else f"{sign} {_figure(self.goal, self.unit)}"

    @property
    def verdict(self) -> str:
        """Whether the goal is met, for a table; "" without one."""
        return {None: "", True: "yes", False: "**no**"}[self.met]


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if float(value).is_integer():
        digits = 0
    elif unit == "%":
        digits = 2  # 99.85 and 99.3 must not both read 99
    else:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 2 if abs(value) >= 0.1 else 4
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}".strip() if unit not in {"%", "×"} else f"{text} {unit}"
