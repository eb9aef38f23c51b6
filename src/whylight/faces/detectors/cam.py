"""whylight's own face model as a detector: a classifier taught on labels only, and boxes around its evidence."""

from __future__ import annotations

from PIL import Image

from whylight.boxes.box import Box, area, share_within
from whylight.faces.types import Face, Look
from whylight.front.locate import locate
from whylight.models.model import Model
from whylight.models.zoo.load import load

WITHIN = 0.8  # of a box's area in a larger one: the model saw a face, and its eyes once more when the rest was erased


class CamDetector:
    """Finds faces by the bundled `face` model and `whylight.locate`; `whylight.faces.detect.detector("cam")`.

    Its boxes are rough, since nobody ever showed it one: use it to see what labels alone can do.

    Args:
        model: with a class `face`; default: the bundled one.
        sequential: find one face, erase it, look again. Without it, faces that stand close share a box.
    """

    name = "cam"

    def __init__(self, model: Model | None = None, *, sequential: bool = True) -> None:
        self._model = load("face") if model is None else model
        self._sequential = sequential

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        return self.look(picture, largest=largest).faces

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of a picture, the largest first; scores as those of `whylight.locate`. `largest` changes nothing."""
        found = locate(self._model, picture.convert("RGB"), "face", sequential=self._sequential)
        boxes = sorted(found.boxes, key=lambda box: -area(box))
        kept: list[Box] = []
        for box in boxes:
            if all(share_within(box, other) < WITHIN for other in kept):
                kept.append(box)
        return Look([Face(box, self.name, self.name) for box in kept], {self.name: len(kept)})
