"""Where the parts of a typical face lie, once its eyes are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whylight.faces.align import similarity
from whylight.faces.features.typical import typical
from whylight.faces.types import FaceCrop, Point

# Where a detector that tells five points has them in the typical face, in eye distances: YuNet's medians over the same adults.
FIVE = {
    "right_eye": (-0.5, 0.0),
    "left_eye": (0.5, 0.0),
    "nose": (0.0, 0.6),
    "right_mouth": (-0.45, 0.98),
    "left_mouth": (0.45, 0.98),
}


@dataclass(frozen=True)
class Frame:
    """A face's own axes: the origin midway between the eyes, the eye distance as the unit, x towards the person's left eye, y down.

    Attributes:
        origin: in pixels of the crop.
        unit: the distance between the eyes, in pixels.
        across: the direction of x in the crop, of length 1.
    """

    origin: Point
    unit: float
    across: tuple[float, float]

    @classmethod
    def of(cls, right_eye: Point, left_eye: Point) -> Frame:
        """The frame of a face with these eyes, in pixels of the crop; eyes in one place count as one pixel apart, and level."""
        dx, dy = left_eye.x - right_eye.x, left_eye.y - right_eye.y
        unit = float(np.hypot(dx, dy))
        origin = Point((right_eye.x + left_eye.x) / 2, (right_eye.y + left_eye.y) / 2)
        return cls(origin, unit, (dx / unit, dy / unit)) if unit >= 1 else cls(origin, 1.0, (1.0, 0.0))

    def to_crop(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) in eye distances → (N, 2) in pixels of the crop.

        >>> Frame.of(Point(10, 20), Point(30, 20)).to_crop(np.array([[0.5, 1.0]]))
        array([[30., 40.]])
        """
        x, y = self.across
        turned: NDArray[np.float64] = points @ (np.array([[x, y], [-y, x]]) * self.unit) + np.array(self.origin)
        return turned

    def to_face(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) in pixels of the crop → (N, 2) in eye distances: the inverse of `to_crop`."""
        x, y = self.across
        turned: NDArray[np.float64] = (points - np.array(self.origin)) @ (np.array([[x, -y], [y, x]]) / self.unit)
        return turned


def by_eyes(frame: Frame) -> NDArray[np.float64]:
    """Landmarks (468, 2) of the typical face laid on a face's eyes, in pixels of the crop; NaN where none is needed."""
    return frame.to_crop(typical())


def by_points(crop: FaceCrop) -> NDArray[np.float64] | None:
    """The same, bent so that eyes, nose and corners of the mouth lie where the detector saw them; None where it told fewer.

    They must lie somewhat like a face: none more than one eye distance from where the eyes alone would have it.
    """
    points = crop.face.points
    if not {*FIVE} <= {*points}:
        return None
    frame = Frame.of(*crop.eyes)
    there = crop.matrix[:, :2] @ np.array([points[name] for name in FIVE]).T + crop.matrix[:, 2:]  # (2, 5)
    wanted, expected = frame.to_face(there.T), np.array([*FIVE.values()])
    if float(np.linalg.norm(wanted - expected, axis=1).max()) > 1:
        return None
    return frame.to_crop(bent(typical(), expected, wanted))


def bent(points: NDArray[np.float64], here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (N, 2) moved smoothly so that those at `here` (M, 2) come to lie `there` (M, 2).

    Two of them, or some on one line, tell no more than a turn, a scale and a shift.

    Source: Bookstein 1989, "Principal warps: thin-plate splines and the decomposition of deformations".

    >>> here = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    >>> bent(np.array([[0.5, 0.5]]), here, here + (2, 0)).round(6)
    array([[2.5, 0.5]])
    """
    count = len(here)
    centred = here - here.mean(0)
    if np.linalg.matrix_rank(centred, tol=1e-6 * float(np.abs(centred).max())) < 2:
        matrix = similarity(here, there)
        turned: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
        return turned
    flat = np.column_stack([np.ones(count), here])  # (M, 3)
    system = np.block([[_plate(here, here), flat], [flat.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.vstack([there, np.zeros((3, 2))]))  # (M + 3, 2)
    moved: NDArray[np.float64] = _plate(points, here) @ weights[:count]
    moved += np.column_stack([np.ones(len(points)), points]) @ weights[count:]
    return moved


def _plate(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """r² log r of the distances r between points (N, 2) and (M, 2): (N, M)."""
    square: NDArray[np.float64] = ((a[:, None] - b[None]) ** 2).sum(-1)
    return np.where(square > 0, 0.5 * square * np.log(np.where(square > 0, square, 1.0)), 0.0)
