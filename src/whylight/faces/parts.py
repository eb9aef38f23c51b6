"""Which pixels of a face crop are the eyes, the nose, the mouth, … and which are none of the face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.faces.align import to_picture
from whylight.faces.facemesh import FaceMesh
from whylight.faces.features.geometry import Frame, bent, by_eyes, by_points
from whylight.faces.features.outlines import middle, outlines, paint
from whylight.faces.features.partcascades import FEATURES, PartCascades, of_opencv
from whylight.faces.types import FaceCrop, FacePart, Point

Source = Literal["auto", "landmarks", "haar", "geometry"]

FACIAL = ("right_eye", "left_eye", "right_eyebrow", "left_eyebrow", "nose", "mouth", "smile")  # left: the person's own
NAMES = (*FACIAL, "forehead", "right_cheek", "left_cheek", "chin", "hair", "background")
OFF_FACE = ("hair", "background")
EYES = ("right_eye", "left_eye")
SURE = 0.5  # confidence from which on landmarks count, as in MediaPipe


def parts_of(
    crop: FaceCrop,
    *,
    source: Source = "auto",
    mesh: FaceMesh | None = None,
    cascades: Path | PartCascades | None = None,
) -> dict[str, FacePart]:
    """Divide a crop into the parts of the face, hair and background.

    The masks share no pixel and together cover the crop, except the smile's, which lies over the mouth and is there only where
    the smile cascade finds one. A part that is wholly outside of the crop is left out. Hair is where it usually is; no one looks
    at its colour, and with a bald head or a hat that is what the region shows.

    Args:
        crop: of an upright face, its eyes known or assumed.
        source: what tells where the parts are. `"landmarks"`: FaceMesh, or else a detector that tells eyes, nose and mouth.
            `"haar"`: cascades, and geometry for what they do not find. `"geometry"`: the eyes of the crop alone. `"auto"`: the
            first of them that has something to say, each part for itself.
        mesh: FaceMesh with its weights.
        cascades: a folder with more cascades, such as `haarcascade_mcs_nose.xml` and `haarcascade_mcs_mouth.xml`; those for eyes
            and smile come with OpenCV. For many crops hand over `PartCascades(folder)`, which reads them once.

    Returns:
        The parts by name, in the order of `NAMES`, each with the source that told its place; where FaceMesh is not sure of a face,
        the next source is asked.

    Raises:
        WhylightError: if the source is unknown, or landmarks are asked for and there is nothing that could tell them.
        FaceError: code 2, if the cascades cannot be loaded.
    """
    if source not in get_args(Source):
        raise WhylightError(f"source: expected one of {', '.join(get_args(Source))}, got {source!r}")
    if source == "landmarks" and mesh is None and by_points(crop) is None:
        raise WhylightError(
            "source: landmarks need FaceMesh's weights (mesh=…, --landmarks FILE), "
            "or a detector that tells eyes, nose and mouth, such as yunet"
        )
    finder = None
    if source in {"auto", "haar"}:
        finder = cascades if isinstance(cascades, PartCascades) else PartCascades(cascades) if cascades else of_opencv()
    grey = np.asarray(crop.picture.convert("L"))
    found = mesh.landmarks(crop) if mesh is not None and source in {"auto", "landmarks"} else None
    if found is not None and found.confidence >= SURE:
        shapes, unit = outlines(found.points[:, :2]), Frame.of(*found.eyes).unit
        told = dict.fromkeys((name for name in shapes if name not in OFF_FACE), "landmarks")
    else:
        frame, points, told = _typical(crop, five=source in {"auto", "landmarks"})
        if finder is not None:
            frame, points, told = _moved(crop, grey, finder, frame, points, told)
        shapes, unit = outlines(points), frame.unit
    masks = paint(shapes, unit, grey.shape)
    if finder is not None and "mouth" in masks:
        smile = finder.smile(grey, Frame.of(*crop.eyes), _centre(masks["mouth"]))
        if smile is not None:
            masks["smile"], told["smile"] = smile, "haar"
    return {
        name: FacePart(name, masks[name], _centre(masks[name]), told.get(name, "geometry"))
        for name in NAMES
        if name in masks
    }


def _typical(crop: FaceCrop, *, five: bool) -> tuple[Frame, NDArray[np.float64], dict[str, str]]:
    """The typical face on the crop's eyes, and on nose and mouth if the detector told five points: frame, landmarks, sources."""
    frame = Frame.of(*crop.eyes)
    points = by_points(crop) if five else None
    return (frame, by_eyes(frame), {}) if points is None else (frame, points, dict.fromkeys(FEATURES, "landmarks"))


def _moved(
    crop: FaceCrop,
    grey: NDArray[np.uint8],
    finder: PartCascades,
    frame: Frame,
    points: NDArray[np.float64],
    told: dict[str, str],
) -> tuple[Frame, NDArray[np.float64], dict[str, str]]:
    """The same, bent so that what the cascades find lies where they find it: with the mouth go the chin and, in part, the nose."""
    found = finder.find(grey, frame, _middles(points))
    if crop.aligned == "box" and {*EYES} <= {*found}:  # they tell more than the box does
        frame = Frame.of(found["right_eye"], found["left_eye"])
        points = by_eyes(frame)
        found |= finder.find(grey, frame, _middles(points))
    middles = _middles(points)
    fixed = [name for name in FEATURES if name in found or name in told or name in EYES]
    here, there = (
        np.array([middles[name] for name in fixed]),
        np.array([found.get(name, middles[name]) for name in fixed]),
    )
    return frame, bent(points, here, there), told | dict.fromkeys(found, "haar")


def _middles(points: NDArray[np.float64]) -> dict[str, Point]:
    """The centre of gravity of each part that a cascade may find."""
    shapes = outlines(points)
    return {name: middle(shapes[name]) for name in FEATURES}


def within(parts: Mapping[str, FacePart], crop: FaceCrop, size: tuple[int, int]) -> dict[str, FacePart]:
    """The parts without those that lie outside of the picture by half or more: what the crop shows there is filled in.

    Their pixels become background.

    Args:
        parts: from `parts_of(crop)`.
        crop: of the face.
        size: (width, height) of the picture that it was cut out of.
    """
    height, width = crop.picture.height, crop.picture.width
    corners = to_picture(crop, [(0, 0), (width, 0), (0, height), (width, height)])
    if (corners >= 0).all() and (corners <= size).all():
        return dict(parts)
    y, x = np.mgrid[:height, :width] + 0.5
    places = to_picture(crop, np.stack([x.ravel(), y.ravel()], 1))  # (H·W, 2)
    there = ((places >= 0) & (places < size)).all(1).reshape(height, width)
    kept = {
        name: part
        for name, part in parts.items()
        if name == "background" or (part.mask & there).sum() > part.mask.sum() / 2
    }
    gone = np.zeros((height, width), np.bool_)
    for name, part in parts.items():
        if name not in kept and name != "smile":
            gone |= part.mask
    if gone.any():
        mask = gone | kept["background"].mask if "background" in kept else gone
        kept["background"] = FacePart("background", mask, _centre(mask), "geometry")
    return kept


def _centre(mask: NDArray[np.bool_]) -> Point:
    """The mean place of a mask's pixels."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    return Point(moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5)
