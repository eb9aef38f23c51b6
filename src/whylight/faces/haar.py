"""The default detector: the Haar cascades of the OpenCV 4 wheel, one after another (Viola and Jones 2001, Lienhart 2002).

Frontal alt2, alt and default, then profile and profile mirrored. Where the upright picture shows no face, turned pictures are
looked at as well.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.faces import cascades as files
from whylight.faces import eyes
from whylight.faces.turns import turned, turned_back
from whylight.faces.types import Face, Look
from whylight.localize import Box, overlap

FRONTAL = ("frontalface_alt2", "frontalface_alt", "frontalface_default")
PROFILE = "profileface"  # of faces that look to the left of the picture; the mirrored picture shows it the others
MIRRORED = "profileface, mirrored"
LONGEST = 640  # pixels of the longer side in which faces are looked for
SMALLEST = 20  # pixels of that picture: the cascades' own window
STEP = 1.1  # from one size of faces to the next
VOTES = 3  # overlapping windows that must agree on a face
SAME = 0.3  # IoU from which on two cascades mean the same face
TURNS = (15.0, -15.0, 30.0, -30.0, 45.0, -45.0, 90.0, -90.0, 180.0)
TURNED_LONGEST = 320
TURNED_VOTES = 5


class Find(NamedTuple):
    """What a cascade found, in pixels of the picture it looked at; votes: the windows that agreed."""

    x0: int
    y0: int
    x1: int
    y1: int
    votes: int
    cascade: str


class HaarDetector:
    """Finds faces by Haar cascades; `whylight.faces.detect.detector("haar")`.

    Args:
        cascades: a folder with `haarcascade_*.xml` to be used in place of OpenCV's of the same names.

    Raises:
        FaceError: code 2, if a cascade cannot be loaded.
    """

    name = "haar"

    def __init__(self, cascades: Path | None = None) -> None:
        self._cascades = {name: files.load(name, cascades) for name in (*FRONTAL, PROFILE)}
        self._eyes = [files.load(name, cascades) for name in eyes.CASCADES]
        self._lock = threading.Lock()  # a cascade keeps what it works on within itself

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        return self.look(picture, largest=largest).faces

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of a picture, the largest first, and how many each cascade found.

        Args:
            picture: any size; the longer side is scaled down to `LONGEST`.
            largest: stop at the first cascade that finds a face.
        """
        grey = np.asarray(picture.convert("L"))
        small, scale = shrunk(grey, LONGEST)
        tried: dict[str, int] = {}
        with self._lock:
            finds: list[Find] = []
            for cascade in (*FRONTAL, PROFILE, MIRRORED):
                found = self._ask(small, cascade, VOTES)
                tried[cascade] = len(found)
                finds += found
                if finds and largest:
                    break
            faces = [self._face(grey, find, scale) for find in merged(finds)]
            if not faces:
                faces = self._turned(grey, tried)
        return Look(sorted(faces, key=_area, reverse=True), tried)

    def _ask(self, grey: NDArray[np.uint8], cascade: str, votes: int) -> list[Find]:
        mirrored = cascade == MIRRORED
        classifier: Any = self._cascades[PROFILE if mirrored else cascade]
        seen = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
        if min(seen.shape) < SMALLEST:
            return []
        boxes, counts = classifier.detectMultiScale2(seen, STEP, votes, 0, (SMALLEST, SMALLEST))
        finds = []
        for (x, y, w, h), count in zip(boxes, counts, strict=True):
            left = grey.shape[1] - int(x) - int(w) if mirrored else int(x)
            finds.append(Find(left, int(y), left + int(w), int(y) + int(h), int(count), cascade))
        return finds

    def _face(self, grey: NDArray[np.uint8], find: Find, scale: float) -> Face:
        """A find in the shrunk picture as a face of the whole one, with its eyes where they can be seen."""
        x0, y0, x1, y1 = (round(value / scale) for value in find[:4])
        points = eyes.eyes_of(grey, (x0, y0, x1, y1), self._eyes) if find.cascade in FRONTAL else {}
        return Face(Box(x0, y0, x1, y1, float(find.votes)), self.name, find.cascade, points)

    def _turned(self, grey: NDArray[np.uint8], tried: dict[str, int]) -> list[Face]:
        """Faces of the picture turned to one side and the other; what was tried is added."""
        small, scale = shrunk(grey, TURNED_LONGEST)
        best: list[tuple[Face, int]] = []
        for angle in TURNS:
            seen, _ = turned(small, angle)
            found = self._ask(seen, FRONTAL[0], TURNED_VOTES)
            tried[f"{FRONTAL[0]}, turned {angle:+g}°"] = len(found)
            if found:
                whole, matrix = turned(grey, angle)
                x = [turned_back(self._face(whole, find, scale), matrix, angle) for find in found]
                best += [(face, find.votes) for face, find in zip(x, found, strict=True)]
        best.sort(key=lambda pair: -pair[1])
        faces: list[Face] = []
        for face, _ in best:
            if all(overlap(face.box, other.box) <= SAME for other in faces):
                faces.append(face)
        return faces


def merged(finds: list[Find]) -> list[Find]:
    """One find for each face: the earliest cascade's box, with the votes of all that agree with it.

    >>> merged([Find(0, 0, 10, 10, 4, "frontalface_alt2"), Find(1, 0, 11, 10, 3, "profileface")])
    [Find(x0=0, y0=0, x1=10, y1=10, votes=7, cascade='frontalface_alt2')]
    """
    kept: list[Find] = []
    for find in finds:
        same = next((at for at, other in enumerate(kept) if overlap(find, other) > SAME), None)
        if same is None:
            kept.append(find)
        else:
            kept[same] = kept[same]._replace(votes=kept[same].votes + find.votes)
    return kept


def shrunk(grey: NDArray[np.uint8], longest: int) -> tuple[NDArray[np.uint8], float]:
    """A picture (H, W) whose longer side is at most so long, and its scale; never enlarged."""
    scale = min(1.0, longest / max(grey.shape))
    if scale == 1:
        return grey, 1.0
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA), scale


def _area(face: Face) -> int:
    return (face.box.x1 - face.box.x0) * (face.box.y1 - face.box.y0)
