"""The result: a raw map with its scale, the prediction, and the picture it belongs to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from whylight import render
from whylight.boxes import Box, boxes_of, enlarged
from whylight.cells import WHOLE, Span
from whylight.errors import WhylightError
from whylight.explanation.asking import Asking
from whylight.explanation.heat import Heat, Scale, flatness, is_diffuse
from whylight.explanation.notebook import InNotebooks
from whylight.explanation.parts import panel_parts
from whylight.explanation.receipt import Receipt
from whylight.explanation.writing import put, write, write_arrays
from whylight.images.preprocess import Region
from whylight.render.bands import Band
from whylight.render.colormap import quantize
from whylight.render.overlay import overlay_steps
from whylight.shown import shown

REDUCED = 2**23  # pixels that a large picture is brought to where a pixel more or less is no matter
PRINTED = 2**21  # the same in documents, which are held in memory several times over
View = Literal["overlay", "panel", "map"]
_SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Explanation(InNotebooks):
    """Where a model looked for one target in one picture.

    Attributes:
        map: the method's own output, (h, w) float32 on the processor, never normalised.
        score: the target's score before softmax.
        probability: softmax probability of the target's class; None where the target is a function.
        target: class index; None where the target is a function.
        label: name of the class or function.
        method: name of the method.
        units: what the map's numbers are measured in.
        picture: the picture, as decoded, RGB.
        region: the part of the picture that the network saw, in pixels of `picture`.
        source: the picture's path, or a word for what has none.
        details: what the method tells beside the map, such as how many masks it took.
        level: the map's value that means no evidence: 0 but for methods like RISE, whose maps start from the mean score.
        scale: how the method's maps are best shown, where `heatmap` is not told otherwise.
        span: over which part of what the network saw the map's cells are spread: shares of its height and width.
        model: name of the model, as it was loaded or is called.
        verifier: how `verify` asks the model that was explained; not kept in copies and pickles, which would take the model along.
        asking: how `about` asks it; not kept either.
        original: the picture's own (width, height) where `picture` was read reduced, as very large JPEGs are; else None.
    """

    map: Tensor
    score: float
    probability: float | None
    target: int | None
    label: str
    method: str
    units: str
    picture: Image.Image
    region: Region
    source: str
    details: dict[str, Any] = field(default_factory=dict)
    level: float = 0.0
    scale: Scale = "max"
    span: Span = WHOLE
    model: str = ""
    verifier: Callable[..., Receipt] | None = field(default=None, repr=False)
    asking: Asking | None = field(default=None, repr=False)
    original: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """The picture's own (width, height), which the peak and boxes are told in pixels of."""
        return self.original or self.picture.size

    @property
    def times(self) -> int:
        """How many times smaller than that the sides of `picture` are; 1 unless it was read reduced."""
        return round(max(self.size) / max(self.picture.size))

    @property
    def flat(self) -> Literal["", "blank", "constant"]:
        """What is wrong with a map that says nothing about places: no positive evidence anywhere, or the same everywhere."""
        return flatness(self.map, self.level)

    @property
    def is_blank(self) -> bool:
        """Whether the map says nothing about places (`flat`): such a map is shown as empty, and has no peak and no boxes."""
        return self.flat != ""

    @property
    def certainty(self) -> str:
        """How sure the model is of the class, in words; where the target is no single class, its score."""
        return f"{self.probability:.1%}" if self.probability is not None else f"score {self.score:.4g}"

    @property
    def peak(self) -> tuple[float, float] | None:
        """Centre (x, y) of the map's highest cell, in pixels of the picture at its own `size`; None if blank."""
        if self.is_blank:
            return None
        h, w = self.map.shape
        row, column = divmod(int(self.map.argmax()), w)
        x0, y0, x1, y1 = (side * self.times for side in self.region)
        top, left, bottom, right = self.span
        across, down = left + (column + 0.5) * (right - left) / w, top + (row + 0.5) * (bottom - top) / h
        return x0 + across * (x1 - x0), y0 + down * (y1 - y0)

    def heatmap(self, size: tuple[int, int] | None = None, scale: Scale | None = None) -> Tensor:
        """Lay the map over the picture and scale it for display: (H, W) float32 in [0, 1], 0 where the network did not look.

        Args:
            size: (height, width) of the result; default: the picture's.
            scale: `"max"`: positive evidence relative to this map's maximum. `"robust"`: relative to the value that one in a
                hundred of the positive ones exceeds, where single pixels stand out. `"minmax"`: from the map's minimum to its
                maximum, negative evidence included. A number: positive evidence relative to that raw value, so that pictures
                can be compared on one scale. `"signed"`: evidence for and against, relative to the stronger, from 0
                (against) over 0.5 (none) to 1 (for). Default: the method's, `"max"` for all on a grid. Positive: above `level`.

        Raises:
            WhylightError: if the size or scale cannot be used.
        """
        shown = self._heat(scale, size)
        heat = torch.empty(shown.size)
        for rows, band in shown.bands():
            heat[rows] = band
        return heat

    def steps(self, scale: Scale | None = None, size: tuple[int, int] | None = None) -> Iterator[Band]:
        """The heat map over the picture, for eyes, in the 256 steps of a colour table: a few rows at a time, (h, W) uint8."""
        return ((rows, quantize(band.numpy())) for rows, band in self._heat(scale, size, for_eyes=True).bands())

    def limits(self, scale: Scale | None = None) -> tuple[float, float] | None:
        """The raw values that `heatmap` shows as 0 and as 1; None where nothing is to be seen."""
        return self._heat(scale, for_eyes=True).limits

    def overlay(self, alpha: float = 0.5, colormap: str = render.DEFAULT, scale: Scale | None = None) -> Image.Image:
        """Blend the heat map over the picture.

        Args:
            alpha: how much the strongest evidence covers, from 0 (picture only) to 1.
            colormap: any matplotlib name; the default is perceptually uniform, `"jet"` gives the classic look.
            scale: as in `heatmap`; `"signed"` has colours of its own: blue against, red for.
        """
        colours = self.colours(colormap, scale)
        return overlay_steps(self.picture, self.steps(scale), alpha=alpha, colormap=colours)

    def colours(self, colormap: str = render.DEFAULT, scale: Scale | None = None) -> str:
        """The colormap that it is drawn in, on a scale: the one given, unless the scale has colours of its own."""
        return render.SIGNED if (self.scale if scale is None else scale) == "signed" else colormap

    @property
    def is_diffuse(self) -> bool:
        """Whether evidence lies all over, in no place in particular (`heat.is_diffuse`): what places share is not drawn then."""
        return not self.is_blank and is_diffuse(self.map, self.level)

    def panel(self, alpha: float = 0.5, colormap: str = render.DEFAULT, scale: Scale | None = None) -> Image.Image:
        """Draw picture, map and overlay side by side, with class, probability and a colour bar in the map's own units."""
        smaller, times = self.reduced()
        if times > 1:  # the panel's pictures are small
            return smaller.panel(alpha, colormap, scale)
        return render.panel(**panel_parts(self, alpha, colormap, scale))

    def reduced(self, pixels: int = REDUCED) -> tuple[Explanation, int]:
        """The same about a smaller picture if it is very large, in that one's pixels; how many times smaller its sides are."""
        times = max(1, math.isqrt(self.picture.width * self.picture.height // pixels))
        picture = self.picture if times == 1 else self.picture.reduce(times)
        region = Region(*(side / times for side in self.region))
        return replace(self, picture=picture, region=region, original=None), times * self.times

    def boxes(self, threshold: float = 0.2, largest: bool = False, iou: float = 0.5) -> list[Box]:
        """Draw boxes around the connected parts of the heat map that reach `threshold` of its maximum.

        Args:
            threshold, largest, iou: as for `whylight.localize.boxes_of`.

        Returns:
            Boxes in pixels of the picture at its own `size`, half-open, hottest first; none if the map says nothing about places.
        """
        return enlarged(boxes_of(self.heatmap(), threshold, largest, iou), self.times, self.size)

    def verify(self, **options: Any) -> Receipt:
        """Check this explanation: does the score fall when its hottest pixels go, and is the map the model's own?

        The hottest pixels are removed, then as many at random places; and the map is made again by copies of the network with
        random weights, which must give another map. Printed, the answer is one sentence.

        Args:
            options: of `whylight.verify`, such as `draws=500` or `share=0.05`.

        Raises:
            WhylightError: if this explanation is a copy, or was read from a file, and knows its model no longer.
        """
        if self.verifier is None:
            raise WhylightError(
                "verify: this explanation does not know the model it came from, as copies and files do not; "
                "call whylight.verify(model, explanation)"
            )
        return self.verifier(self, **options)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "verifier": None, "asking": None}

    def save(self, path: str | os.PathLike[str], view: View = "overlay", **options: Any) -> Path:
        """Write a picture of this explanation, whole or not at all; the suffix says the format.

        Args:
            path: where to; its folder must exist. `.npz` is the raw map, `.pdf` and `.svg` are for papers: words stay text.
            view: `"overlay"`, `"panel"`, or `"map"` (the heat map alone, in grey).
            options: passed on to `overlay`, `panel` or `heatmap`.

        Raises:
            WhylightError: if the suffix is unknown.
            WriteError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() == ".npz":
            return self.to_npz(path)
        if path.suffix.lower() in (".pdf", ".svg"):
            small = self.reduced(PRINTED)[0]
            shows = panel_parts(small, **options) if view == "panel" else small._view(view, options)
            return put(render.document(path.suffix.lower()[1:], shows), path)
        kind = _SUFFIXES.get(path.suffix.lower())
        if kind is None:
            suffix = shown(path.suffix) or "a file without suffix"
            raise WhylightError(f"{shown(path)}: cannot write {suffix}; use .png, .jpg, .webp, .pdf, .svg or .npz")
        write(self._view(view, options), path, kind)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the picture as plain JSON values."""
        return {
            "picture": self.source,
            "method": self.method,
            **({"model": self.model} if self.model else {}),
            "target": self.target,
            "label": self.label,
            "score": self.score,
            "probability": self.probability,
            "units": self.units,
            "blank": self.is_blank,
            "flat": self.flat,
            "peak": list(self.peak) if self.peak is not None else None,
            "region": [side * self.times for side in self.region],
            **({"span": list(self.span)} if self.span != WHOLE else {}),
            "picture_size": list(self.size),
            **({"reduced": self.times} if self.times > 1 else {}),
            "level": self.level,
            "details": self.details,
            "map": self.map.tolist(),
        }

    def to_npz(self, path: str | os.PathLike[str]) -> Path:
        """Write the raw map and the facts beside it as a NumPy archive, whole or not at all, readable without unpickling.

        Raises:
            WriteError: if the file cannot be written.
        """
        facts = {name: value for name, value in self.to_dict().items() if name not in ("map", "details")}
        return write_arrays(Path(path), map=self.map.numpy(), **{k: v for k, v in facts.items() if v is not None})

    def __repr__(self) -> str:
        h, w = self.map.shape
        sure = f" {self.probability:.3f}" if self.probability is not None else ""
        blank = ", blank" if self.is_blank else ""
        return f"Explanation({shown(self.source)}: {shown(self.label)}{sure} by {self.method}, {h}×{w}{blank})"

    def _heat(self, scale: Scale | None, size: tuple[int, int] | None = None, for_eyes: bool = False) -> Heat:
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise WhylightError(f"size: expected (height, width), both at least 1, got {size}")
        size = size or (self.picture.height, self.picture.width)
        scale = self.scale if scale is None else scale
        return Heat(self.map, self.level, self.region, self.picture.size, size, scale, self.span, for_eyes=for_eyes)

    def _view(self, view: View, options: dict[str, Any]) -> Image.Image:
        if view == "overlay":
            return self.overlay(**options)
        if view == "panel":
            return self.panel(**options)
        if view == "map":
            return Image.fromarray(self.heatmap(**options).mul_(255).round_().to(torch.uint8).numpy())
        raise WhylightError(f"view: expected 'overlay', 'panel' or 'map', got {view!r}")
