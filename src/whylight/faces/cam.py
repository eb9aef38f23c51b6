"""whylight's own face model as a detector: a classifier taught on labels only, and boxes around its evidence."""

from __future__ import annotations

from PIL import Image

from whylight.faces.types import Face, Look
from whylight.models.model import Model


class CamDetector:
    """Finds faces by the bundled `face` model and `whylight.locate`; `whylight.faces.detect.detector("cam")`.

    Its boxes are rough, since nobody ever showed it one: use it to see what labels alone can do.

    Args:
        model: with a class `face`; default: the bundled one.
        sequential: find one face, erase it, look again.
    """

    name = "cam"

    def __init__(self, model: Model | None = None, *, sequential: bool = True) -> None:
        import whylight

        self._model = whylight.load("face") if model is None else model
        self._sequential = sequential

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        return self.look(picture, largest=largest).faces

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of a picture, the largest first; scores as those of `whylight.locate`. `largest` changes nothing."""
        import whylight

        found = whylight.locate(self._model, picture.convert("RGB"), "face", sequential=self._sequential)
        faces = [Face(box, self.name, self.name) for box in found.boxes]
        faces.sort(key=lambda face: (face.box.x0 - face.box.x1) * (face.box.y1 - face.box.y0))
        return Look(faces, {self.name: len(faces)})
