"""An audit as people and programs read it: groups, gaps, a summary, JSON and CSV."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from whylight.jsontext import dumps
from whylight.shown import shown
from whylight.subgroups.chances.chance import FEWEST
from whylight.subgroups.found import Attention
from whylight.subgroups.report.figures import figures
from whylight.subgroups.report.page import page
from whylight.subgroups.telling import words, writing
from whylight.subgroups.telling.looks import sentences
from whylight.subgroups.telling.told import Told

FIGURES = "figures"  # the folder in the results folder with each drawing as a file


class Audit(Told):
    """What an audit found.

    Attributes:
        groups: every group that is shown, everybody first, with its figures.
        gaps: for every combination of columns, the best and the worst group, and how far they are apart.
        summary: the findings in sentences.
        parts: the figures by combination of columns, as arrays.
        notes: what was odd about the data.
    """

    @cached_property
    def summary(self) -> list[str]:
        """The findings in sentences."""
        found = self.attention
        return words.summary(self, sentences(found, self._least) if isinstance(found, Attention) else ())

    @property
    def _least(self) -> int:
        """Of fewer pictures than this, nothing is shown of where the model looks."""
        return max(FEWEST, self.hide_under)

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        return writing.to_dict(self, self.summary)

    def to_json(self) -> str:
        """All of it as JSON text, the same for the same data."""
        return dumps(self.to_dict(), indent=1)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `audit.json`, `groups.csv`, `summary.txt` and `report.html`, and each drawing as a file into `figures/`.

        Returns:
            The first four.

        Raises:
            WriteError: if they cannot be written.
        """
        texts = {
            "audit.json": self.to_json(),
            "groups.csv": writing.table(self),
            "summary.txt": "\n".join(map(shown, self.summary)),
            "report.html": page(self, self.summary),
        }
        written = writing.write(Path(folder), texts)
        writing.write(Path(folder) / FIGURES, figures(self, self._least))
        return written
