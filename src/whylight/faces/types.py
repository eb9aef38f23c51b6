"""What the parts of the face path hand to each other: a face, the crop made of it, a part of the crop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.boxes.box import Box, area


class Point(NamedTuple):
    """A place, in (fractional) pixels of a picture or of a crop; the first pixel's centre is (0.5, 0.5)."""

    x: float
    y: float


@dataclass(frozen=True)
class Face:
    """A face that a detector found.

    Attributes:
        box: where, in pixels of the picture, half-open; its score as the detector gives it, higher is surer. It ends at the
            picture's border. Of a turned face it is still upright: the same centre and sides, but for what the border cuts off.
        detector: `"haar"`, `"yunet"` or `"cam"`.
        found_by: what within the detector found it, such as the cascade's name; else the detector's.
        points: places in the face, in pixels of the picture, by name: `right_eye`, `left_eye` (the person's own), and where the
            detector tells them `nose`, `right_mouth`, `left_mouth`. Empty where it tells none.
        angle: degrees by which the picture had to be turned for the detector to find it, counter-clockwise.
    """

    box: Box
    detector: str
    found_by: str
    points: Mapping[str, Point] = field(default_factory=dict)
    angle: float = 0.0

    @property
    def eyes(self) -> tuple[Point, Point] | None:
        """The person's right eye (left in the picture of an upright face) and left eye, or None."""
        return (
            (self.points["right_eye"], self.points["left_eye"]) if {"right_eye", "left_eye"} <= {*self.points} else None
        )


def clipped(faces: Iterable[Face], width: int, height: int) -> list[Face]:
    """Faces with their boxes cut off at the borders of their picture; those that lie outside are left out."""
    cut = (
        replace(
            face,
            box=face.box._replace(
                x0=max(face.box.x0, 0), y0=max(face.box.y0, 0), x1=min(face.box.x1, width), y1=min(face.box.y1, height)
            ),
        )
        for face in faces
    )
    return [face for face in cut if face.box.x1 > face.box.x0 and face.box.y1 > face.box.y0]


def largest_first(faces: Iterable[Face]) -> list[Face]:
    """Faces in the order in which detectors give them."""
    return sorted(faces, key=lambda face: -area(face.box))


@dataclass(frozen=True)
class Template:
    """Where a network expects the eyes.

    Attributes:
        size: (height, width) of the crop in pixels.
        right_eye: centre of the person's right eye in the crop, as shares of its width and height.
        left_eye: the same of the left eye.
        others: the same of what else a detector may tell: `nose`, `right_mouth`, `left_mouth`. Empty: only the eyes count.
    """

    size: tuple[int, int]
    right_eye: Point
    left_eye: Point
    others: Mapping[str, Point] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out of its picture and laid on a template.

    Attributes:
        picture: the crop, RGB, of the template's size. What lay outside of the picture is filled from its border.
        matrix: (2, 3) float64, pixels of the whole picture → pixels of the crop: crop = matrix @ (x, y, 1).
        face: what it was made of.
        eyes: the person's right and left eye in pixels of the crop; by the template where no eyes were found.
        aligned: `"points"` where eyes, nose and mouth lie as near to the template's as they can, `"eyes"` where found eyes lie on
            the template's, `"box"` where only the box was laid on it.
    """

    picture: Image.Image
    matrix: NDArray[np.float64]
    face: Face
    eyes: tuple[Point, Point]
    aligned: str


@dataclass(frozen=True, eq=False)
class FacePart:
    """A region of a crop, such as the nose.

    Attributes:
        name: see `whylight.faces.parts.NAMES`; left and right are the person's own.
        mask: (H, W) bool over the crop.
        centre: its centre in pixels of the crop.
        source: `"landmarks"`, `"haar"` or `"geometry"`: what told where it is.
    """

    name: str
    mask: NDArray[np.bool_]
    centre: Point
    source: str


@dataclass(frozen=True)
class Look:
    """What a detector made of a picture.

    Attributes:
        faces: the largest first.
        tried: what within the detector looked, in that order, and how many of the faces each saw, such as
            `{"frontalface_alt2": 2, "frontalface_alt": 1}`. What was not needed is not named.
    """

    faces: list[Face]
    tried: Mapping[str, int]


class Detector(Protocol):
    """Finds faces."""

    name: str

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of an RGB picture, the largest first, and what each part of the detector found.

        Args:
            picture: RGB.
            largest: only the largest face is wanted: the detector may stop early.
        """
        ...

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        ...
