"""What an evaluation found, in the one form that its JSON, its report and the screen share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from whylight.atomic import named_errors, replacing
from whylight.errors import DataError
from whylight.evaluate.bootstrap import Interval
from whylight.evaluate.figures import Cell, Curve, Examples, Figures
from whylight.evaluate.reports.page import page
from whylight.jsontext import dumps, plain

__all__ = ["Cell", "Curve", "Result"]
JSON, HTML = "results.json", "report.html"


@dataclass(frozen=True)
class Result(Figures):
    """All figures of one evaluation, as files: `results.json` for programs, `report.html` for people."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        shown: dict[str, Any] = plain(
            {
                **{name: getattr(self, name) for name in self.__dataclass_fields__},
                "cells": [{**vars(cell), "value": cell.value._asdict()} for cell in self.cells],
                "curves": [vars(curve) for curve in self.curves],
            }
        )
        return shown

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`'s values.

        Raises:
            DataError: if they are not such values.
        """
        try:
            values = {**fields}
            values["cells"] = [Cell(**{**cell, "value": Interval(**cell["value"])}) for cell in fields["cells"]]
            values["curves"] = [Curve(**curve) for curve in fields["curves"]]
            values["figures"] = {name: tuple(words) for name, words in fields["figures"].items()}
            values["baselines"], values["remarks"] = tuple(fields["baselines"]), tuple(fields["remarks"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"these are no results of whylight evaluate ({error!r})") from error

    def save(self, folder: str | os.PathLike[str], examples: Examples | None = None) -> Path:
        """Write `results.json` and `report.html` to a folder, which is made; returns the report's path.

        Args:
            folder: where to.
            examples: pictures for the report.

        Raises:
            WriteError: if they cannot be written.
        """
        folder = Path(folder)
        with named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        text = dumps(self.to_dict(), indent=1)
        for name, content in ((JSON, text), (HTML, page(self, examples))):
            with named_errors(folder / name), replacing(folder / name) as file:
                file.write(content.encode())
        return folder / HTML
