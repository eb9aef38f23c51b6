"""What is written for each face: which pictures, what they are called, and the writing of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from whylight.errors import WhylightError
from whylight.jobs.folder import put
from whylight.jobs.names import LONGEST, cut, safe
from whylight.schema import Text

if TYPE_CHECKING:
    from whylight.faces.result import FaceResult
    from whylight.jobs.lines import Record

FILES = ("crop", "heat", "grey", "blend", "card")
ENDING = ".face.json"  # of a photograph's answers, behind its own name
_EARLIER = re.compile(
    r"(face\d+_)?(cropped\.jpg|blended_\d+\.jpg|(heat_map|gc_map|card)_\d+\.png)"
)  # beside `face.json`


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


def keep(result: FaceResult, folder: Path | None, place: str, look: Settings, *, named: bool = False) -> Record:
    """A result as plain values, its files written to a folder, if there is one.

    Args:
        result: the answer about one face.
        folder: where to.
        place: the photograph's place in it, without suffix; files are called after it, the face's number, and whose it is.
        look: which files.
        named: whether it was asked whose face it is.
    """
    person = _person(result) if named else ""
    return written(
        result, folder, look, lambda kind, name: name_of_face(place, result.number, person, kind, Path(name).suffix)
    )


def written(result: FaceResult, folder: Path | None, look: Settings, place: Callable[[str, str], str]) -> Record:
    """The same, where `place` says where a kind of file goes, which alone would be called so."""
    from whylight.faces.result import encoded

    files: dict[str, str] = {}
    if folder is not None:
        for kind, (name, draw) in result.drawings(look.files, colormap=look.colormap).items():
            files[kind] = os.fspath(put(folder, place(kind, name), encoded(draw(), name)))
    return {**result.to_dict(), "files": files}


def name_of_face(place: str, number: int, person: str, kind: str, suffix: str) -> str:
    """`<photograph>.face<number>[.<person>].<kind><suffix>`.

    >>> name_of_face("sub/party", 1, "Ada Lovelace", "card", ".png"), name_of_face("me", 0, "", "crop", ".jpg")
    ('sub/party.face2.Ada_Lovelace.card.png', 'me.face1.crop.jpg')
    """
    folder, base = os.path.split(place)
    tail = f".face{number + 1}{f'.{safe(person)}' if person else ''}.{kind}{suffix}"
    return os.path.join(folder, cut(base, LONGEST - len(os.fsencode(tail))) + tail)


def files_of(record: Record) -> list[str]:
    """The pictures that were written for a photograph; they lie beside its answers, wherever the folder lies now.

    Whatever a line says, nothing but what such files are called is looked for, or deleted.
    """
    answers = PurePosixPath(record["file"])
    base = answers.name.removesuffix(ENDING)
    start = re.escape(cut(base, 1)) if base != answers.name else None
    ours = (
        _EARLIER
        if start is None
        else re.compile(rf"{start}.*\.face\d+\.(.+\.)?({'|'.join(FILES)})\.(jpg|png)", re.DOTALL)
    )
    names = [Path(file).name for result in record["results"] for file in result["files"].values()]
    return [str(answers.parent / name) for name in names if ours.fullmatch(name)]


def _person(result: FaceResult) -> str:
    identity = result.identity
    if identity is None:
        return ""
    return "unknown" if identity.known is False else identity.name
