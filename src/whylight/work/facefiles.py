"""What is written for each face: which pictures, and the writing of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from whylight.errors import WhylightError
from whylight.jobs.folder import put
from whylight.schema import Text

if TYPE_CHECKING:
    from whylight.faces.result import FaceResult
    from whylight.jobs.lines import Record

FILES = ("crop", "heat", "grey", "blend", "card")


@dataclass(frozen=True)
class Settings:
    """What is written: `files`, among crop, heat, grey, blend and card; `colormap`, of the coloured ones; `html`: a page of all."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    files: tuple[Text, ...] = FILES
    colormap: Text = "plasma"
    html: bool = False

    def check(self) -> None:
        """Complain about unknown files and colours."""
        from whylight.render import colormap

        if unknown := [one for one in self.files if one not in FILES]:
            raise WhylightError(f"--files {unknown[0]!r}: choose among {', '.join(FILES)}, or all")
        colormap.table(self.colormap)


def keep(result: FaceResult, folder: Path | None, place: str, look: Settings) -> Record:
    """A result as plain values, its files written to a place in a folder, if there is one."""
    from whylight.faces.result import encoded

    files: dict[str, str] = {}
    stem = f"face{result.number + 1}_" if result.number else ""
    if folder is not None:
        for kind, (name, draw) in result.drawings(look.files, colormap=look.colormap).items():
            files[kind] = os.fspath(put(folder, str(Path(place, stem + name)), encoded(draw(), name)))
    return {**result.to_dict(), "files": files}
