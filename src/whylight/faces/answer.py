"""What came out of one query about one face: who, why, in which words; or the error that stopped it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight import render
from whylight.errors import FaceError
from whylight.explanation import Explanation
from whylight.faces.identify import Identity
from whylight.faces.scores import PartScore
from whylight.faces.types import Face, FaceCrop, FacePart


@dataclass(frozen=True, eq=False)
class Answer:
    """One face's answer. What was found before an error is kept; what was not is None or empty.

    Attributes:
        source: the picture's path, or a word for what has none.
        code: 0, or the step that failed; see `whylight.errors.FaceError`.
        message: what is wrong and what to do; empty if nothing is.
        picture: the whole picture, RGB; of a very large JPEG, a reduced copy.
        times: how many times smaller than the picture's own the sides of that are.
        face: where the face is, in pixels of the picture at its own size, and what found it.
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
    times: int = 1

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.code == 0

    def check(self) -> Self:
        """This result, if nothing failed.

        Raises:
            FaceError: with this result's code and message.
        """
        if not self.ok:
            raise FaceError(self.code, self.message)
        return self

    def heatmap(self) -> NDArray[np.float32]:
        """The map over `crop` for display: (H, W) in [0, 1], 0 where nothing speaks for the answer."""
        crop, explanation = self.shown()
        heat: NDArray[np.float32] = explanation.heatmap(size=(crop.height, crop.width)).numpy()
        return heat

    def grey(self) -> Image.Image:
        """The map over `crop` in grey, 0 … 255: what the parts are scored on."""
        return Image.fromarray((self.heatmap() * 255).round().astype(np.uint8))

    def coloured(self, colormap: str = render.DEFAULT) -> Image.Image:
        """The map over `crop` in colours."""
        return Image.fromarray(render.colorize(self._seen() / 255, colormap))

    def blended(self, alpha: float = 0.5, colormap: str = render.DEFAULT) -> Image.Image:
        """The crop blended with the map."""
        return render.overlay(self.shown()[0], self._seen() / 255, alpha=alpha, colormap=colormap)

    def _seen(self) -> NDArray[np.uint8]:
        """The map as it is looked at: enlarged without ridges, where what is scored is bilinear. (H, W), 0 … 255."""
        crop, explanation = self.shown()
        return np.concatenate([band for _, band in explanation.steps(size=(crop.height, crop.width))])

    def face_picture(self) -> Image.Image:
        """The crop's picture, or the error that says why there is none."""
        if self.crop is None:
            raise FaceError(self.code or 3, self.message or f"{self.source}: no face")
        return self.crop.picture

    def shown(self) -> tuple[Image.Image, Explanation]:
        """The crop's picture and the explanation, or the error that says why there is none."""
        if self.explanation is None:
            raise FaceError(self.code or 4, self.message or f"{self.source}: there is no explanation")
        return self.face_picture(), self.explanation
