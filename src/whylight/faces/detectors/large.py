"""Large pictures are looked at reduced: no detector takes that many pixels, and copies of them would take gigabytes."""

from __future__ import annotations

import math
from dataclasses import replace

from PIL import Image

from whylight.boxes import enlarged
from whylight.faces.types import Detector, Face, Look, Point

_PIXELS = 2**23  # pictures of four times as many are reduced to about this


def look_at(detector: Detector, picture: Image.Image, *, largest: bool = False) -> Look:
    """What a detector makes of an RGB picture of any size, in pixels of that picture."""
    times = math.isqrt(picture.width * picture.height // _PIXELS)
    if times < 2:
        return detector.look(picture, largest=largest)
    look = detector.look(picture.reduce(times), largest=largest)
    return Look([enlarge(face, times, picture.size) for face in look.faces], look.tried)


def enlarge(face: Face, times: int, size: tuple[int, int]) -> Face:
    """A face of a reduced copy in pixels of the picture of (width, height) that it was made of."""
    points = {name: Point(x * times, y * times) for name, (x, y) in face.points.items()}
    return replace(face, box=enlarged([face.box], times, size)[0], points=points)
