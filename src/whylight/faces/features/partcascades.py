"""Parts of a face by Haar cascades, each looked for where it should be.

Those for eyes and smile come with OpenCV, those for nose and mouth from a folder of the user's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.faces.detectors import cascades as files
from whylight.faces.features.geometry import Frame
from whylight.faces.types import Point

UNIT = 48.0  # pixels between the eyes to which the crop is brought; parts then exceed the cascades' windows a little
STEP = 1.1  # from one size of a part to the next


class Feature(NamedTuple):
    """What a cascade looks for.

    Attributes:
        cascade: its name, without `haarcascade_` and `.xml`.
        smallest, largest: widths of its finds, in eye distances.
        votes: overlapping windows that must agree.
        near: how far from where geometry has the part its find may lie, in eye distances (across, down).
        inside: where in a find the part's centre lies, in shares of its width and height.
    """

    cascade: str
    smallest: float
    largest: float
    votes: int
    near: tuple[float, float]
    inside: tuple[float, float]


# Chosen on every other picture of CelebA, against FaceMesh: `recipes/face_parts/cascades.py`. OpenCV's finds lie a little to the
# left of what they show, hence 0.55.
_EYE = Feature("eye", 0.42, 0.85, 5, (0.2, 0.2), (0.55, 0.53))
FEATURES = {
    "right_eye": _EYE,
    "left_eye": _EYE,
    "nose": Feature("mcs_nose", 0.5, 1.0, 5, (0.25, 0.3), (0.53, 0.22)),
    "mouth": Feature("mcs_mouth", 0.8, 1.2, 8, (0.25, 0.35), (0.51, 0.39)),
}
# It sees a smile in most mouths: many votes are asked for, so that three in four of those it names are smiles.
SMILE = Feature("smile", 0.8, 1.3, 75, (0.25, 0.35), (0.5, 0.48))


class PartCascades:
    """The cascades of eyes and smile, and of nose and mouth where a folder has them.

    Args:
        folder: with `haarcascade_*.xml` files; those that it does not hold come from OpenCV.

    Raises:
        FaceError: code 2, if the folder or a cascade cannot be loaded.
    """

    def __init__(self, folder: Path | None = None) -> None:
        names = {feature.cascade for feature in (*FEATURES.values(), SMILE)}
        self._cascades = {name: files.load(name, folder) for name in sorted(names) if files.has(name, folder)}
        self._lock = threading.Lock()  # a cascade keeps what it works on within itself

    def find(self, grey: NDArray[np.uint8], frame: Frame, expected: Mapping[str, Point]) -> dict[str, Point]:
        """The centres of eyes, nose and mouth, in pixels of the crop, by name; those that no cascade finds are left out.

        Args:
            grey: (H, W), the crop.
            frame: of the face.
            expected: where geometry has each part's centre, in pixels of the crop.
        """
        found = {}
        for name, feature in FEATURES.items():
            if name in expected and feature.cascade in self._cascades:
                finds = self._look(grey, frame, feature, expected[name])
                if finds:
                    found[name] = max(finds, key=lambda find: find.votes).centre
        return found

    def smile(self, grey: NDArray[np.uint8], frame: Frame, mouth: Point) -> NDArray[np.bool_] | None:
        """Where the smile cascade sees a smile near the mouth's centre: its box as a mask (H, W); None where it sees none."""
        finds = self._look(grey, frame, SMILE, mouth)
        if not finds:
            return None
        mask = np.zeros(grey.shape, np.uint8)
        cv2.fillConvexPoly(mask, (max(finds, key=lambda find: find.votes).corners - 0.5).round().astype(np.int32), 1)
        return mask.astype(bool)

    def _look(self, grey: NDArray[np.uint8], frame: Frame, feature: Feature, expected: Point) -> list[_Find]:
        """What a cascade finds near a place, upright and at one scale whatever the crop's."""
        cascade = self._cascades[feature.cascade]
        wide, high = cascade.getOriginalWindowSize()
        # Half the sides of the cut, in eye distances: the largest find whose centre is just near enough must fit in.
        half = [
            near + max(inside, 1 - inside) * feature.largest * side / wide
            for near, inside, side in zip(feature.near, feature.inside, (wide, high), strict=True)
        ]
        size = (int(2 * half[0] * UNIT), int(2 * half[1] * UNIT))
        # cut → crop: the cut's pixel (0.5, 0.5) is OpenCV's (0, 0), and so is the crop's
        turn = np.array([[frame.across[0], -frame.across[1]], [frame.across[1], frame.across[0]]]) * frame.unit / UNIT
        corner = np.array(expected) - turn @ (np.array(size) / 2)
        matrix = np.column_stack([turn, corner + turn @ (0.5, 0.5) - 0.5])
        cut = cv2.warpAffine(
            grey,
            matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        least, most = (max(1, int(width * UNIT)) for width in (feature.smallest, feature.largest))
        with self._lock:
            boxes, votes = cascade.detectMultiScale2(cut, STEP, feature.votes, 0, (least, 1), (most, 4 * most))
        finds = []
        for (x, y, width, height), count in zip(boxes, votes, strict=True):
            inside = np.array([x + feature.inside[0] * width, y + feature.inside[1] * height])
            away = np.abs(inside - np.array(size) / 2) / UNIT
            if (away <= feature.near).all():
                corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float64)
                centre = Point(*(turn @ inside + corner).tolist())
                finds.append(_Find(centre, corners @ turn.T + corner, int(count)))
        return finds


class _Find(NamedTuple):
    """What a cascade found: the part's centre and the find's corners (4, 2), in pixels of the crop."""

    centre: Point
    corners: NDArray[np.float64]
    votes: int


@cache
def of_opencv() -> PartCascades:
    """The cascades that come with OpenCV, read once.

    Raises:
        FaceError: code 2, if they cannot be loaded.
    """
    return PartCascades()
