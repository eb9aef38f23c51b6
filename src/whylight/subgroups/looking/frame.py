"""One frame for all pictures, so that maps lie on one another: a face laid on its eyes, or the picture as it is.

A frame is a square of `SIDE` × `SIDE` cells. Places in it are in cells, those in pictures in pixels, and the first one's centre is
(0.5, 0.5) in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whylight.cells import Span
from whylight.errors import WhylightError
from whylight.faces.align import PORTRAIT, crop, to_picture
from whylight.faces.parts import parts_of, within
from whylight.faces.types import Detector, FacePart
from whylight.images.preprocess import Region, place
from whylight.subgroups.chances.contrast import Bools, Floats

Align = Literal["none", "face"]
SIDE = 56
FINE = 2  # cells, along each side, that maps are read on before they are averaged to those of the frame
# Parts of the face, in the order in which they are told: both eyes are one, since a mean map has no use for a side.
PARTS: dict[str, tuple[str, ...]] = {
    "eyes": ("right_eye", "left_eye"),
    "eyebrows": ("right_eyebrow", "left_eyebrow"),
    "nose": ("nose",),
    "mouth": ("mouth",),
    "cheeks": ("right_cheek", "left_cheek"),
    "forehead": ("forehead",),
    "chin": ("chin",),
    "hair": ("hair",),
    "background": ("background",),
}
NONE = 255  # a cell of no part


class Frame(NamedTuple):
    """A picture's frame.

    Attributes:
        matrix: (2, 3), frame → picture: pixel = matrix @ (x, y, 1).
        labels: (FINE · SIDE, FINE · SIDE) uint8: the place of each cell's part in `PARTS`; None where nobody knows of parts.
        aligned: `points`, `eyes` or `box`, as for `whylight.faces.FaceCrop`; `picture` for the picture as it is.
    """

    matrix: Floats
    labels: NDArray[np.uint8] | None
    aligned: str

    @property
    def coarse(self) -> NDArray[np.uint8]:
        """The labels by the frame's own cells: (SIDE, SIDE); `NONE` where there are none."""
        if self.labels is None:
            return np.full((SIDE, SIDE), NONE, np.uint8)
        return self.labels[1::FINE, 1::FINE]


def checked(align: str) -> Align:
    """`none` or `face`.

    Raises:
        WhylightError: if it is neither.
    """
    for known in get_args(Align):
        if align == known:
            return align  # type: ignore[return-value]
    raise WhylightError(f"align: expected one of {', '.join(get_args(Align))}, got {align!r}")


def of_picture(size: tuple[int, int]) -> Frame:
    """The frame of a picture (width, height) as it is."""
    width, height = size
    return Frame(np.array([[width / SIDE, 0.0, 0.0], [0.0, height / SIDE, 0.0]]), None, "picture")


def of_face(picture: Image.Image, detector: Detector) -> Frame | None:
    """The frame of the largest face: the head with hair and some background, its eyes level; None where no face is found."""
    found = detector.look(picture, largest=True).faces
    if not found:
        return None
    made = crop(picture, found[0], PORTRAIT)
    parts = within(parts_of(made), made, picture.size)
    scale = PORTRAIT.size[0] / SIDE
    corners = to_picture(made, np.array([(0.0, 0.0), (scale, 0.0), (0.0, scale)]))
    matrix = np.column_stack([corners[1] - corners[0], corners[2] - corners[0], corners[0]])
    return Frame(matrix, labels_of(parts, PORTRAIT.size), made.aligned)


def labels_of(parts: Mapping[str, FacePart], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Masks of parts over a crop of (height, width) as one array of a frame's fine cells."""
    labels = np.full(size, NONE, np.uint8)
    for number, names in enumerate(PARTS.values()):
        for name in names:
            if name in parts:
                labels[parts[name].mask] = number
    fine = cv2.resize(labels, (FINE * SIDE, FINE * SIDE), interpolation=cv2.INTER_NEAREST)
    return np.asarray(fine, np.uint8)


class Evidence(NamedTuple):
    """A map in its frame.

    Attributes:
        map: (SIDE, SIDE), nowhere negative.
        shares: of all the picture's evidence on each of `PARTS`, what lies outside of the frame being background; None where
            nobody knows of parts, or there is no evidence.
        inside: the share of the evidence that lies in the frame; 0 where there is none.
    """

    map: Floats
    shares: list[float] | None
    inside: float


def evidence_in(frame: Frame, raw: Tensor, region: Region, span: Span, size: tuple[int, int]) -> Evidence:
    """Lay a map into a frame.

    Args:
        frame: of the picture.
        raw: (h, w), evidence, 0 meaning none; what is below counts as none.
        region: the part of the picture that the network saw, in pixels of the picture.
        span: over which part of that the cells are spread.
        size: (width, height) of the picture.
    """
    cells = raw.float().clamp(min=0)
    fine = _sampled(cells.numpy().astype(np.float64), frame.matrix, region, span, size)
    # Of a cell's evidence, as much as its area in the picture.
    area = abs(float(np.linalg.det(frame.matrix[:, :2]))) / FINE**2
    here = float(fine.sum()) * area
    whole = float(place(cells, region, size, (FINE * SIDE, FINE * SIDE), span).mean()) * size[0] * size[1]
    whole = max(whole, here)
    map_ = fine.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3))
    if not whole > 0:
        return Evidence(map_, None, 0.0)
    shares = None
    if frame.labels is not None:
        on = np.bincount(frame.labels.ravel(), fine.ravel(), minlength=NONE + 1) * area / whole
        shares = [float(one) for one in on[: len(PARTS)]]
        shares[-1] += 1 - sum(shares)  # beyond the frame, and where no part is
    return Evidence(map_, shares, here / whole)


def _sampled(cells: Floats, matrix: Floats, region: Region, span: Span, size: tuple[int, int]) -> Floats:
    """A map read at the centres of a frame's fine cells, bilinear; 0 outside of what the network saw, or of the picture."""
    count = FINE * SIDE
    at = (np.arange(count) + 0.5) / FINE
    x = matrix[0, 0] * at[None, :] + matrix[0, 1] * at[:, None] + matrix[0, 2]  # pixels of the picture, (count, count)
    y = matrix[1, 0] * at[None, :] + matrix[1, 1] * at[:, None] + matrix[1, 2]
    across, down = (x - region.x0) / (region.x1 - region.x0), (y - region.y0) / (region.y1 - region.y0)
    seen = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
    seen &= (x >= 0) & (x <= size[0]) & (y >= 0) & (y <= size[1])
    h, w = cells.shape
    column = ((across - span.left) / (span.right - span.left) * w - 0.5).clip(0, w - 1)
    row = ((down - span.top) / (span.bottom - span.top) * h - 0.5).clip(0, h - 1)
    left, top = column.astype(np.int64).clip(max=max(w - 2, 0)), row.astype(np.int64).clip(max=max(h - 2, 0))
    right, low = np.minimum(left + 1, w - 1), np.minimum(top + 1, h - 1)
    a, b = column - left, row - top
    upper = cells[top, left] * (1 - a) + cells[top, right] * a
    lower = cells[low, left] * (1 - a) + cells[low, right] * a
    found: Floats = np.where(seen, upper * (1 - b) + lower * b, 0.0)
    return found


def onto_input(mask: Bools, matrix: Floats, region: Region, size: tuple[int, int]) -> Bools:
    """A region of a frame as the pixels of a network's input that show it.

    Args:
        mask: (SIDE, SIDE) which cells.
        matrix: of the picture's frame.
        region: the part of the picture that the network saw.
        size: (height, width) of the input.
    """
    height, width = size
    x = region.x0 + (np.arange(width) + 0.5) / width * (region.x1 - region.x0)
    y = region.y0 + (np.arange(height) + 0.5) / height * (region.y1 - region.y0)
    inverse = np.linalg.inv(matrix[:, :2])
    dx, dy = (x - matrix[0, 2])[None, :], (y - matrix[1, 2])[:, None]
    column = np.floor(inverse[0, 0] * dx + inverse[0, 1] * dy).astype(np.int64)
    row = np.floor(inverse[1, 0] * dx + inverse[1, 1] * dy).astype(np.int64)
    inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    found: Bools = inside & mask[row.clip(0, SIDE - 1), column.clip(0, SIDE - 1)]
    return found
