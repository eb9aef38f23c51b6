"""The result of looking for objects: boxes, and each look that led to them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from whylight import render
from whylight.boxes import Box, enlarged
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.explanation.writing import write
from whylight.localize.supervised import Regressed
from whylight.render.boxes import size_in_strip
from whylight.shown import shown

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FRAME_MS = 1200  # how long each look is shown in the animation
_ANIMATED = 640  # pixels of the animation's longer side
NOTHING = "nothing to locate"  # how the end of a look begins where the class says that there is nothing


def is_background(label: str, classes: Sequence[str]) -> bool:
    """Whether a class says that a picture shows nothing: there is nothing to locate, however much speaks for it.

    Such a class is called `background` or `__background__`, or `no X` or `not X` where X is another class of the model: a traffic
    sign "no entry" is an object. Case does not matter, and `_` or `-` may stand for the space.

    >>> is_background("no face", ["face", "no face"]), is_background("no entry", ["no entry", "stop"])
    (True, False)
    """
    plain = _plain(label)
    return plain == "background" or opposite(label, classes) is not None


def opposite(label: str, classes: Sequence[str]) -> str | None:
    """X, for a class called `no X` or `not X`; None where no class is called X."""
    first, _, rest = _plain(label).partition(" ")
    return next((name for name in classes if first in ("no", "not") and _plain(name) == rest), None)


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.lower())).strip()


@dataclass(frozen=True, eq=False)
class Look:
    """One look at a picture, of which parts may have been erased already.

    Attributes:
        explanation: what the model saw, a map or the boxes of its box head; its picture is the one that was looked at.
        boxes: what was found in it, in pixels of the picture.
        before: the class's probability in this look; None where the target is a function.
        after: the same once the boxes were erased; None where nothing was erased.
        times: how many times smaller the sides of the explanation's picture are, where a large one was looked at reduced.
    """

    explanation: Explanation | Regressed
    boxes: list[Box]
    before: float | None
    after: float | None = None
    times: int = 1


@dataclass(frozen=True, eq=False)
class Location:
    """Where the objects of a class are in one picture.

    Attributes:
        boxes: in pixels of the original picture, half-open; best first, or in the order in which they were found. Their
            `probability` is the class's where the model is shown the box alone, on a ground of its mean colour; None where the
            target is a function. Their `score` is what ranked them: the heat inside relative to the map's maximum; found one
            after another, the class's probability in the whole picture then; from a box head, its own.
        steps: one for each look.
        label: name of the class or function.
        target: class index; None where the target is a function.
        picture: as decoded, RGB; of a very large JPEG, a reduced copy.
        source: its path, or a word for what has none.
        threshold: share of each map's maximum at which boxes were cut out; of a box head, the least score of a box.
        stopped: why there was no further look, in words.
        original: the picture's own (width, height) where `picture` is a reduced copy; else None.
    """

    boxes: list[Box]
    steps: list[Look]
    label: str
    target: int | None
    picture: Image.Image
    source: str
    threshold: float
    stopped: str
    original: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """The picture's own (width, height), which boxes are told in pixels of."""
        return self.original or self.picture.size

    @property
    def times(self) -> int:
        """How many times smaller than that the sides of `picture` are; 1 unless it was read reduced."""
        return round(max(self.size) / max(self.picture.size))

    def enlarged(self, times: int, picture: Image.Image, original: tuple[int, int] | None = None) -> Location:
        """The same about an original of which the picture looked at was a reduced copy, drawn on `picture`."""
        size = original or picture.size
        steps = [replace(step, boxes=enlarged(step.boxes, times, size), times=times) for step in self.steps]
        boxes = enlarged(self.boxes, times, size)
        return replace(self, boxes=boxes, steps=steps, picture=picture, original=original)

    def overlay(self, *, spoil: bool = False) -> Image.Image:
        """The picture with its boxes, each with its probability, and its number where they were found one after another.

        Args:
            spoil: draw on `picture` itself, not on a copy.
        """
        names = [f"{number} " if len(self.steps) > 1 else "" for number in range(1, len(self.boxes) + 1)]
        texts = [
            f"{name}{shown(self.label)} {_sure(box.probability)}".strip()
            for name, box in zip(names, self.boxes, strict=True)
        ]
        boxes = [[side / self.times for side in box[:4]] for box in self.boxes]
        return render.draw_boxes(self.picture, boxes, texts, spoil=spoil)

    def strip(self) -> Image.Image:
        """A row of pictures, one for each look: the map over what was looked at, what was found, how sure the model was."""
        return render.strip(self._frames(_in_strip), [self._words(number) for number in range(len(self.steps))])

    def save(self, path: str | os.PathLike[str], view: str = "overlay") -> Path:
        """Write the picture with its boxes, or the strip of looks, whole or not at all; the suffix says the format.

        Args:
            path: where to; its folder must exist. A `.webp` strip is an animation.
            view: `"overlay"` or `"strip"`.

        Raises:
            WhylightError: if the suffix or view is unknown.
            WriteError: if the file cannot be written.
        """
        path = Path(path)
        kind = _KINDS.get(path.suffix.lower())
        if kind is None:
            suffix = shown(path.suffix) or "a file without suffix"
            raise WhylightError(f"{shown(path)}: cannot write {suffix}; use .png, .jpg or .webp")
        if view not in ("overlay", "strip"):
            raise WhylightError(f"view: expected 'overlay' or 'strip', got {view!r}")
        if view == "strip" and kind == "WEBP":
            first, *others = self._frames(_bounded)
            write(first, path, kind, save_all=True, append_images=others, duration=_FRAME_MS, loop=0, quality=80)
        else:
            write(self.overlay() if view == "overlay" else self.strip(), path, kind)
        return path

    def to_dict(self) -> dict[str, Any]:
        """Return everything but pictures and maps as plain JSON values."""
        return {
            "picture": self.source,
            "picture_size": list(self.size),
            **({"reduced": self.times} if self.times > 1 else {}),
            "label": self.label,
            "target": self.target,
            "boxes": [box._asdict() for box in self.boxes],
            "method": self.steps[0].explanation.method if self.steps else None,
            "threshold": self.threshold,
            "stopped": self.stopped,
            "steps": [
                {
                    "boxes": [box._asdict() for box in step.boxes],
                    "probability_before": step.before,
                    "probability_after": step.after,
                    "blank": step.explanation.is_blank,
                }
                for step in self.steps
            ],
        }

    def _repr_png_(self) -> bytes:
        import io

        file = io.BytesIO()
        self.overlay().save(file, "PNG")
        return file.getvalue()

    def __repr__(self) -> str:
        return f"Location({shown(self.source)}: {shown(self.label)}, {len(self.boxes)} boxes, {self.stopped})"

    def _frames(self, small: Callable[[Image.Image], Image.Image]) -> Iterator[Image.Image]:
        """What each look saw, made small at once: each is as large as the picture before."""
        number = 0
        for step in self.steps:
            texts = [str(number + i) for i in range(1, len(step.boxes) + 1)] if len(self.steps) > 1 else []
            colours = [render.COLOURS[(number + i) % len(render.COLOURS)] for i in range(len(step.boxes))]
            number += len(step.boxes)
            seen = step.explanation
            ground = seen.picture if isinstance(seen, Regressed) else seen.overlay()
            boxes = [[side / step.times for side in box[:4]] for box in step.boxes]
            yield small(render.draw_boxes(ground, boxes, texts, colours=colours or ("",)))
            del ground

    def _words(self, number: int) -> str:
        step = self.steps[number]
        sure = f"{step.before:.1%}" if step.before is not None else ""
        if not step.boxes:
            return f"{number + 1}: {sure}, nothing new"
        if step.after is None:
            return f"{shown(self.label)} {sure}"
        return f"{number + 1}: {sure} → {step.after:.1%}"


def _sure(probability: float | None) -> str:
    """A probability to two places, of which near certainty is no certainty; "" for none.

    >>> _sure(0.731), _sure(0.9996), _sure(0.0004)
    ('0.73', '> 0.99', '< 0.01')
    """
    if probability is None:
        return ""
    text = f"{probability:.2f}"
    return "> 0.99" if text == "1.00" else "< 0.01" if text == "0.00" else text


def _bounded(frame: Image.Image) -> Image.Image:
    """A picture no larger than an animation needs."""
    scale = min(1.0, _ANIMATED / max(frame.size))
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    return frame if scale == 1 else frame.resize(size, Image.Resampling.LANCZOS)


def _in_strip(frame: Image.Image) -> Image.Image:
    return frame.resize(size_in_strip(frame.size), Image.Resampling.LANCZOS)
