"""The default detector: the Haar cascades of the OpenCV 4 wheel, one after another (Viola and Jones 2001, Lienhart 2002).

Frontal alt2, alt and default, then profile and profile mirrored. Where the upright picture shows no face beyond doubt, turned
pictures are looked at as well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.boxes.box import Box, overlap
from whylight.faces.detectors import cascades as files
from whylight.faces.detectors import eyes
from whylight.faces.detectors.rotated import turned, turned_back
from whylight.faces.resize import resized
from whylight.faces.types import Face, Look, clipped, largest_first

FRONTAL = ("frontalface_alt2", "frontalface_alt", "frontalface_default")
PROFILE = "profileface"  # of faces that look to the left of the picture; the mirrored picture shows it the others
MIRRORED = "profileface, mirrored"
ORDER = (*FRONTAL, PROFILE, MIRRORED)

# Chosen on 120 pictures of faces_multi and of celeba each, and on those of coco128 without people.
LONGEST = 640  # pixels of the longer side in which faces are looked for
ENLARGED = 2.0  # times that a smaller picture is enlarged where it shows no face as it is
QUICK = 320  # the same where only the largest face is wanted, and for turned pictures
SMALLEST = 20  # pixels of that picture: the cascades' own window
STEP = 1.2  # from one size of faces to the next; 1.1 finds some more faces, and as many more that are none, in twice the time
AGREED = 5  # overlapping windows that make a face where two cascades or more saw it
ALONE = dict(zip(ORDER, (5, 5, 7, 7, 7), strict=True))  # the same where only one did
SAME = 0.3  # IoU from which on two finds are the same face
CLEAR = 15  # windows that leave no doubt: where there is one such face nobody looks further for the largest, or at turned pictures
TURNS = (15.0, -15.0, 30.0, -30.0, 45.0, -45.0, 90.0, -90.0, 180.0)


class Find(NamedTuple):
    """What one cascade found or several agree on, in pixels of the picture looked at; votes: windows that saw it, by cascade."""

    x0: int
    y0: int
    x1: int
    y1: int
    votes: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.votes.values())

    @property
    def cascade(self) -> str:
        """The first one that saw it."""
        return next(iter(self.votes))

    @property
    def sure(self) -> bool:
        """Whether this is a face: cascades err at different places, so that two which agree need fewer votes than one alone."""
        return self.total >= (AGREED if len(self.votes) > 1 else ALONE[self.cascade])


class HaarDetector:
    """Finds faces by Haar cascades; `whylight.faces.detect.detector("haar")`.

    Args:
        cascades: a folder with `haarcascade_*.xml` to be used in place of OpenCV's of the same names.
        turns: by how many degrees pictures are turned where the upright one shows no face beyond doubt; () for pictures of faces
            that are known to be upright, which takes a fraction of the time.
        least: how large faces are at least, as a share of the shorter side; 0: of any size. 0.15 takes a third of the time.

    Raises:
        FaceError: code 2, if a cascade cannot be loaded.
    """

    name = "haar"

    def __init__(self, cascades: Path | None = None, turns: Sequence[float] = TURNS, least: float = 0.0) -> None:
        self._cascades = {name: files.load(name, cascades) for name in (*FRONTAL, PROFILE)}
        self._turns, self._least = tuple(turns), least
        self._eyes = [files.load(name, cascades) for name in eyes.CASCADES]
        self._lock = threading.Lock()  # a cascade keeps what it works on within itself

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        return self.look(picture, largest=largest).faces

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of a picture, the largest first, and how many of them each cascade saw.

        Args:
            picture: any size; faces are looked for at `LONGEST` pixels of the longer side.
            largest: look at `QUICK` pixels first, and stop at the cascade that makes a face clear. A larger face that looks
                aside, which only a later cascade would see, is missed then.
        """
        grey = np.asarray(picture.convert("L"))
        with self._lock:
            if largest and max(grey.shape) > QUICK:
                quick = self._upright(grey, QUICK, stop=True)
                if _clear(quick.faces):
                    return quick
            look = self._upright(grey, LONGEST, stop=largest)
            if not look.faces and not self._least and max(grey.shape) < LONGEST:
                look = self._upright(grey, LONGEST, stop=largest, enlarged=ENLARGED)
            return look if _clear(look.faces) or not self._turns else self._turned(grey, look)

    def _upright(self, grey: NDArray[np.uint8], longest: int, stop: bool, enlarged: float = 1.0) -> Look:
        small, scale = scaled(grey, longest, enlarged)
        finds, asked = self._agreed(small, ORDER, stop)
        return Look(largest_first([self._face(grey, find, scale) for find in finds]), _seen_by(asked, finds))

    def _turned(self, grey: NDArray[np.uint8], upright: Look) -> Look:
        """What is clearly a face in the picture turned to either side, each at the turn with most votes, and what was upright.

        Nine pictures are nine chances to err, so that all frontal cascades have to agree. Doubtful upright faces in a picture that
        lies on its side or its head are none.
        """
        small, scale = scaled(grey, QUICK)
        tried, best = dict(upright.tried), []
        for angle in self._turns:
            finds, asked = self._agreed(turned(small, angle)[0], FRONTAL)
            finds = [find for find in finds if find.total >= CLEAR and len(find.votes) == len(FRONTAL)]
            tried |= {f"{name}, turned {angle:+g}°": count for name, count in _seen_by(asked, finds).items()}
            best += [(find, angle) for find in finds]
        faces: list[Face] = []
        for find, angle in sorted(best, key=lambda one: -one[0].total):
            whole, matrix = turned(grey, angle)
            face = turned_back(self._face(whole, find, scale), matrix, angle)
            if all(overlap(face.box, other.box) <= SAME for other in faces):
                faces.append(face)
        if not faces or abs(faces[0].angle) < 90:
            faces += [face for face in upright.faces if all(overlap(face.box, other.box) <= SAME for other in faces)]
        return Look(largest_first(clipped(faces, grey.shape[1], grey.shape[0])), tried)

    def _agreed(
        self, grey: NDArray[np.uint8], cascades: Sequence[str], stop: bool = False
    ) -> tuple[list[Find], list[str]]:
        """What is surely a face, and the cascades that were asked: all, or until a face is clear."""
        finds: list[Find] = []
        asked: list[str] = []
        for cascade in cascades:
            asked.append(cascade)
            finds = merged([*finds, *self._ask(grey, cascade)])
            if stop and any(find.total >= CLEAR for find in finds):
                break
        return [find for find in finds if find.sure], asked

    def _ask(self, grey: NDArray[np.uint8], cascade: str) -> list[Find]:
        if min(grey.shape) < SMALLEST:
            return []
        mirrored = cascade == MIRRORED
        seen = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
        classifier: Any = self._cascades[PROFILE if mirrored else cascade]
        side = max(SMALLEST, round(self._least * min(grey.shape)))
        boxes, counts = classifier.detectMultiScale2(seen, STEP, 1, 0, (side, side))
        finds = []
        for (x, y, w, h), count in zip(boxes, counts, strict=True):
            left = grey.shape[1] - int(x) - int(w) if mirrored else int(x)
            finds.append(Find(left, int(y), left + int(w), int(y) + int(h), {cascade: int(count)}))
        return finds

    def _face(self, grey: NDArray[np.uint8], find: Find, scale: float) -> Face:
        """A find in the shrunk picture as a face of the whole one, with its eyes where they can be seen."""
        x0, y0, x1, y1 = (round(value / scale) for value in find[:4])
        points = eyes.eyes_of(grey, (x0, y0, x1, y1), self._eyes) if find.cascade in FRONTAL else {}
        return Face(Box(x0, y0, x1, y1, float(find.total)), self.name, find.cascade, points)


def merged(finds: list[Find]) -> list[Find]:
    """One find for each place: the box of the cascade that came first, with the votes of all.

    >>> merged([Find(0, 0, 10, 10, {"frontalface_alt2": 4}), Find(1, 0, 11, 10, {"profileface": 3})])
    [Find(x0=0, y0=0, x1=10, y1=10, votes={'frontalface_alt2': 4, 'profileface': 3})]
    """
    kept: list[Find] = []
    for find in finds:
        same = next((at for at, other in enumerate(kept) if overlap(find[:4], other[:4]) > SAME), None)
        if same is None:
            kept.append(find)
        else:
            votes = dict(kept[same].votes)
            for cascade, count in find.votes.items():
                votes[cascade] = votes.get(cascade, 0) + count
            kept[same] = kept[same]._replace(votes=votes)
    return kept


def _clear(faces: list[Face]) -> bool:
    return any(face.box.score >= CLEAR for face in faces)


def _seen_by(cascades: Iterable[str], finds: list[Find]) -> dict[str, int]:
    """How many of the finds each cascade saw."""
    return {name: sum(name in find.votes for find in finds) for name in cascades}


def scaled(grey: NDArray[np.uint8], longest: int, most: float = 1.0) -> tuple[NDArray[np.uint8], float]:
    """A picture (H, W) whose longer side is at most so long, and its scale: enlarged at most so many times."""
    scale = min(most, longest / max(grey.shape))
    if scale == 1:
        return grey, 1.0
    return resized(grey, round(grey.shape[1] * scale), round(grey.shape[0] * scale)), scale
