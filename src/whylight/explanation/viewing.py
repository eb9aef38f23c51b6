"""Explanations as the viewer for notebooks takes them: small pictures, maps in 256 steps, and words."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from PIL import Image

from whylight import render
from whylight.explanation.asking import Asking
from whylight.explanation.heat import NOTHING, Scale
from whylight.images.preprocess import Region
from whylight.render.bands import Band
from whylight.render.fit import fit
from whylight.render.overlay import layers
from whylight.shown import shown

SIDE = 420  # pixels of a picture's longer side
STEPS = 20  # of opacity, from nothing to all


class Seen(Protocol):
    """As much of an `Explanation` as is needed here; its class imports this file."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def picture(self) -> Image.Image: ...
    @property
    def region(self) -> Region: ...
    @property
    def source(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def target(self) -> int | None: ...
    @property
    def units(self) -> str: ...
    @property
    def scale(self) -> Scale: ...
    @property
    def certainty(self) -> str: ...
    @property
    def flat(self) -> Literal["", "blank", "constant"]: ...
    @property
    def asking(self) -> Asking | None: ...
    def about(self, target: Any) -> Any: ...
    def panel(self) -> Image.Image: ...
    def limits(self, scale: Scale | None = None) -> tuple[float, float] | None: ...
    def steps(self, scale: Scale | None = None) -> Iterator[Band]: ...


T = TypeVar("T", bound=Seen)


def over(explanation: T, picture: Image.Image) -> T:
    """The same explanation laid over a copy of its picture in another size."""
    across, down = picture.width / explanation.picture.width, picture.height / explanation.picture.height
    x0, y0, x1, y1 = explanation.region
    return replace(explanation, picture=picture, region=Region(x0 * across, y0 * down, x1 * across, y1 * down))


class Pictures:
    """The pictures of explanations, each once, in the size at which they are shown."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._small: list[tuple[str, Image.Image]] = []

    def place(self, explanation: Seen) -> tuple[int, Image.Image]:
        """Which of them is an explanation's, and the picture itself, small."""
        small = fit(explanation.picture, SIDE)
        for place, (source, known) in enumerate(self._small):
            if source == explanation.source and known.size == small.size and known.tobytes() == small.tobytes():
                return place, known
        self._small.append((explanation.source, small))
        self.entries.append(
            {
                "name": shown(explanation.source),
                "short": shown(os.path.basename(explanation.source) or explanation.source),
                "width": small.width,
                "height": small.height,
                "png": render.encode(np.asarray(small), "png"),
            }
        )
        return len(self._small) - 1, small


def entry(explanation: Seen, pictures: Pictures) -> dict[str, Any]:
    """One map: what is drawn, and what is said of it."""
    place, small = pictures.place(explanation)
    laid = over(explanation, small)
    limits = laid.limits()
    return {
        "picture": place,
        "model": shown(explanation.model),
        "method": shown(explanation.method),
        "label": shown(explanation.label),
        "target": explanation.target,
        "certainty": explanation.certainty,
        "note": NOTHING[explanation.flat],
        "low": "" if limits is None else f"{limits[0]:.3g}",
        "high": "" if limits is None else f"{limits[1]:.3g}",
        "units": explanation.units,
        "steps": b"".join(np.ascontiguousarray(band).tobytes() for _, band in laid.steps()),  # (height, width)
    }


def class_names(classes: Sequence[str]) -> list[str]:
    """Names of classes to choose from; where several have the same, each has its index behind it.

    >>> class_names(["cat", "crane", "crane"])
    ['cat', 'crane [1]', 'crane [2]']
    """
    names = [shown(one) for one in classes]
    count = Counter(names)
    return [f"{name} [{index}]" if count[name] > 1 else name for index, name in enumerate(names)]


def blends(colormap: str) -> bytes:
    """For each step of opacity and each of the 256 of a map, (21, 256, 4) uint8: what is added, and what is kept of the picture."""
    every = [layers(colormap, step / STEPS) for step in range(STEPS + 1)]
    return b"".join(np.concatenate([colour, keep[:, :1]], axis=1).tobytes() for colour, keep in every)
