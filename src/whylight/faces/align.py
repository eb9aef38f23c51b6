"""From a face in a picture to a crop in which the eyes lie where a network expects them.

All places are in pixels with the first pixel's centre at (0.5, 0.5), so that resizing is a plain multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import FaceError, WhylightError
from whylight.faces.resize import resized
from whylight.faces.types import Face, FaceCrop, Point, Template

Points = Sequence[Sequence[float]] | NDArray[np.float64]


def _at(x: float, y: float, side: int = 112) -> Point:
    """A published place, counted from the first pixel's centre, as a share of a square's side."""
    return Point((x + 0.5) / side, (y + 0.5) / side)


# Where ArcFace, CosFace, MobileFaceNet and their kin were trained to find the five points (Deng 2019, insightface).
ARCFACE = Template(
    (112, 112),
    right_eye=_at(38.2946, 51.6963),
    left_eye=_at(73.5318, 51.5014),
    others={
        "nose": _at(56.0252, 71.7366),
        "right_mouth": _at(41.5493, 92.3655),
        "left_mouth": _at(70.7299, 92.2041),
    },
)
# The whole head with hair, neck and some background: adult heads are about 2.4 eye distances wide and 3.6 high, eyes half-way.
PORTRAIT = Template((224, 224), right_eye=Point(0.39, 0.46), left_eye=Point(0.61, 0.46))

# Where the eyes lie in a detector's box, as shares of its width and height, where it tells no points: (right x, left x, y).
# Medians over 120 pictures of celeba with the eyes that YuNet finds.
EYES_IN_BOX = {"haar": (0.31, 0.69, 0.375), "yunet": (0.27, 0.73, 0.385), "cam": (0.31, 0.69, 0.375)}
ENOUGH = 0.75  # a crop at less than this scale skips pixels of the picture, so that it is shrunk by area first
_LARGE = 2**25  # pixels from which on only a part of a picture is copied
NEAREST = 1e-3  # pixels between the eyes: less is one place, which tells neither size nor direction


def crop(picture: Image.Image, face: Face, template: Template, *, margin: float = 0.0) -> FaceCrop:
    """Cut a face out of its picture, turned and scaled so that it lies on a template.

    The eyes decide where they were found (and nose and mouth with them, by least squares, where both the face and the template
    have them); else the box does, with the eyes where they usually are in the detector's boxes. What lies outside of the picture
    is filled from its border. Pictures much larger than the crop are averaged, not sampled.

    Args:
        picture: RGB, the one in which the face was found.
        face: from a detector.
        template: size of the crop and places in it, such as `ARCFACE` or `PORTRAIT`.
        margin: share of the crop's sides that is added around the template's view, on each side; 0.25 halves the face.

    Raises:
        FaceError: code 3, if the face has neither two eyes nor a box with an area.
        WhylightError: if the margin is not above -0.5.

    >>> from whylight.localize import Box
    >>> face = Face(Box(0, 0, 1, 1, 1.0), "haar", "eyes", {"right_eye": Point(30, 40), "left_eye": Point(70, 40)})
    >>> made = crop(Image.new("RGB", (100, 100)), face, PORTRAIT)
    >>> made.aligned, made.picture.size, [round(x) for x in made.eyes[0]]
    ('eyes', (224, 224), [87, 103])

    Source of the least squares: Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns".
    """
    if not margin > -0.5:
        raise WhylightError(f"margin: expected a share of the crop's side above -0.5, got {margin}")
    height, width = template.size
    wanted = {"right_eye": template.right_eye, "left_eye": template.left_eye, **template.others}
    wanted = {
        name: Point(width * _inwards(point.x, margin), height * _inwards(point.y, margin))
        for name, point in wanted.items()
    }
    here, aligned = _places(face, wanted)
    matrix = similarity([here[name] for name in here], [wanted[name] for name in here])
    eyes = to_crop(matrix, [here["right_eye"], here["left_eye"]])
    part, onto = _part(picture, matrix, (height, width))
    return FaceCrop(
        Image.fromarray(_warp(np.asarray(part.convert("RGB")), onto, (height, width))),
        matrix,
        face,
        (Point(*map(float, eyes[0])), Point(*map(float, eyes[1]))),
        aligned,
    )


def similarity(here: Points, there: Points) -> NDArray[np.float64]:
    """The turn, scale and shift, without mirroring, that brings points (N, 2) nearest to others (N, 2) in least squares: (2, 3).

    >>> similarity([(0, 0), (1, 0)], [(5, 5), (5, 7)]).tolist()  # twice as large, a quarter turn
    [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]]

    Raises:
        WhylightError: if all points are in one place.
    """
    p, q = _complex(here), _complex(there)
    centred = p - p.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if spread <= 0:
        raise WhylightError("similarity: all points are in one place, which tells neither size nor direction")
    a = complex((centred.conj() * (q - q.mean())).sum() / spread)  # q ≈ a p + b over the complex plane
    b = complex(q.mean() - a * p.mean())
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def to_crop(matrix: NDArray[np.float64] | FaceCrop, points: Points) -> NDArray[np.float64]:
    """Pixels of the picture (N, 2) → pixels of the crop (N, 2)."""
    matrix = matrix.matrix if isinstance(matrix, FaceCrop) else matrix
    return np.asarray(points, np.float64).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]


def to_picture(matrix: NDArray[np.float64] | FaceCrop, points: Points) -> NDArray[np.float64]:
    """Pixels of the crop (N, 2) → pixels of the picture (N, 2)."""
    matrix = matrix.matrix if isinstance(matrix, FaceCrop) else matrix
    shifted = np.asarray(points, np.float64).reshape(-1, 2) - matrix[:, 2]
    return np.asarray(np.linalg.solve(matrix[:, :2], shifted.T).T, np.float64)


def eyes_from_box(face: Face) -> tuple[Point, Point]:
    """Where the person's right and left eye usually are in a detector's box, in pixels of the picture; the turn is heeded."""
    x0, y0, x1, y1 = face.box[:4]
    right, left, down = EYES_IN_BOX.get(face.detector, EYES_IN_BOX["haar"])
    centre = complex((x0 + x1) / 2, (y0 + y1) / 2)
    # The picture was turned counter-clockwise until the face stood upright; y points down, so that +1j turns clockwise.
    turn = complex(math.cos(math.radians(face.angle)), math.sin(math.radians(face.angle)))
    eyes = (centre + turn * complex((x - 0.5) * (x1 - x0), (down - 0.5) * (y1 - y0)) for x in (right, left))
    first, second = (Point(eye.real, eye.imag) for eye in eyes)
    return first, second


def _places(face: Face, wanted: dict[str, Point]) -> tuple[dict[str, Point], str]:
    """The places in the picture to lay on the template's, by name, and what told them."""
    if face.eyes and math.dist(*face.eyes) > NEAREST:
        found = {name: face.points[name] for name in wanted if name in face.points}
        if len(found) == len(wanted) > 2:
            return found, "points"
        return {"right_eye": face.eyes[0], "left_eye": face.eyes[1]}, "eyes"
    if face.box.x1 <= face.box.x0 or face.box.y1 <= face.box.y0:
        raise FaceError(3, f"the face at {tuple(face.box[:4])} has no area and no eyes; detect it again")
    right, left = eyes_from_box(face)
    return {"right_eye": right, "left_eye": left}, "box"


def _inwards(share: float, margin: float) -> float:
    return 0.5 + (share - 0.5) / (1 + 2 * margin)


def _warp(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The crop (H, W, 3) of a picture (h, w, 3), filled from the border where the picture ends."""
    height, width = size
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if scale < ENOUGH:
        x0, y0, x1, y1 = _around(matrix, size, (pixels.shape[1], pixels.shape[0]))
        if x0 < x1 and y0 < y1:
            w, h = max(1, round(scale * (x1 - x0))), max(1, round(scale * (y1 - y0)))
            pixels = resized(pixels[y0:y1, x0:x1], w, h)
            matrix = matrix @ np.array([[(x1 - x0) / w, 0, x0], [0, (y1 - y0) / h, y0], [0, 0, 1]])
    shift = matrix[:, :2] @ (0.5, 0.5) + matrix[:, 2] - 0.5  # OpenCV counts from the first pixel's centre
    warped = cv2.warpAffine(
        pixels,
        np.column_stack([matrix[:, :2], shift]),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.uint8)


def _part(
    picture: Image.Image, matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[Image.Image, NDArray[np.float64]]:
    """Of a large picture only what a crop is made of, and the matrix from there; a copy of all of it may not fit."""
    x0, y0, x1, y1 = _around(matrix, size, picture.size)
    if picture.width * picture.height < _LARGE or x0 >= x1 or y0 >= y1:
        return picture, matrix
    return picture.crop((x0, y0, x1, y1)), matrix @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]])


def _around(
    matrix: NDArray[np.float64], size: tuple[int, int], picture_size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The part of a picture of (width, height) that a crop of (height, width) shows, and a rim."""
    height, width = size
    corners = to_picture(matrix, [(0, 0), (width, 0), (0, height), (width, height)])
    pad = 2 / min(1.0, math.hypot(matrix[0, 0], matrix[1, 0]))  # averaging at the cut sees what it would in the whole
    x0, y0 = (max(0, math.floor(value - pad)) for value in corners.min(0))
    x1 = min(picture_size[0], math.ceil(corners[:, 0].max() + pad))
    y1 = min(picture_size[1], math.ceil(corners[:, 1].max() + pad))
    return x0, y0, x1, y1


def _complex(points: Points) -> NDArray[np.complex128]:
    pairs = np.asarray(points, np.float64).reshape(-1, 2)
    return np.asarray(pairs[:, 0] + 1j * pairs[:, 1])
