"""What came out of one query about one face: who, why, in which words; or the error that stopped it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight import render
from whylight.atomic import named_errors, replacing
from whylight.errors import FaceError, WhylightError
from whylight.explanation import Explanation
from whylight.faces.identify import Identity
from whylight.faces.scores import PartScore
from whylight.faces.types import Face, FaceCrop, FacePart

FILES = ("crop", "heat", "grey", "blend", "card")


@dataclass(frozen=True, eq=False)
class FaceResult:
    """One face's answer. What was found before an error is kept; what was not is None or empty.

    Attributes:
        source: the picture's path, or a word for what has none.
        code: 0, or the step that failed; see `whylight.errors.FaceError`.
        message: what is wrong and what to do; empty if nothing is.
        picture: the whole picture, RGB.
        face: where the face is, and what found it.
        number: of this face in the picture, from 0, the largest first. `count`: how many were found.
        tried: what within the detector looked, and how many faces each found.
        crop: the face as it is shown, laid on the network's template, at least 224 pixels high.
        identity: whom the network takes it for.
        other: from whom it was told, if that was asked.
        explanation: the map over the network's own crop, in its own units.
        parts: regions of `crop`. `scores`: of all of them, in the same order.
        significant: the facial ones whose score reaches the threshold, the most important first.
        off_face: share of the evidence on hair and background.
        sentence: all this in words.
    """

    source: str
    code: int = 0
    message: str = ""
    picture: Image.Image | None = None
    face: Face | None = None
    number: int = 0
    count: int = 0
    tried: Mapping[str, int] = field(default_factory=dict)
    crop: FaceCrop | None = None
    identity: Identity | None = None
    other: str | None = None
    explanation: Explanation | None = None
    parts: Mapping[str, FacePart] = field(default_factory=dict)
    scores: Sequence[PartScore] = ()
    significant: Sequence[PartScore] = ()
    off_face: float = 0.0
    sentence: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.code == 0

    def check(self) -> FaceResult:
        """This result, if nothing failed.

        Raises:
            FaceError: with this result's code and message.
        """
        if not self.ok:
            raise FaceError(self.code, self.message)
        return self

    def heatmap(self) -> NDArray[np.float32]:
        """The map over `crop` for display: (H, W) in [0, 1], 0 where nothing speaks for the answer."""
        crop, explanation = self._shown()
        heat: NDArray[np.float32] = explanation.heatmap(size=(crop.height, crop.width)).numpy()
        return heat

    def grey(self) -> Image.Image:
        """The map over `crop` in grey, 0 … 255: what the parts are scored on."""
        return Image.fromarray((self.heatmap() * 255).round().astype(np.uint8))

    def coloured(self, colormap: str = render.DEFAULT) -> Image.Image:
        """The map over `crop` in colours."""
        return Image.fromarray(render.colorize(self.heatmap(), colormap))

    def blended(self, alpha: float = 0.5, colormap: str = render.DEFAULT) -> Image.Image:
        """The crop blended with the map."""
        return render.overlay(self._shown()[0], self.heatmap(), alpha=alpha, colormap=colormap)

    def card(self) -> Image.Image:
        """Picture, crop, blend, the features' scores and the sentence on one page."""
        from whylight.faces.card import draw

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
            "crop": ("cropped.jpg", self._face),
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
            "tried": dict(self.tried),
            "face": None if self.face is None else _face(self.face),
            "aligned": None if self.crop is None else self.crop.aligned,
            "name": None if identity is None else identity.name,
            "label": None if identity is None else identity.index,
            "score": None if identity is None else identity.score,
            "measure": None if identity is None else identity.measure,
            "known": None if identity is None else identity.known,
            "limit": None if identity is None else identity.limit,
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

    def _face(self) -> Image.Image:
        if self.crop is None:
            raise FaceError(self.code or 3, self.message or f"{self.source}: no face")
        return self.crop.picture

    def _shown(self) -> tuple[Image.Image, Explanation]:
        if self.explanation is None:
            raise FaceError(self.code or 4, self.message or f"{self.source}: there is no explanation")
        return self._face(), self.explanation


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
