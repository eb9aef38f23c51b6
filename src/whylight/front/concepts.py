"""Deep feature factorisation: the few patterns a network's activations are made of, where each lies, and what it speaks for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from whylight import render
from whylight.atomic import named_errors, replacing
from whylight.cells import Span
from whylight.errors import MethodError, WhylightError
from whylight.images import Picture, decode, name_of
from whylight.images.preprocess import Region, place
from whylight.methods.dff import factorise
from whylight.methods.wrappers.tta import shares
from whylight.models.base import Classifier
from whylight.models.model import Model
from whylight.models.split.cut import repeat


@dataclass(frozen=True, eq=False)
class Concepts:
    """The concepts of one picture.

    Attributes:
        maps: where each concept lies, (r, h, w) float32 in units of activation, nowhere negative, the strongest first.
        directions: what each is made of, (r, K) float32 of unit length.
        labels: for each concept the class that the network's head names when it is shown this concept alone.
        probabilities: how sure the head is then.
        unexplained: share of the activations that the concepts together leave out, in [0, 1].
        picture: the picture, as decoded, RGB.
        region: the part of it that the network saw.
        span: over which part of that the maps' cells are spread.
        source: the picture's path, or a word for what has none.
    """

    maps: Tensor
    directions: Tensor
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    unexplained: float
    picture: Image.Image
    region: Region
    span: Span
    source: str

    def heatmaps(self) -> Tensor:
        """The maps laid over the picture, each relative to its own maximum: (r, H, W) float32 in [0, 1]."""
        return shares(torch.stack([place(one, self.region, self.picture.size, span=self.span) for one in self.maps]))

    def overlay(self, alpha: float = 0.6) -> Image.Image:
        """The picture, each pixel in the colour of its strongest concept."""
        return render.blend(self.picture, self.heatmaps().numpy(), alpha)

    def panel(self) -> Image.Image:
        """Picture, coloured concepts, and a legend that says what each speaks for."""
        words = [
            f"{number}. {label}, {sure:.0%}"
            for number, (label, sure) in enumerate(zip(self.labels, self.probabilities, strict=True), 1)
        ]
        title = f"{len(words)} concepts, {1 - self.unexplained:.0%} of the activations"
        about = f"the class the head names when it is shown one concept alone · {self.source}"
        return render.concept_panel(self.picture, self.heatmaps().numpy(), words, title=title, subtitle=about)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the panel as a PNG or JPEG file, whole or not at all.

        Raises:
            WhylightError: if the suffix is neither .png nor .jpg.
            WriteError: if the file cannot be written.
        """
        path = Path(path)
        kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
        if path.suffix.lower() not in kinds:
            raise WhylightError(f"{path}: cannot write {path.suffix or 'a file without suffix'}; use .png or .jpg")
        with named_errors(path), replacing(path) as file:
            self.panel().save(file, kinds[path.suffix.lower()])
        return path

    def _repr_png_(self) -> bytes:
        import io

        file = io.BytesIO()
        self.panel().save(file, "PNG")
        return file.getvalue()


def concepts(
    model: Classifier, pictures: Picture | Sequence[Picture], concepts: int = 5, *, layer: str | None = None
) -> Concepts | list[Concepts]:
    """Take a network's activations apart into a few concepts, and show where in the picture each of them lies.

    Several pictures are factorised together, so that concept 1 (and its colour) is the same thing in each of them.

    Args:
        model: a model with a split; not a black box.
        pictures: a path, PIL picture or uint8 array, or a sequence of them.
        concepts: how many.
        layer: dotted name of the layer; default: the one the model is looked at.

    Returns:
        One `Concepts`, or a list of them in picture order.

    Raises:
        MethodError: if the model is a black box, or the number is out of range.
        ImageError: if a picture cannot be read.

    Source: Collins, Achanta, Süsstrunk, Deep Feature Factorization for Concept Discovery, ECCV 2018.

    >>> import numpy as np, torch, whylight
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2))
    >>> found = whylight.concepts(whylight.wrap(cnn, size=64), np.zeros((64, 64, 3), np.uint8), concepts=2)
    >>> tuple(found.maps.shape), len(found.labels)
    ((2, 8, 8), 2)
    """
    if not isinstance(model, Model):
        raise MethodError("concepts are made of a network's activations, which a black box does not show")
    model = model if layer is None else model.at(layer)
    one = isinstance(pictures, (str, os.PathLike, Image.Image, np.ndarray))
    sources: list[Picture] = [pictures] if one else list(pictures)  # type: ignore[list-item,arg-type]
    if not sources:
        raise MethodError("pictures: expected at least one")
    opened = [decode(source) for source in sources]
    x = model.prepare(torch.stack([model.preprocessing(picture) for picture in opened]))
    with model.borrow(), torch.no_grad():
        raw, context = model.split.encode(x)
        grid = model.layout.to_grid(raw, (x.shape[2], x.shape[3])).float()  # (N, K, h, w)
        maps, directions, facts = factorise(grid, concepts, shared=len(sources) > 1)
        found = []
        for i, (source, picture) in enumerate(zip(sources, opened, strict=True)):
            alone = maps[i].unsqueeze(1) * directions[i][:, :, None, None]  # (r, K, h, w): each concept by itself
            rest = tuple(
                part[i : i + 1] if isinstance(part, Tensor) and len(part) == len(x) else part for part in context
            )
            spread = repeat(raw[i : i + 1], rest, len(alone))
            sure = model.probabilities(model.decode(alone.to(raw.dtype), *spread))  # (r, C)
            best = sure.max(1)
            found.append(
                Concepts(
                    maps=maps[i].cpu(),
                    directions=directions[i].cpu(),
                    labels=tuple(model.classes[index] for index in best.indices.tolist()),
                    probabilities=tuple(best.values.tolist()),
                    unexplained=float(facts[i]["unexplained"]),
                    picture=picture,
                    region=model.preprocessing.region(picture.size),
                    span=model.span((x.shape[2], x.shape[3]), (maps.shape[2], maps.shape[3])),
                    source=name_of(source),
                )
            )
    return found[0] if one else found
