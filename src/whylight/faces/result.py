"""The answer about one face as files: pictures, a card, plain values."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from whylight import render
from whylight.atomic import named_errors, replacing
from whylight.errors import WhylightError
from whylight.faces.answer import Answer
from whylight.faces.card import draw
from whylight.faces.types import Face

FILES = ("crop", "heat", "grey", "blend", "card")


@dataclass(frozen=True, eq=False)
class FaceResult(Answer):
    """One face's answer, and how it is stored. What was found before an error is kept; what was not is None or empty."""

    def card(self) -> Image.Image:
        """Picture, crop, blend, the features' scores and the sentence on one page."""
        return draw(self)

    def save(
        self,
        folder: str | os.PathLike[str],
        files: Sequence[str] = FILES,
        *,
        stem: str = "",
        colormap: str = render.DEFAULT,
    ) -> dict[str, Path]:
        """Write pictures, each whole or not at all.

        Args:
            folder: where to; made if it is not there.
            files: which: `"crop"` (`cropped.jpg`), `"heat"` (`heat_map_<label>.png`), `"grey"` (`gc_map_<label>.png`), `"blend"`
                (`blended_<label>.jpg`), `"card"` (`card_<label>.png`). `<label>` is the index of the label or person.
            stem: put before each name, such as the picture's own.
            colormap: as for `coloured`; the grey map has none.

        Returns:
            The path of each. Without an explanation there is only the crop, and without a face nothing.

        Raises:
            WhylightError: for an unknown kind of file.
            WriteError: if one cannot be written.
        """
        drawn = self.drawings(files, colormap=colormap)
        return {kind: write_picture(Path(folder, f"{stem}{name}"), draw()) for kind, (name, draw) in drawn.items()}

    def drawings(
        self, files: Sequence[str] = FILES, *, colormap: str = render.DEFAULT
    ) -> dict[str, tuple[str, Callable[[], Image.Image]]]:
        """What `save` would write: the name of each file, and what draws it.

        Raises:
            WhylightError: for an unknown kind of file.
        """
        if unknown := [name for name in files if name not in FILES]:
            raise WhylightError(f"files: {unknown[0]!r} is none of {', '.join(FILES)}")
        label = "" if self.identity is None else str(self.identity.index)
        every: dict[str, tuple[str, Callable[[], Image.Image]]] = {
            "crop": ("cropped.jpg", self.face_picture),
            "heat": (f"heat_map_{label}.png", lambda: self.coloured(colormap)),
            "grey": (f"gc_map_{label}.png", self.grey),
            "blend": (f"blended_{label}.jpg", lambda: self.blended(colormap=colormap)),
            "card": (f"card_{label}.png", self.card),
        }
        there = () if self.crop is None else FILES[:1] if self.explanation is None else FILES
        return {kind: drawing for kind, drawing in every.items() if kind in files and kind in there}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures as plain JSON values."""
        identity = self.identity
        return {
            "picture": self.source,
            "code": self.code,
            "message": self.message,
            "faces": self.count,
            "number": self.number,
            **({"reduced": self.times} if self.times > 1 else {}),
            "tried": dict(self.tried),
            "face": None if self.face is None else _face(self.face),
            "aligned": None if self.crop is None else self.crop.aligned,
            "name": None if identity is None else identity.name,
            "label": None if identity is None else identity.index,
            "score": None if identity is None else identity.score,
            "measure": None if identity is None else identity.measure,
            "known": None if identity is None else identity.known,
            "limit": None if identity is None else identity.limit,
            "strangers": None if identity is None else identity.strangers,
            "same": None if identity is None else identity.same,
            "top": [] if identity is None else [
                {"name": one.name, "label": one.index, "score": one.similarity} for one in identity.top
            ],
            "rather_than": self.other,
            "method": None if self.explanation is None else self.explanation.method,
            "target_score": None if self.explanation is None else self.explanation.score,
            "blank": None if self.explanation is None else self.explanation.is_blank,
            "features": [
                {"name": s.name, "score": s.score, "share": s.share, "lift": s.lift, "source": s.source}
                for s in self.scores
            ],
            "significant": [s.name for s in self.significant],
            "off_face": self.off_face,
            "sentence": self.sentence,
        }  # fmt: skip


def _face(face: Face) -> dict[str, Any]:
    return {
        "box": list(face.box[:4]),
        "score": face.box.score,
        "detector": face.detector,
        "found_by": face.found_by,
        "points": {name: list(point) for name, point in face.points.items()},
        "angle": face.angle,
    }


def write_picture(path: Path, picture: Image.Image) -> Path:
    """Write a JPEG or PNG picture, whole or not at all, its folder made if it is not there."""
    data = encoded(picture, path.name)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(data)
    return path


def encoded(picture: Image.Image, name: str) -> bytes:
    """A picture as the bytes of a file with this name: JPEG where it ends in `.jpg`, else PNG."""
    data = BytesIO()
    picture.save(data, "JPEG" if name.endswith(".jpg") else "PNG", quality=92)
    return data.getvalue()
