"""Which pixels of a face crop are the eyes, the nose, the mouth, … and which are none of the face."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.faces.facemesh import FaceMesh
from whylight.faces.geometry import Frame, by_eyes, by_points
from whylight.faces.outlines import Outline, middle, outlines, paint
from whylight.faces.partcascades import FEATURES, PartCascades, of_opencv
from whylight.faces.types import FaceCrop, FacePart, Point

Source = Literal["auto", "landmarks", "haar", "geometry"]

FACIAL = ("right_eye", "left_eye", "right_eyebrow", "left_eyebrow", "nose", "mouth", "smile")  # left: the person's own
NAMES = (*FACIAL, "forehead", "right_cheek", "left_cheek", "chin", "hair", "background")
OFF_FACE = ("hair", "background")
SURE = 0.5  # confidence from which on landmarks count, as in MediaPipe
_TOLD = ("right_eye", "left_eye", "nose", "mouth")  # by a detector with five points


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
        The parts by name, in the order of `NAMES`, each with the source that told its place. Where FaceMesh sees no face, geometry tells.

    Raises:
        WhylightError: if the source is unknown, or landmarks are asked for and there is nothing that could tell them.
        FaceError: code 2, if the cascades cannot be loaded.
    """
    if source not in get_args(Source):
        raise WhylightError(f"source: expected one of {', '.join(get_args(Source))}, got {source!r}")
    told, unit, points = _points(crop, source, mesh)
    if points is None and mesh is None and source == "landmarks":
        raise WhylightError(
            "source: landmarks need FaceMesh's weights (mesh=…), or a detector that tells eyes, nose and mouth, such as yunet"
        )
    finder = None
    if source in {"auto", "haar"}:
        finder = cascades if isinstance(cascades, PartCascades) else PartCascades(cascades) if cascades else of_opencv()
    grey = np.asarray(crop.picture.convert("L"))
    if points is None:
        shapes, told, unit = _by_eyes(crop, grey, finder)
    else:
        shapes = outlines(points)
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


def _by_eyes(
    crop: FaceCrop, grey: NDArray[np.uint8], finder: PartCascades | None
) -> tuple[dict[str, Outline], dict[str, str], float]:
    """The typical face laid on the eyes, each part that a cascade finds moved to where it found it; and what it found."""
    frame = Frame.of(*crop.eyes)
    shapes = outlines(by_eyes(frame))
    if finder is None:
        return shapes, {}, frame.unit
    found = finder.find(grey, frame, _middles(shapes))
    if crop.aligned == "box" and {"right_eye", "left_eye"} <= {*found}:  # they tell more than the box does
        frame = Frame.of(found["right_eye"], found["left_eye"])
        shapes = outlines(by_eyes(frame))
        found |= finder.find(grey, frame, _middles(shapes))
    middles = _middles(shapes)
    for name, centre in found.items():
        shapes[name] = shapes[name] + np.subtract(centre, middles[name])
    return shapes, dict.fromkeys(found, "haar"), frame.unit


def _middles(shapes: dict[str, Outline]) -> dict[str, Point]:
    """The centre of gravity of each part that a cascade may find."""
    return {name: middle(shapes[name]) for name in FEATURES}


def _points(
    crop: FaceCrop, source: Source, mesh: FaceMesh | None
) -> tuple[dict[str, str], float, NDArray[np.float64] | None]:
    """Landmarks in pixels of the crop, which parts they tell, and the eye distance; None where there are none to go by."""
    if source in {"auto", "landmarks"}:
        if mesh is not None:
            found = mesh.landmarks(crop)
            if found.confidence >= SURE:
                told = dict.fromkeys(set(NAMES) - {"smile", *OFF_FACE}, "landmarks")
                return told, Frame.of(*found.eyes).unit, found.points[:, :2]
        points = by_points(crop)
        if points is not None:
            return dict.fromkeys(_TOLD, "landmarks"), Frame.of(*crop.eyes).unit, points
    return {}, 1.0, None


def _centre(mask: NDArray[np.bool_]) -> Point:
    """The mean place of a mask's pixels."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    return Point(moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5)
